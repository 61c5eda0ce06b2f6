package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// patience is how long a receiver may take.
type patience struct {
	header time.Duration // until its status, for each redirect
	body   time.Duration // for what it says beside it
	whole  time.Duration
}

func defaultPatience() patience {
	return patience{header: 10 * time.Second, body: 3 * time.Second, whole: 20 * time.Second}
}

const (
	connectPatience = 5 * time.Second
	maxAnswer       = 4 << 10 // bytes of an answer that are read
	maxRedirects    = 3
)

// post is one HTTP request of a message.
type post struct {
	method, url string
	header      http.Header // of the channel: not sent to another host
	standing    http.Header // sent along a redirect as well
	body        []byte
	wanders     bool // a redirect may lead it to another host
	secrets     []string
}

// poster sends HTTP requests to public addresses. It takes no proxy from the
// environment: one would be asked for names that the guard has not seen.
type poster struct {
	guard  guard
	client http.Client
	now    func() time.Time
	patience
}

func newPoster(o *Options) *poster {
	p := &poster{guard: guard{o.Allow}, now: o.Now, patience: o.patience}
	if p.patience == (patience{}) {
		p.patience = defaultPatience()
	}
	dialer := &net.Dialer{Timeout: connectPatience, Control: p.guard.control}
	transport := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: connectPatience, ResponseHeaderTimeout: p.header,
		MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 16, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
		TLSClientConfig: o.tlsConfig,
	}
	if o.dial != nil {
		transport.DialContext, transport.DisableKeepAlives = o.dial, true
	}
	p.client = http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// answer is what a receiver said to a request.
type answer struct {
	status int
	header http.Header
	body   []byte // at most maxAnswer
}

// do sends x and answers what came of it, by the status alone; look at the answer
// for more. The answer's status is 0 when there was none.
func (p *poster) do(ctx context.Context, x *post) (outcome, answer) {
	ctx, cancel := context.WithTimeout(ctx, p.whole)
	defer cancel()
	to, header := x.url, x.header
	for hops := 0; ; hops++ {
		a, err := p.once(ctx, x, to, header)
		if err != nil {
			return p.failed(err, x), a
		}
		if a.status < 300 || a.status > 399 {
			return judge(a, p.now(), x.unspoken()), a
		}
		next, why := x.follow(to, a, hops)
		if why != "" {
			return outcome{kind: refused, status: fmt.Sprintf("HTTP %d", a.status), words: why}, a
		}
		if !sameOrigin(to, next) {
			header = nil // it was for the first host alone
		}
		to = next
	}
}

// unspoken is what must not be seen in the receiver's words.
func (x *post) unspoken() []string {
	out := slices.Clone(x.secrets)
	for _, v := range x.header {
		out = append(out, v...)
	}
	return out
}

// once sends one request.
func (p *poster) once(ctx context.Context, x *post, to string, header http.Header) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, x.method, to, bytes.NewReader(x.body))
	if err != nil {
		return answer{}, err
	}
	if len(x.body) == 0 {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	req.Header.Set("User-Agent", "tidegate")
	for _, h := range []http.Header{x.standing, header} {
		for k, v := range h {
			req.Header[k] = v
		}
	}
	res, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }() // it was read only
	a := answer{status: res.StatusCode, header: res.Header}
	// The status is the answer. The words beside it may come slowly, or never end.
	enough := time.AfterFunc(p.body, cancel)
	defer enough.Stop()
	a.body, _ = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return a, nil
}

// follow answers where a redirect leads, or why it is not followed. The request
// is sent there as it is, method and body included.
func (x *post) follow(from string, a answer, hops int) (next, why string) {
	location := a.header.Get("Location")
	switch {
	case a.status != http.StatusMovedPermanently && a.status != http.StatusFound && a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect || location == "":
		return "", "the answer neither takes the message nor says where to send it"
	case hops >= maxRedirects:
		return "", fmt.Sprintf("more than %d redirects", maxRedirects)
	}
	base, err := url.Parse(from)
	if err != nil {
		return "", "the redirect leads nowhere"
	}
	u, err := base.Parse(location)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return "", "the redirect leads nowhere"
	case base.Scheme == "https" && u.Scheme == "http":
		return "", "the redirect leads from https to http"
	case !x.wanders && !sameOrigin(from, u.String()):
		return "", "the redirect leads to another host, which the channel's secret is not for"
	}
	return u.String(), ""
}

func sameOrigin(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// judge answers what a status means.
func judge(a answer, now time.Time, secrets []string) outcome {
	o := outcome{status: fmt.Sprintf("HTTP %d", a.status), words: words(string(a.body), secrets...)}
	switch {
	case a.status >= 200 && a.status < 300:
		return outcome{kind: delivered, status: o.status}
	case a.status == http.StatusRequestTimeout || a.status == http.StatusTooEarly || a.status == http.StatusTooManyRequests || a.status >= 500:
		o.kind, o.after = again, retryAfter(a.header.Get("Retry-After"), now)
	default:
		o.kind = refused
	}
	return o
}

// retryAfter reads the header: seconds, or a date.
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if d, err := time.ParseDuration(text + "s"); err == nil && !strings.ContainsAny(text, "hmsµnu") {
		return min(max(0, d), longestAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), longestAfter)
	}
	return 0
}

// failed answers what became of a request without an answer, in words that say
// nothing of the box's inside.
func (p *poster) failed(err error, x *post) outcome {
	var guard *guardError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &guard):
		return outcome{kind: refused, words: guard.Error()}
	case errors.As(err, &dns) && dns.IsNotFound:
		return outcome{kind: again, words: "there is no host of that name"}
	case errors.As(err, &dns):
		return outcome{kind: again, words: "the host's name could not be resolved"}
	case errors.As(err, &certificate):
		return outcome{kind: again, words: "its certificate is not good: " + words(certificate.Err.Error(), x.unspoken()...)}
	case errors.As(err, &record) || strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return outcome{kind: again, words: "it does not speak TLS"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return outcome{kind: again, words: "no answer in time"}
	case strings.Contains(err.Error(), "malformed HTTP"):
		return outcome{kind: again, words: "what it answers is not HTTP"}
	case isAny(err, refusals()):
		return outcome{kind: again, words: "the connection was refused"}
	case isAny(err, resets()) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		strings.Contains(err.Error(), "connection broken") || strings.Contains(err.Error(), "server closed idle connection"):
		return outcome{kind: again, words: "the connection was closed before an answer came"}
	case isAny(err, unreachable()):
		return outcome{kind: again, words: "there is no route to it"}
	}
	return outcome{kind: again, words: "it could not be reached"}
}

func isAny(err error, targets []error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
