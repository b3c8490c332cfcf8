package netstate

import (
	"context"
	"os"
)

// readOwners fills in the owners of rows by asking lsof, and the limits of what
// it may see. It asks nothing if no socket can have owners.
//
// Without root lsof shows the reader's own processes.
func readOwners(ctx context.Context, s *Snapshot, rows []xnuSocket) {
	if !anyOpen(rows) {
		return
	}
	var files []lsofFile
	var failure string
	for _, query := range portQueries(s.Query) {
		if len(query.ports) == 0 {
			continue
		}
		of, err := openFiles(ctx, query)
		if err != nil {
			failure = err.Error()
			break
		}
		files = append(files, of...)
	}
	setLsofOwners(rows, files)
	s.Limits = append(s.Limits, ownersUnseen(rows, os.Geteuid() == 0, failure)...)
}

func openFiles(ctx context.Context, query portQuery) ([]lsofFile, error) {
	text, err := toolOutput(ctx, "/usr/sbin/lsof", lsofArguments(query.network, query.ports)...)
	if err != nil && !foundNothing(err) {
		return nil, err
	}
	return parseLsof(text)
}
