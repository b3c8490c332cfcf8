package diagnose

import "portdoc/netstate"

// Requests are the binds that answer a question.
func Requests(s *netstate.Snapshot, q Question) []netstate.BindRequest { return nil }

// Why answers a question.
func Why(s *netstate.Snapshot, q Question) *Report {
	return &Report{Schema: ReportSchema, Verdict: Unknown, Taken: s.Taken, Summary: "nothing is known yet"}
}
