package gateway

import "testing"

func TestAddressForABrowser(t *testing.T) {
	for addr, want := range map[string]string{
		"[::]:8080":        "http://127.0.0.1:8080",
		"0.0.0.0:80":       "http://127.0.0.1:80",
		":3000":            "http://127.0.0.1:3000",
		"127.0.0.1:8080":   "http://127.0.0.1:8080",
		"192.0.2.7:8080":   "http://192.0.2.7:8080",
		"[2001:db8::1]:80": "http://[2001:db8::1]:80",
		"[::1]:8080":       "http://[::1]:8080",
	} {
		if got := browsable(addr); got != want {
			t.Errorf("%s is shown as %s, want %s", addr, got, want)
		}
	}
	g := &gateway{}
	if g.addrs.HTTPS = "[::]:8443"; g.address() != "https://127.0.0.1:8443" {
		t.Errorf("with TLS alone: %s", g.address())
	}
}
