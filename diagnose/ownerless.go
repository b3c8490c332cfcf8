package diagnose

import "portdoc/netstate"

// kernelHolders are the parts of the kernel that have the port.
func (c *inquiry) kernelHolders() []netstate.KernelHolder {
	var holders []netstate.KernelHolder
	for _, k := range c.snapshot.Kernel {
		if k.Network == c.question.Network && k.Port == c.question.Port {
			holders = append(holders, k)
		}
	}
	return holders
}
