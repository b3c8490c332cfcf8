package diagnose_test

import (
	"net/netip"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

// The answers of Windows.
var (
	accessDenied = refuses("EACCES")
	// onlyAlone is the answer where two sockets may have one port and one
	// that wants it for itself may not.
	onlyAlone = func(r netstate.BindRequest) string {
		if r.Exclusive {
			return "EADDRINUSE"
		}
		return "ok"
	}
)

func windowsCases() []*reportCase {
	node := func(facts ...ProcessFact) *Snapshot {
		return NewWindows().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(6064), CreatedBefore(time.Hour)).
			Process(6064, `C:\nodejs\node.exe server.js`, facts...)
	}
	svchost := func(service string, services ...string) *Snapshot {
		return NewWindows().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(3300), OfService(service)).
			Process(3300, `C:\Windows\System32\svchost.exe -k netsvcs`, Serving(services...))
	}
	// The server is gone, and the system still names it.
	dead := func() *Snapshot {
		return NewWindows().TCP("LISTEN", "0.0.0.0:5188", "", LastUsedBy(6064), CreatedBefore(time.Hour))
	}
	child := func(facts ...ProcessFact) []ProcessFact {
		return append(facts, func(p *netstate.Process) { p.PPID, p.ParentName, p.Ancestors = 6064, "", []int{6064} })
	}
	left := func() *Snapshot { return NewWindows().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:52000") }
	reserved := func() *Snapshot { return NewWindows().Excluded(5041, 5140).Excluded(5141, 5240) }
	// Beside another socket one that wants the port for itself fails.
	beside := func(r netstate.BindRequest) string {
		if r.Exclusive && r.Address.Is6() {
			return "EACCES"
		}
		return onlyAlone(r)
	}
	netbios := diagnose.Question{Network: netstate.UDP, Address: netip.MustParseAddr("10.0.0.5"), Port: 137, Typed: "udp://10.0.0.5:137"}
	listening := causes("listener")
	return []*reportCase{
		{name: "windows-free", question: port(8080), snapshot: NewWindows(), answer: ok},
		{name: "windows-listener", question: port(5188), answer: inUse, causes: listening, snapshot: node()},
		{name: "windows-listener-foreign", question: port(5188), answer: inUse, causes: listening,
			snapshot: node(func(p *netstate.Process) { p.User = `WORK\bob` })},
		// Two servers of one user share the port, and each has its addresses.
		{name: "windows-listener-lookalike", question: port(5188), answer: beside,
			snapshot: NewWindows().TCP("LISTEN", "127.0.0.1:5188", "", OwnedBy(6064)).Process(6064, `C:\nodejs\node.exe server.js`)},
		{name: "windows-suspended", question: port(5188), answer: inUse, causes: causes("stopped"), snapshot: node(StoppedBy("", 0))},
		{name: "windows-time-wait", question: port(5188), answer: inUse, causes: causes("time-wait"), snapshot: left()},
		{name: "windows-time-wait-lookalike", question: port(5188), answer: onlyAlone, snapshot: left()},
		{name: "windows-dead-owner", question: port(5188), answer: inUse, causes: causes("inherited"),
			snapshot: dead().
				Process(6100, `C:\nodejs\node.exe worker.js`, child(StartedBefore(50*time.Minute))...).
				Process(6104, `C:\nodejs\node.exe worker.js`, child(StartedBefore(40*time.Minute))...)},
		// Started before the socket was made, by another process of that pid.
		{name: "windows-dead-owner-lookalike", question: port(5188), answer: inUse, causes: causes("no-process"),
			snapshot: dead().Process(6100, `C:\nodejs\node.exe worker.js`, child(StartedBefore(2*time.Hour))...)},
		{name: "windows-service", question: port(5188), answer: inUse, causes: causes("supervised", "listener"), snapshot: svchost("DoSvc", "DoSvc")},
		{name: "windows-service-shared", question: port(5188), answer: inUse, causes: causes("supervised", "listener"), snapshot: svchost("CDPSvc", "CDPSvc", "SSDPSRV")},
		{name: "windows-service-unknown", question: port(5188), answer: inUse, causes: causes("supervised", "listener"), snapshot: svchost("", "CDPSvc", "SSDPSRV")},
		{name: "windows-http-sys", question: port(80), answer: accessDenied, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().Excluded(80, 80).
				TCP("LISTEN", "[::]:80", "", OwnedBy(4)).TCP("LISTEN", "0.0.0.0:80", "", OwnedBy(4)).
				RequestQueue(80, "DefaultAppPool", "HTTP://*:80/", 2668).
				Process(2668, `C:\Windows\System32\inetsrv\w3wp.exe -ap DefaultAppPool`)},
		{name: "windows-http-sys-program", question: port(8000), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().
				TCP("LISTEN", "0.0.0.0:8000", "", OwnedBy(4)).
				RequestQueue(8000, "", "HTTP://+:8000/MONITORSERVICE/", 4668).
				Process(4668, `C:\monitor\monitor.exe`)},
		{name: "windows-http-sys-unnamed", question: port(8000), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().
				TCP("LISTEN", "0.0.0.0:8000", "", OwnedBy(4)).
				RequestQueue(8000, "", "HTTP://+:8000/MONITORSERVICE/", 4668, 5012).
				Process(4668, `C:\monitor\monitor.exe`).
				Process(5012, `C:\print\spooler.exe`)},
		{name: "windows-http-sys-unread", question: port(8000), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().TCP("LISTEN", "0.0.0.0:8000", "", OwnedBy(4))},
		{name: "windows-smb", question: port(445), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().TCP("LISTEN", "0.0.0.0:445", "", OwnedBy(4))},
		{name: "windows-winrm", question: port(5985), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().
				TCP("LISTEN", "0.0.0.0:5985", "", OwnedBy(4)).
				RequestQueue(5985, "", "HTTP://+:5985/WSMAN/", 3000).
				Process(3000, `C:\Windows\System32\svchost.exe -k NetworkService`, Serving("WinRM"))},
		{name: "windows-kernel", question: netbios, answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().WindowsKernel().UDP("10.0.0.5:137", "", OwnedBy(4))},
		{name: "windows-rpc", question: port(135), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: NewWindows().TCP("LISTEN", "0.0.0.0:135", "", OwnedBy(1200), OfService("RpcEptMapper")).
				Process(1200, `C:\Windows\System32\svchost.exe -k RPCSS`, Serving("RpcEptMapper", "RpcSs"))},
		{name: "windows-portproxy", question: port(5188), answer: inUse, causes: causes("forwarding", "listener"),
			snapshot: svchost("iphlpsvc", "iphlpsvc").Forward("0.0.0.0:5188", "10.4.226.215:22")},
		// The same service, and the rule is about another port.
		{name: "windows-portproxy-lookalike", question: port(5188), answer: inUse, causes: causes("supervised", "listener"),
			snapshot: svchost("iphlpsvc", "iphlpsvc").Forward("0.0.0.0:2222", "10.4.226.215:22")},
		{name: "windows-wsl", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("forwarding", "listener"),
			snapshot: NewWindows().TCP("LISTEN", "127.0.0.1:5188", "", OwnedBy(19672)).Process(19672, `C:\WSL\wslrelay.exe`)},
		{name: "windows-docker", question: port(5188), answer: inUse, causes: causes("container-proxy", "listener"),
			snapshot: NewWindows().TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(15008)).Process(15008, `C:\Docker\com.docker.backend.exe`)},
		{name: "windows-excluded-range", question: port(5188), answer: accessDenied, causes: causes("excluded-range"), snapshot: reserved()},
		{name: "windows-excluded-range-not-tried", question: port(5188), causes: causes("excluded-range"), snapshot: reserved()},
		// Not permitted, and the port is in no range.
		{name: "windows-excluded-range-lookalike", question: port(8080), answer: accessDenied, snapshot: reserved()},
		{name: "windows-exclusive", question: address("127.0.0.1", 5188), answer: accessDenied, causes: causes("listener", "exclusive"),
			snapshot: NewWindows().TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(6064), Alone(true)).Process(6064, `C:\nodejs\node.exe server.js`)},
		{name: "windows-exclusive-likely", question: address("127.0.0.1", 5188), answer: accessDenied, causes: causes("listener", "exclusive"), snapshot: node()},
		{name: "windows-exclusive-lookalike", question: port(5188), answer: inUse, causes: listening, snapshot: node()},
	}
}
