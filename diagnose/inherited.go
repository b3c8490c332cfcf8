package diagnose

import "portdoc/netstate"

type inheritance struct{}

func (c *inquiry) inheritance(r row, owner netstate.Owner) *inheritance { return nil }
