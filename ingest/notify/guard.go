package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// guard keeps requests away from addresses that are not public, which a
// channel's URL could otherwise reach from inside the box's network.
type guard struct{ allow []netip.Prefix }

// guardError says that an address is guarded.
type guardError struct{ what string }

func (e *guardError) Error() string {
	return "the address is not a public one (" + e.what + "): whoever runs the box can list it in notify.allow"
}

// control refuses a connection to an address that is guarded. It is asked after
// a name was resolved, for each address.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s address %q: %w", network, address, errors.ErrUnsupported)
	}
	return g.check(at.Addr())
}

func (g *guard) check(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	what := guarded(a)
	if what == "" {
		return nil
	}
	for _, p := range g.allow {
		if p.Contains(a) {
			return nil
		}
		if in, ok := nat64(a); ok && p.Contains(in) {
			return nil
		}
	}
	return &guardError{what}
}

// ranges that are not the public internet's, by the registries of special
// addresses: https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry
func ranges() []struct{ prefix, what string } {
	return []struct{ prefix, what string }{
		{"0.0.0.0/8", "unspecified"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "carrier-grade NAT"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local, where clouds keep their metadata"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved"},
		{"192.0.2.0/24", "documentation"},
		{"192.88.99.0/24", "6to4 relay"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "benchmarking"},
		{"198.51.100.0/24", "documentation"},
		{"203.0.113.0/24", "documentation"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved"},
		{"::/128", "unspecified"},
		{"::1/128", "loopback"},
		{"fc00::/7", "private"}, // fd00:ec2::254 among them
		{"fe80::/10", "link-local"},
		{"fec0::/10", "site-local"},
		{"ff00::/8", "multicast"},
		{"2001::/23", "reserved"}, // Teredo, ORCHID and benchmarking among them
		{"2001:db8::/32", "documentation"},
		{"2002::/16", "6to4"},
		{"3fff::/20", "documentation"},
	}
}

// guarded answers what kind of address a is; empty: a public one.
func guarded(a netip.Addr) string {
	if in, ok := nat64(a); ok {
		if what := guarded(in); what != "" {
			return what + ", through NAT64"
		}
		return ""
	}
	for _, r := range ranges() {
		if netip.MustParsePrefix(r.prefix).Contains(a) {
			return r.what
		}
	}
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return "reserved"
	}
	return ""
}

// nat64 answers the IPv4 address that one of NAT64's well-known prefix stands
// for: https://www.rfc-editor.org/rfc/rfc6052#section-2.1
func nat64(a netip.Addr) (netip.Addr, bool) {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}

// literal answers the address that a host is, when it is not a name. It takes the
// forms that resolvers take as well: 127.1, 0x7f.1, 2130706433.
func literal(host string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a, true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 0, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		if i < len(parts)-1 {
			v |= (n & 0xff) << (24 - 8*i)
		} else {
			v |= n
		}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}
