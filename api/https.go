package api

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// strictTransport makes a browser refuse to speak to this host without TLS for
// so long: half a year.
const strictTransport = "max-age=15768000"

// HTTPS answers a server for Handler over TLS, with HTTP/2; c has the
// certificate. vouched reports whether somebody else than the box itself vouches
// for it: only then browsers are told to insist on TLS. They insist at the port
// that they know, so that they are told only where that is the one of https;
// elsewhere http://box:8080 would end in an error and not at RedirectHTTP.
func (s *Server) HTTPS(c *tls.Config, vouched func() bool) *http.Server {
	h := s.HTTP()
	h.TLSConfig = c
	inner := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, port := splitHost(r.Host); vouched() && (port == "" || port == "443") {
			w.Header().Set("Strict-Transport-Security", strictTransport)
		}
		inner.ServeHTTP(w, r)
	})
	return h
}

// RedirectHTTP answers a server for a port without TLS, where the one with TLS
// is on port. It sends on what only reads and brings no credentials, and refuses
// the rest, which has been in clear on the network by then. Programs of this
// machine, and those who ask whether the box lives, are served.
func (s *Server) RedirectHTTP(port int) *http.Server {
	h := s.HTTP()
	inner := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || fromHere(r) {
			inner.ServeHTTP(w, r)
			return
		}
		status := s.sendOn(w, r, port)
		s.metrics.requests.WithLabelValues("redirect", shownMethod(r.Method), strconv.Itoa(status)).Inc()
	})
	return h
}

// fromHere reports whether a request comes from this machine.
func fromHere(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// sendOn answers a request with the way to TLS.
func (s *Server) sendOn(w http.ResponseWriter, r *http.Request, port int) (status int) {
	to, ok := secureHost(r, port)
	switch {
	case !ok:
		p := problem(http.StatusBadRequest, "invalid", "the header Host is not the name of this box")
		s.writeProblem(w, r, p)
		return p.Status
	case r.Header.Get("Authorization") != "" || r.Method != http.MethodGet && r.Method != http.MethodHead:
		path := r.URL.EscapedPath()
		if !strings.HasPrefix(path, "/") { // OPTIONS *
			path = "/"
		}
		p := problem(http.StatusForbidden, "https_required", "use https://"+to+path+
			": this port sends browsers there, and takes neither changes nor credentials. This request has crossed the network in clear: "+
			"if it held a password, a secret, a token or a key, change that")
		w.Header().Set("Connection", "close")
		s.writeProblem(w, r, p)
		return p.Status
	}
	w.Header().Set("Location", "https://"+to+r.URL.RequestURI())
	w.WriteHeader(http.StatusPermanentRedirect)
	return http.StatusPermanentRedirect
}

// secureHost answers the host that the client asked for, with the port of TLS.
func secureHost(r *http.Request, port int) (string, bool) {
	host, _ := splitHost(r.Host)
	if host == "" { // HTTP/1.0
		local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !ok {
			return "", false
		}
		host, _ = splitHost(local.String())
	}
	if strings.Trim(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:") != "" {
		return "", false
	}
	if port != 443 {
		return net.JoinHostPort(host, strconv.Itoa(port)), true
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host, true
}

// splitHost cuts a host and its port, if there is one, of which IPv6 addresses
// have colons of their own.
func splitHost(s string) (host, port string) {
	if h, p, err := net.SplitHostPort(s); err == nil {
		return h, p
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
}
