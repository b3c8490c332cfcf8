package diagnose_test

import (
	"testing"

	"portdoc/netstate/netstatetest"
)

func TestMain(m *testing.M) { netstatetest.Main(m, nil) }
