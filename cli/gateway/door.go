package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
)

// Addrs are where a running gateway listens; empty: that door is closed.
type Addrs struct {
	HTTP, HTTPS string
	MQTT, MQTTS string // MQTTS: with TLS
	Socket      string
	// SetupLink makes the first user of a browser that opens it; empty: there is
	// one.
	SetupLink string
}

// doors are what listens for HTTP.
type doors struct {
	listeners []net.Listener // until they are served
	servers   []*http.Server
	failed    chan error
}

// bind adds a listener that is not served yet.
func (d *doors) bind(l net.Listener, err error) (net.Listener, error) {
	if err == nil {
		d.listeners = append(d.listeners, l)
	}
	return l, err
}

// serve lets traffic in, over TLS when s has a certificate.
func (d *doors) serve(s *http.Server, l net.Listener) {
	d.servers = append(d.servers, s)
	go func() {
		var err error
		if s.TLSConfig != nil {
			err = s.ServeTLS(l, "", "")
		} else {
			err = s.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	}()
}

func (d *doors) shutdown(ctx context.Context) {
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
	defer cancel()
	for _, s := range d.servers {
		if err := s.Shutdown(sctx); err != nil {
			_ = s.Close()
		}
	}
}

// listen opens the doors: the socket, HTTP, and MQTT last. On an error all are
// closed again.
func (g *gateway) listen(ctx context.Context) (_ *doors, err error) {
	d := &doors{failed: make(chan error, 3)}
	defer func() {
		if err != nil {
			for _, l := range d.listeners {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	socket, err := d.bind(listenSocket(filepath.Join(g.o.Dir, "admin.sock")))
	if err != nil {
		return nil, err
	}
	var plain, secure net.Listener
	c := g.o.Config.HTTP
	if c.Listen != "" {
		if plain, err = d.bind(listenTCP(c.Listen, "http.listen", g.o.NextPort)); err != nil {
			return nil, err
		}
	}
	if g.cert != nil && c.TLSListen != "" {
		if secure, err = d.bind(listenTCP(c.TLSListen, "http.tls_listen", g.o.NextPort)); err != nil {
			return nil, err
		}
	}
	if err := g.broker.Start(ctx); err != nil {
		return nil, err
	}
	g.addrs = Addrs{
		HTTP: addr(plain), HTTPS: addr(secure), Socket: socket.Addr().String(),
		MQTT: netAddr(g.broker.Addr()), MQTTS: netAddr(g.broker.AddrTLS()),
	}
	if g.setup != "" {
		g.addrs.SetupLink = g.address() + "/#setup=" + g.setup
	}
	d.serve(g.api.AdminHTTP(), socket)
	if secure != nil {
		d.serve(g.api.HTTPS(g.cert.HTTPS(), func() bool { return !g.cert.Info().SelfSigned }), secure)
	}
	if plain != nil {
		d.serve(g.plainHTTP(secure), plain)
	}
	return d, nil
}

// plainHTTP answers what serves without TLS, beside a door with it or none.
func (g *gateway) plainHTTP(secure net.Listener) *http.Server {
	if secure == nil || !g.o.Config.HTTP.Redirect {
		return g.api.HTTP()
	}
	return g.api.RedirectHTTP(secure.Addr().(*net.TCPAddr).Port)
}

func addr(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func netAddr(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// ready answers why the gateway is not ready; nil when it is.
func (g *gateway) ready() error {
	if g.addrs.Socket == "" {
		return errors.New("starting")
	}
	return nil
}
