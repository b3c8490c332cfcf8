package netstate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// httpURL is a URL as HTTP.sys registers it: "HTTP://+:80/PATH/", or with the
// address behind the port, "HTTP://127.0.0.1:80:127.0.0.1/".
var httpURL = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?i)https?://(?:\[[^]\s]*\]|[^:/\s]+):(\d+)[:/]\S*$`)
})

// httpProcess is a process of a request queue: its number alone, or in newer
// systems in words, "ID: 4668, image: C:\server.exe".
var httpProcess = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d+)$|^[^:,\d]+:\s*(\d+)\s*,[^:]+:.*$`)
})

// httpLine is a line of what `netsh http show servicestate` prints: a tree by
// its indentation, whose words are in the system's language. So only the
// places of lines count, and that two lines are the same.
type httpLine struct {
	indent   int
	text     string
	parent   *httpLine
	children []*httpLine
	// pids are the processes of the queue that the line is the heading of.
	pids []int
}

// parseHTTPState finds the request queues whose URLs have one of the ports. It
// fails where nothing was printed.
func parseHTTPState(text string, ports portSet) ([]KernelHolder, error) {
	lines, err := tableLines(text)
	if err != nil {
		return nil, err
	}
	all := httpTree(lines)
	for _, line := range all {
		line.addToQueue()
	}
	queues := make(map[string]RequestQueue)
	var urls []string // in their order
	for _, line := range all {
		if !httpURL().MatchString(line.text) {
			continue
		}
		known, listed := queues[line.text]
		if !listed {
			urls = append(urls, line.text)
		}
		if queue := line.queue(all); !listed || len(known.PIDs) == 0 && (len(queue.PIDs) > 0 || known.Name == "") {
			queues[line.text] = queue
		}
	}
	return httpHolders(urls, queues, ports), nil
}

// httpTree returns all lines that are not blank.
func httpTree(lines []string) []*httpLine {
	var all []*httpLine
	last := &httpLine{indent: -1}
	for _, text := range lines {
		trimmed := strings.TrimSpace(text)
		if trimmed == "" {
			continue
		}
		line := &httpLine{indent: len(text) - len(strings.TrimLeft(text, " ")), text: trimmed, parent: last}
		for line.parent.indent >= line.indent {
			line.parent = line.parent.parent
		}
		line.parent.children = append(line.parent.children, line)
		all, last = append(all, line), line
	}
	return all
}

// addToQueue adds the process that the line names to the queue. Between the
// two is the line that says that processes follow.
func (l *httpLine) addToQueue() {
	found := httpProcess().FindStringSubmatch(l.text)
	if found == nil || l.parent.parent == nil || l.parent.parent.parent == nil {
		return
	}
	if pid, err := strconv.ParseUint(found[1]+found[2], 10, 31); err == nil {
		queue := l.parent.parent
		queue.pids = append(queue.pids, int(pid))
	}
}

// queue is the queue of a URL: one below which it stands, or one whose heading
// is a line of its URL group, where it says which queue that has. Queues
// without a name have the same heading and can't be told apart.
func (l *httpLine) queue(all []*httpLine) RequestQueue {
	var leaves []string
	for up := l.parent; up.parent != nil; up = up.parent {
		if len(up.pids) > 0 {
			return RequestQueue{Name: queueName(up.text), PIDs: up.pids}
		}
		for _, child := range up.children {
			if len(child.children) == 0 {
				leaves = append(leaves, child.text)
			}
		}
	}
	var queue RequestQueue
	for _, line := range all {
		if len(line.children) > 0 && slices.Contains(leaves, line.text) {
			queue.Name = queueName(line.text)
			queue.PIDs = append(queue.PIDs, line.pids...)
		}
	}
	slices.Sort(queue.PIDs)
	queue.PIDs = slices.Compact(queue.PIDs)
	return queue
}

// queueName is the name in a heading. A queue that has none is described by a
// sentence in its place.
func queueName(heading string) string {
	_, name, _ := strings.Cut(heading, ":")
	if name = strings.TrimSpace(name); strings.HasSuffix(name, ".") || strings.HasSuffix(name, "。") {
		return ""
	}
	return name
}

// httpHolders groups the URLs of each port by queue.
func httpHolders(urls []string, queues map[string]RequestQueue, ports portSet) []KernelHolder {
	var holders []KernelHolder
	for _, url := range urls {
		port, err := strconv.ParseUint(httpURL().FindStringSubmatch(url)[1], 10, 16)
		if err != nil || !ports.contains(uint16(port)) {
			continue
		}
		queue := queues[url]
		same := slices.IndexFunc(holders, func(h KernelHolder) bool {
			return h.Port == uint16(port) && h.Queue.Name == queue.Name && slices.Equal(h.Queue.PIDs, queue.PIDs)
		})
		if same < 0 {
			same = len(holders)
			holders = append(holders, KernelHolder{Network: TCP, Port: uint16(port), Name: "HTTP.sys", Kind: "http.sys", Queue: &queue})
		}
		holders[same].Queue.URLs = append(holders[same].Queue.URLs, url)
	}
	return holders
}
