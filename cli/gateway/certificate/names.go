package certificate

import (
	"net"
	"os"
	"slices"
	"strings"
)

// machineNames answers how clients may call this machine: its name first.
func machineNames() []string {
	var names []string
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
		if !strings.Contains(host, ".") {
			names = append(names, host+".local") // as it is called without a name server
		}
	}
	names = append(names, "localhost", "127.0.0.1", "::1")
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return names
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && !n.IP.IsLinkLocalUnicast() && !slices.Contains(names, n.IP.String()) {
			names = append(names, n.IP.String())
		}
	}
	return names
}
