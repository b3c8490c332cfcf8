package main
import ("context";"time";"portdoc/netstate";"portdoc/diagnose")
const (untilFree="free"; untilOpen="open")
func writeGitHub(c *console, results []checked, took time.Duration) error {return nil}
func writeJUnit(c *console, results []checked, took time.Duration) error {return nil}
func writeTAP(c *console, results []checked, took time.Duration) error {return nil}
func (k *checkup) dialAll(ctx context.Context) []checked {return nil}
func (k *checkup) opened(s *netstate.Snapshot, r []*diagnose.Report) []checked {return nil}
func (k *checkup) wait(ctx context.Context, r []checked, t time.Time) ([]checked,error) {return r,nil}
func targetsFrom(ctx context.Context, c *console, file string) ([]written, error) {return nil,nil}
