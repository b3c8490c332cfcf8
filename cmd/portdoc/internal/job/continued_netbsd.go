package job

// waitContinued is WCONTINUED (sys/sys/wait.h of NetBSD), which x/sys/unix has
// for the other systems.
const waitContinued = 0x10
