package netstate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// queueHolder is what HTTP.sys has on a port for one queue.
func queueHolder(port uint16, name string, pids []int, urls ...string) KernelHolder {
	return KernelHolder{
		Network: TCP, Port: port, Name: "HTTP.sys", Kind: "http.sys",
		Queue: &RequestQueue{Name: name, URLs: urls, PIDs: pids},
	}
}

// iisState is the older form with a queue that has a name, in German words,
// and a queue that no process serves yet.
const iisState = `
Momentaufnahme des HTTP-Dienststatus (Serversitzungsansicht):
-----------------------------------------------------

Serversitzungs-ID: FF00000220000001
    Version: 2.0
    Status: Aktiv
    URL-Gruppen:
    URL-Gruppen-ID: FE00000240000001
        Status: Aktiv
        Anforderungswarteschlangenname: DefaultAppPool
        Eigenschaften:
            Anzahl registrierter URLs: 2
            Registrierte URLs:
                HTTP://*:80/
                HTTPS://*:443/
    URL-Gruppen-ID: FE00000240000002
        Status: Aktiv
        Anforderungswarteschlangenname: Zweiter Pool
        Eigenschaften:
            Anzahl registrierter URLs: 1
            Registrierte URLs:
                HTTP://127.0.0.1:8080:127.0.0.1/

Anforderungswarteschlangen:
    Anforderungswarteschlangenname: DefaultAppPool
        Version: 2.0
        Status: Aktiv
        Anzahl angefügter aktiver Prozesse: 2
        Controllerprozess-ID: 3408
        Prozess-IDs:
            5020
            4980

    Anforderungswarteschlangenname: Zweiter Pool
        Version: 2.0
        Status: Aktiv
        Anzahl angefügter aktiver Prozesse: 0
        Controllerprozess-ID: 3408
        Prozess-IDs:
`

// queueView is what view=requestq prints, with a service in words.
const queueView = `
Snapshot of HTTP service state (Request Queue View):
-----------------------------------------------------

Request queue name: Request queue is unnamed.
    Version: 2.0
    State: Active
    Number of active processes attached: 1
    Processes:
        ID: 2688, image: C:\Program Files\A, B\svchost.exe
        Services: NcHostAgent
    URL groups:
    URL group ID: FD00000040000002
        State: Active
        Registered URLs:
            HTTP://[::1]:47001/WSMAN/
            HTTPS://+:443/HOSTAGENT/

Request queue name: Request queue is unnamed.
    Version: 2.0
    Processes:
        ID: 4120, image: <?>
    URL groups:
    URL group ID: FD00000040000003
        Registered URLs:
            HTTP://+:5357/
`

func TestParseHTTPState(t *testing.T) {
	tests := map[string]struct {
		text string
		want []KernelHolder
	}{
		"older form": {windowsCapture(t, "netsh_http_servicestate_processids.txt"), []KernelHolder{
			queueHolder(80, "", []int{2668}, "HTTP://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/"),
		}},
		"two queues without a name": {windowsCapture(t, "netsh_http_servicestate_two_queues.txt"), []KernelHolder{
			queueHolder(5357, "", []int{5492, 37584}, "HTTP://*:5357/4C2CDC17-BEFE-4441-899A-CC530F03F2DF/"),
			queueHolder(8080, "", []int{5492, 37584}, "HTTP://LOCALHOST:8080/"),
		}},
		"newer form": {windowsCapture(t, "netsh_http_servicestate_newer_form_excerpt.txt"), []KernelHolder{
			queueHolder(8000, "", []int{4668}, "HTTP://+:8000/MONITORSERVICE/"),
		}},
		"queues with a name": {iisState, []KernelHolder{
			queueHolder(80, "DefaultAppPool", []int{4980, 5020}, "HTTP://*:80/"),
			queueHolder(443, "DefaultAppPool", []int{4980, 5020}, "HTTPS://*:443/"),
			queueHolder(8080, "Zweiter Pool", nil, "HTTP://127.0.0.1:8080:127.0.0.1/"),
		}},
		"by queue": {queueView, []KernelHolder{
			queueHolder(47001, "", []int{2688}, "HTTP://[::1]:47001/WSMAN/"),
			queueHolder(443, "", []int{2688}, "HTTPS://+:443/HOSTAGENT/"),
			queueHolder(5357, "", []int{4120}, "HTTP://+:5357/"),
		}},
		"several URLs of a queue": {"---------\nname: Pool\n  ids:\n    8\n  urls:\n    HTTP://+:80/A/\n    HTTP://+:80/B/\n    HTTP://+:99999/\n", []KernelHolder{
			queueHolder(80, "Pool", []int{8}, "HTTP://+:80/A/", "HTTP://+:80/B/"),
		}},
		"a number that is no process": {"---------\n12\nHTTP://+:80/\n", []KernelHolder{queueHolder(80, "", nil, "HTTP://+:80/")}},
		"no queues":                   {"Snapshot\n-----------------\n\n", nil},
	}
	for name, test := range tests {
		for _, text := range []string{test.text, withCRLF(test.text)} {
			got, err := parseHTTPState(text, portSet{{1, 65535}})
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
			}
		}
	}
	if got, err := parseHTTPState(iisState, portSet{{81, 442}}); err != nil || got != nil {
		t.Errorf("other ports: %v, %v", got, err)
	}
	if _, err := parseHTTPState("", portSet{{1, 65535}}); err == nil {
		t.Error("nothing printed is no error")
	}
}
