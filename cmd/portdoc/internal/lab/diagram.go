package lab

import (
	"slices"
	"strings"
)

// stateDiagram has the states of RFC 9293 (section 3.3.2, figure 5) under the
// kernel's names. The passive side is on the left above, whoever closes first on the left below.
const stateDiagram = `
                           +-------------+
 listen()                  |   CLOSED    |                   connect()
                           +-------------+                   send SYN
              .--------------'         '---------------.
              v                                        v
       +-------------+                          +-------------+
       |   LISTEN    |                          |  SYN_SENT   |
       +-------------+                          +-------------+
 get SYN      |                both at once:      |    |
 send SYN,ACK v                get SYN, send ACK  |    |
       +-------------+                            |    |
       |  SYN_RECV   |<---------------------------'    |     get SYN,ACK
       +-------------+                                 |     send ACK
 get ACK      |            +-------------+             |
              '----------->| ESTABLISHED |<------------'
                           +-------------+
 close()      .--------------'         '---------------.     get FIN
 send FIN     v                                        v     send ACK
       +-------------+                          +-------------+
       |  FIN_WAIT1  |--------. get FIN         | CLOSE_WAIT  |
       +-------------+        v send ACK        +-------------+
 get ACK      |        +-------------+                 |     close()
              v        |   CLOSING   |                 v     send FIN
       +-------------+ +-------------+          +-------------+
       |  FIN_WAIT2  |        |                 |  LAST_ACK   |
       +-------------+        | get ACK         +-------------+
 get FIN      |               |                        |
 send ACK     v               |                        |     get ACK
       +-------------+        |                        v
       |  TIME_WAIT  |<-------'                     (CLOSED)
       +-------------+
              '--> (CLOSED) when 2MSL are over: 60 s on Linux
`

// Diagram draws the states of a TCP connection. The boxes of the marked ones
// are drawn with "#". BOUND and a state that nobody has are CLOSED to TCP.
func Diagram(marked []string) string {
	lines := strings.Split(strings.Trim(stateDiagram, "\n"), "\n")
	if len(marked) == 0 || slices.Contains(marked, "BOUND") {
		marked = append(slices.Clone(marked), "CLOSED")
	}
	for _, state := range marked {
		mark(lines, state)
	}
	return strings.Join(lines, "\n") + "\n"
}

// mark draws the box of a state anew.
func mark(lines []string, state string) {
	const width = len("+-------------+")
	for i, line := range lines {
		at := strings.Index(line, " "+state+" ")
		if at < 0 || !strings.Contains(line[:at], "|") {
			continue
		}
		left := strings.LastIndexByte(line[:at], '|')
		for _, edge := range []int{i - 1, i + 1} {
			lines[edge] = lines[edge][:left] + strings.Repeat("#", width) + lines[edge][left+width:]
		}
		lines[i] = line[:left] + "#" + line[left+1:left+width-1] + "#" + line[left+width:]
		return
	}
}
