package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// rangesValue takes ranges of addresses.
type rangesValue struct{ to *List }

const maxRanges = 100

func (v rangesValue) text() string { return string(*v.to) }

func (v rangesValue) set(text string) error { return v.setAll(strings.Split(text, ",")) }

func (v rangesValue) setAll(texts []string) error {
	var all []string
	for _, text := range texts {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if a, err2 := netip.ParseAddr(text); err2 == nil && a.Zone() == "" {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is not a range of addresses such as 192.168.0.0/16, 10.1.2.3 or fd00::/8", text)
		}
		if r := p.Masked().String(); !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	if len(all) > maxRanges {
		return fmt.Errorf("there are %d ranges, at most %d may be named", len(all), maxRanges)
	}
	*v.to = List(strings.Join(all, ","))
	return nil
}

// Prefixes answers the ranges of a list that holds them.
func (l List) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range l.All() {
		if p, err := netip.ParsePrefix(text); err == nil { // it was checked when it was set
			out = append(out, p)
		}
	}
	return out
}
