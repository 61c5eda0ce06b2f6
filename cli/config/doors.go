package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// UsesTLS reports whether there is a certificate, so that the doors with TLS
// open.
func (c *Config) UsesTLS() bool { return c.TLS.Cert != "" || c.TLS.SelfSigned }

// Fault is what is wrong with a setting that only its use could tell: a file
// that cannot be read, a key of another certificate.
type Fault struct {
	Key string // such as tls.cert
	Err error  // what is wrong, and the way out; it names the key
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap answers what is wrong.
func (f *Fault) Unwrap() error { return f.Err }

// Place answers where a key was given, with a colon and a space to put before
// what is said of it: "data/config.yaml line 3: ". It is empty for a default.
func Place(s Sources, path string) string {
	var c Config
	t := newTable(&c)
	if s.File != "" {
		// What is wrong with the sources Load has told.
		if b, err := os.ReadFile(s.File); err == nil {
			_ = t.readYAML(s.File, b)
		}
	}
	_, _ = t.readEnviron(s.Environ, new(string))
	if _, ok := s.Flags[path]; ok {
		return "flag for " + path + ": "
	}
	return t.place(path)
}

// place is Place for what was read.
func (t table) place(paths ...string) string {
	for _, p := range paths {
		if o := t.origin(p); o != "" {
			return o + ": "
		}
	}
	return ""
}

// checkDoors finds what is wrong between the addresses and the certificate.
func (c *Config) checkDoors(t table) []error {
	var faults []error
	fault := func(paths []string, format string, args ...any) {
		faults = append(faults, errors.New(t.place(paths...)+fmt.Sprintf(format, args...)))
	}
	at := func(paths ...string) []string { return paths }
	x := c.TLS
	switch {
	case x.Cert != "" && x.SelfSigned:
		fault(at("tls.self_signed", "tls.cert"), "tls.self_signed is true and tls.cert names %s: choose one, and delete the other", x.Cert)
	case x.Key != "" && x.SelfSigned:
		fault(at("tls.self_signed", "tls.key"), "tls.self_signed is true and tls.key names %s: a self-signed certificate makes its own key; choose one, and delete the other", x.Key)
	case x.Cert != "" && x.Key == "":
		fault(at("tls.cert"), "tls.cert is given and tls.key is not: name the file of its private key")
	case x.Key != "" && x.Cert == "":
		fault(at("tls.key"), "tls.key is given and tls.cert is not: name the file of its certificate")
	}
	if x.ClientCA == "" && x.ClientRequired {
		fault(at("tls.client_required"), "tls.client_required is true and tls.client_ca is not given: name the file of the CA that signs the certificates of devices")
	}
	if !c.UsesTLS() {
		const way = "give tls.cert and tls.key, or set tls.self_signed to true"
		if x.ClientCA != "" {
			fault(at("tls.client_ca"), "tls.client_ca is given and there is no TLS: %s", way)
		}
		for _, d := range []struct{ name, addr string }{{"http.listen", c.HTTP.Listen}, {"mqtt.listen", c.MQTT.Listen}} {
			if d.addr == "" {
				fault(at(d.name), "%s is empty and there is no TLS, so that nothing would listen: give it an address, or %s", d.name, way)
			}
		}
		return append(faults, c.checkPorts(t)...)
	}
	for _, d := range []struct{ what, plain, secure string }{{"http", c.HTTP.Listen, c.HTTP.TLSListen}, {"mqtt", c.MQTT.Listen, c.MQTT.TLSListen}} {
		if d.plain == "" && d.secure == "" {
			fault(at(d.what+".listen", d.what+".tls_listen"), "%[1]s.listen and %[1]s.tls_listen are both empty, so that nothing would listen: give one of them an address", d.what)
		}
	}
	if c.MQTT.TLSListen == "" {
		if c.HTTP.TLSListen == "" {
			fault(at("http.tls_listen", "mqtt.tls_listen"), "http.tls_listen and mqtt.tls_listen are both empty, so that nothing would use the certificate: give one of them an address, or delete the section tls")
		}
		if x.ClientCA != "" {
			fault(at("tls.client_ca"), "tls.client_ca is for MQTT over TLS, and mqtt.tls_listen is empty: give it an address, or delete tls.client_ca")
		}
	}
	return append(faults, c.checkPorts(t)...)
}

// warnings says what is right, and perhaps not meant so.
func (c *Config) warnings() []string {
	host, _, err := net.SplitHostPort(c.MQTT.Listen)
	if !c.TLS.ClientRequired || err != nil || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil
	}
	return []string{"tls.client_required is true, and mqtt.listen " + c.MQTT.Listen + " is open: there a password alone gets a device in. Close it with mqtt.listen: \"\" once all devices have certificates"}
}

// checkPorts finds two doors at one address.
func (c *Config) checkPorts(t table) []error {
	type door struct{ name, addr string }
	doors := []door{{"http.listen", c.HTTP.Listen}, {"mqtt.listen", c.MQTT.Listen}}
	if c.UsesTLS() {
		doors = append(doors, door{"http.tls_listen", c.HTTP.TLSListen}, door{"mqtt.tls_listen", c.MQTT.TLSListen})
	}
	var faults []error
	for i, a := range doors {
		for _, b := range doors[i+1:] {
			if a.addr == b.addr && a.addr != "" && !strings.HasSuffix(a.addr, ":0") {
				faults = append(faults, fmt.Errorf("%s%s and %s are both %q: give each a port of its own", t.place(b.name, a.name), a.name, b.name, a.addr))
			}
		}
	}
	return faults
}
