package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// List is texts without commas in them, separated by commas. It is a string, so
// that settings can be compared.
type List string

// All answers the texts.
func (l List) All() []string {
	if l == "" {
		return nil
	}
	return strings.Split(string(l), ",")
}

// listValue also takes a list of YAML; in the environment its items are
// separated by commas.
type listValue interface {
	value
	setAll(texts []string) error
}

// originsValue takes origins of pages, and keeps them as browsers write them.
type originsValue struct{ to *List }

const maxOrigins = 100

func (v originsValue) text() string { return string(*v.to) }

func (v originsValue) set(text string) error { return v.setAll(strings.Split(text, ",")) }

func (v originsValue) setAll(texts []string) error {
	var all []string
	for _, text := range texts {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		o, err := parseOrigin(text)
		if err != nil {
			return err
		}
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	if len(all) > maxOrigins {
		return fmt.Errorf("there are %d origins, at most %d may be named", len(all), maxOrigins)
	}
	*v.to = List(strings.Join(all, ","))
	return nil
}

func parseOrigin(text string) (string, error) {
	if strings.Contains(text, "*") {
		return "", fmt.Errorf("%q would let in pages that nobody has named; write each origin out, such as https://grafana.example.org", text)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return "", fmt.Errorf("%q is not an origin, which is scheme, host and perhaps a port, and nothing behind: https://grafana.example.org or http://10.0.0.7:3000", text)
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.ToLower(u.Hostname()) // browsers leave it out
		if strings.Contains(host, ":") {
			host = net.JoinHostPort(host, "")
			host = strings.TrimSuffix(host, ":")
		}
	}
	return u.Scheme + "://" + host, nil
}
