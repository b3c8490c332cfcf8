package netstate

import (
	"fmt"

	psnet "github.com/shirou/gopsutil/v3/net"
)

// addConnections adds the sockets of one network from a table of gopsutil, as
// it is on systems that have no source of their own here. Failure is why there
// is no table. Whatever the table can't tell is a limit, so that nothing is
// taken for free because it is not in there.
func (s *Snapshot) addConnections(query portQuery, rows []psnet.ConnectionStat, failure error) {
	if failure != nil {
		s.Limits = append(s.Limits, unlistedLimit(query.network, failure))
		return
	}
	lost := 0
	for _, row := range rows {
		socket, err := connectionSocket(query.network, row)
		if err != nil {
			lost++
			continue
		}
		if query.ports.contains(socket.Local.Port()) {
			s.Sockets = append(s.Sockets, socket)
		}
	}
	s.Limits = append(s.Limits, connectionTableLimits(query, lost)...)
}

// unlistedLimit is the limit of a network whose sockets could not be listed.
func unlistedLimit(network Network, failure error) Limit {
	return Limit{
		Kind:    LimitUnsupported,
		Network: network,
		What:    "the " + string(network) + " sockets",
		Why:     "listing them failed: " + failure.Error(),
	}
}

// connectionTableLimits say what such a table lacks. Lost is the number of its
// rows that were not understood.
func connectionTableLimits(query portQuery, lost int) []Limit {
	name, why := string(query.network), "the system's own list of sockets lacks them"
	limits := []Limit{
		{Kind: LimitOwners, What: "the owners and users of " + name + " sockets", Why: why},
		{Kind: LimitUnsupported, What: name + " sockets that the system's list leaves out", Why: "which ones it leaves out is not known for this system"},
		{Kind: LimitSource, What: "the options and queues of " + name + " sockets", Why: why},
	}
	if query.network == TCP {
		limits = append(limits,
			Limit{Kind: LimitSource, What: "the remaining times of TIME_WAIT", Why: why},
			Limit{Kind: LimitBound, What: "TCP sockets that are bound and neither listen nor are connected", Why: "not every system lists them"})
	}
	if lost > 0 {
		limits = append(limits, Limit{
			Kind: LimitUnsupported,
			What: fmt.Sprintf("%d rows of the list of %s sockets", lost, name),
			Why:  "they have another form than is known",
		})
	}
	if query.ephemeral {
		limits = append(limits, Limit{Kind: LimitUnsupported, What: "how many " + name + " ports are in use", Why: why})
	}
	for i := range limits {
		limits[i].Network = query.network
	}
	return limits
}
