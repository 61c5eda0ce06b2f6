package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// rates are how often somebody may ask.
//
//   - A person or key on the network has a bucket of its own, wherever it asks
//     from: neighbours behind one address do not pay for it.
//   - Whoever has not logged in has that of the address, for each request to an
//     open operation, and each with credentials that are refused. One without
//     any is free, since its 401 costs what a 429 would; so is what is not the API
//     (the page, the probes), which is bytes in memory.
//   - A device that is let in has none. The log paces telemetry already: a 202
//     waits for its fsync, a full log says so, and MQTT beside it has no limit
//     either. A limit here would refuse what the disk would have taken. Its
//     refused logins count by address and name, and when they are used up the
//     secret is not looked at: it may be short, and is not to be guessed. Others
//     behind the same address, with their right secrets, notice nothing.
//   - The box's socket has none.
type rates struct {
	callers, strangers *buckets // nil: not limited
	refused            *prometheus.CounterVec
}

func newRates(o Options) (*rates, error) {
	r := &rates{
		callers: newBuckets(o.RateLimit, o.Now), strangers: newBuckets(o.RateLimitAddress, o.Now),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_api_rate_limited_total", Help: "Requests answered 429, by whose limit was met: caller, address, device.",
		}, []string{"limit"}),
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(r.refused); err != nil {
			return nil, fmt.Errorf("register api metrics: %w", err)
		}
	}
	return r, nil
}

// limitCallers comes behind authentication.
func (s *Server) limitCallers(next echo.HandlerFunc) echo.HandlerFunc {
	if s.rates.callers == nil {
		return next
	}
	return func(c echo.Context) error {
		a, ok := actorFrom(c.Request().Context())
		if !ok || a.Remote == "" {
			return next(c)
		}
		g := s.rates.callers.take(a.Name)
		s.rates.callers.tell(c.Response().Header(), g)
		if !g.ok {
			return s.rates.refuse("caller", a.Name, s.rates.callers, g)
		}
		return next(c)
	}
}

// limitStrangers comes before authentication, and looks at what it said.
func (s *Server) limitStrangers(next echo.HandlerFunc) echo.HandlerFunc {
	b := s.rates.strangers
	if b == nil {
		return next
	}
	return func(c echo.Context) error {
		r := c.Request()
		if _, local := actorFrom(r.Context()); local || !strings.HasPrefix(r.URL.Path, "/api") {
			return next(c)
		}
		address := prefixOf(c.RealIP()).String()
		kind, key := "address", address
		if r.URL.Path == telemetryPath {
			name, _, _ := r.BasicAuth()
			kind, key = "device", address+" "+name[:min(len(name), maxNameBytes)]
			if g := b.peek(key); !g.ok {
				return s.rates.refuse(kind, "refused logins from "+address, b, g)
			}
		}
		if s.exempt(r) {
			g := b.take(key)
			b.tell(c.Response().Header(), g)
			if !g.ok {
				return s.rates.refuse(kind, address, b, g)
			}
			return next(c)
		}
		err := next(c)
		var p *Problem
		if !errors.As(err, &p) || p.Status != http.StatusUnauthorized || r.Header.Get("Authorization") == "" {
			return err
		}
		if g := b.take(key); !g.ok {
			return s.rates.refuse(kind, "refused logins from "+address, b, g)
		}
		return err
	}
}

// maxNameBytes is as long as the name of a device can be.
const maxNameBytes = 64

func (r *rates) refuse(kind, whose string, b *buckets, g allowance) error {
	r.refused.WithLabelValues(kind).Inc()
	p := problem(http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf(
		"%s: more than %.0f requests a second, or %.0f at once; wait as Retry-After says, or ask for more with each request", whose, b.rate, b.burst))
	p.retryAfter = seconds(g.retry)
	return p.limited("requests", int64(b.rate))
}

// tell says how it is, as draft-ietf-httpapi-ratelimit-headers-07 has it.
func (b *buckets) tell(h http.Header, g allowance) {
	h.Set("RateLimit-Limit", strconv.Itoa(int(b.burst)))
	h.Set("RateLimit-Remaining", strconv.Itoa(g.left))
	h.Set("RateLimit-Reset", strconv.Itoa(seconds(g.full)))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
