package netstate

import (
	"testing"

	"portdoc/netstate/netstatetest"
)

// roles are what the test binary can be besides a test. Each test file
// registers its own.
var roles = netstatetest.Roles{}

func TestMain(m *testing.M) { netstatetest.Main(m, roles) }
