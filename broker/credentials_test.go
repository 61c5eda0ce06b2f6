package broker

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/cli/gateway/certificate/certtest"
	"tidegate/ingest"
	"tidegate/store"
)

func TestClientCertificates(t *testing.T) {
	x := newTLSBox(t)
	x.put(store.Device{ID: "old", OrgID: "acme", UID: 9, State: store.DeviceRetired})
	grant, secret := x.registry.Grant("acme", time.Hour)
	for _, c := range []struct {
		name   string
		cert   string // its common name; empty: none
		c      connect
		v3, v5 byte
		line   string
	}{
		{"of a device", "d1", connect{noUser: true}, 0, 0, ""},
		{"by serial number", "SN1", connect{noUser: true}, 0, 0, ""},
		{"and its user name", "d1", connect{user: "d1", noPassword: true}, 0, 0, ""},
		{"and its serial number", "d1", connect{user: "SN1", noPassword: true}, 0, 0, ""},
		{"and its password", "d1", connect{user: "d1", password: "s-d1"}, 0, 0, ""},
		{"and a password that is not its own", "d1", connect{user: "d1", password: "s-d2"}, 5, 0x86, `certificate of "d1" and a password that is not its secret`},
		{"and the user name of another", "d1", connect{user: "d2", noPassword: true}, 5, 0x86, `certificate of "d1" and the user name "d2"; a certificate logs in its own device alone`},
		{"and the login of another", "d1", connect{user: "d2", password: "s-d2"}, 5, 0x86, `the user name "d2"`},
		{"of no device", "d9", connect{noUser: true}, 5, 0x86, `certificate of "d9"; no active device has this id or serial number`},
		{"of no device, and a good login", "d9", connect{user: "d1", password: "s-d1"}, 5, 0x86, `certificate of "d9"; no active device`},
		{"of a retired device", "old", connect{noUser: true}, 5, 0x86, `certificate of "old"; no active device`},
		{"of a service account", grant, connect{user: grant, password: secret}, 0, 0, ""},
		{"of a service account, without its secret", grant, connect{noUser: true}, 5, 0x86, "no active device"},
		{"of a service account, with another's login", grant, connect{user: "d1", password: "s-d1"}, 5, 0x86, "no active device"},
		{"none", "", connect{user: "d1", password: "s-d1"}, 0, 0, ""},
		{"none, and no password", "", connect{user: "SN1", noPassword: true}, 4, 0x86, `login of user "SN1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cert *certtest.Pair
			if c.cert != "" {
				cert = x.of(c.cert)
			}
			if code := x.dialTLS(false, cert).login(c.c); code != c.v3 {
				t.Errorf("v3: code %d, want %d", code, c.v3)
			}
			if code := x.dialTLS(true, cert).login(c.c); code != c.v5 {
				t.Errorf("v5: code %#x, want %#x", code, c.v5)
			}
			if c.line != "" {
				x.wantLine(c.line)
			}
		})
	}
	for _, l := range x.lines() {
		if strings.Contains(l, "s-d") || strings.Contains(l, secret) {
			t.Errorf("a line shows a secret: %s", l)
		}
	}
	// What it says is of the device that logged in.
	p := x.dialTLS(true, x.of("d1"))
	p.login(connect{noUser: true, id: "c"})
	p.publish("org/acme/device/d2/telemetry", "x", 1, 1)
	if _, code := p.ack(); code != 0x87 {
		t.Errorf("published for another: %#x", code)
	}
	x.wantLine(`user "d1" published to org/acme/device/d2/telemetry`)
	p.publish(telemetryD1, "x", 1, 2)
	p.ack()
	if m := x.wal.taken(1)[0]; m.Principal != "device:d1" || m.UID != 1 || m.DeviceID != "d1" {
		t.Errorf("message %+v", m)
	}
}

// TestDeviceChangesOverTLS: a certificate opens the door as long as its device
// may come in.
func TestDeviceChangesOverTLS(t *testing.T) {
	x := newTLSBox(t)
	p, q := x.dialTLS(true, x.of("d1")), x.dialTLS(true, x.of("d2"))
	p.login(connect{noUser: true, id: "p"})
	q.login(connect{noUser: true, id: "q"})
	d := store.Device{ID: "d1", SerialNumber: "SN1", OrgID: "acme", UID: 1, State: store.DeviceRetired}
	x.put(d)
	x.Disconnect("d1", "retired")
	if got := p.gone(); len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x98 {
		t.Errorf("a retired device got %v", got)
	}
	q.ping()
	if code := x.dialTLS(true, x.of("d1")).login(connect{noUser: true}); code != 0x86 {
		t.Errorf("a retired device logs in: %#x", code)
	}
	x.until("offline", func() bool {
		return strings.Contains(strings.Join(x.lifecycle, ","), "d1 offline retired")
	})
}

// changing is an Authenticator that lets the catalogue change after it was asked
// a number of times.
type changing struct {
	Authenticator
	asked atomic.Int32
	after int32
	do    func()
}

func (c *changing) LoginCertificate(name string) (*ingest.Principal, error) {
	p, err := c.Authenticator.LoginCertificate(name)
	if c.asked.Add(1) == c.after {
		c.do()
	}
	return p, err
}

// Whoever changes a device while it logs in does not find its session yet.
func TestDeviceChangesDuringLogin(t *testing.T) {
	for name, change := range map[string]func(x *tlsBox){
		"it is retired": func(x *tlsBox) {
			x.put(store.Device{ID: "d1", SerialNumber: "SN1", OrgID: "acme", UID: 1, State: store.DeviceRetired})
		},
		"its serial number is another's": func(x *tlsBox) {
			x.put(store.Device{ID: "d1", SerialNumber: "SN9", OrgID: "acme", UID: 1, State: store.DeviceActive})
			x.put(store.Device{ID: "d2", SerialNumber: "SN1", OrgID: "acme", UID: 2, State: store.DeviceActive})
		},
		"the client CA is another": func(x *tlsBox) { x.TrustDevices(certtest.NewCA(x.t, "new").Pool()) },
	} {
		t.Run(name, func(t *testing.T) {
			c := &changing{after: 1}
			x := newTLSBox(t, func(o *Options) { c.Authenticator, o.Authenticator = o.Authenticator, c })
			c.do = func() { change(x) }
			p := x.dialTLS(true, x.of("SN1"))
			p.send(connect{noUser: true}.packet(true))
			for _, pk := range p.gone() {
				if pk.kind() == 2 && pk.body[1] == 0 {
					t.Error("it is logged in")
				}
			}
			x.until("nobody is online", func() bool {
				return len(x.lifecycle) == 0 || strings.HasPrefix(x.lifecycle[len(x.lifecycle)-1], "d1 offline")
			})
		})
	}
}

func TestTrustDevices(t *testing.T) {
	x := newTLSBox(t)
	next := certtest.NewCA(t, "next")
	p, q, plain := x.dialTLS(true, x.of("d1")), x.dialTLS(false, x.of("d2")), x.device(true, "d1", "plain")
	p.login(connect{noUser: true, id: "p"})
	q.login(connect{noUser: true, id: "q"})
	both := x.devices.Pool()
	both.AddCert(next.Cert)
	x.TrustDevices(both)
	p.ping()
	q.ping()
	x.TrustDevices(next.Pool())
	if got := p.gone(); len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x98 {
		t.Errorf("v5 got %v", got)
	}
	if got := q.gone(); len(got) != 0 {
		t.Errorf("v3 got %v", got)
	}
	plain.ping()
	x.dialTLS(false, nil).login(connect{user: "d1", password: "s-d1"})
}
