package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrUnreachable says that no server answered.
var ErrUnreachable = errors.New("server not reachable")

// Options say where the server is. Exactly one of Socket and BaseURL is set.
type Options struct {
	Socket  string // path of admin.sock: no login, the actor is the caller's uid
	BaseURL string // such as https://box:8443
	Token   string // access token or API key for BaseURL
	// Roots are who may have signed the server's certificate; nil: the system's.
	Roots *x509.CertPool
	// UserAgent names the caller in the server's log.
	UserAgent string
}

// Client is a connection pool to one server.
type Client struct {
	base      *url.URL
	http      *http.Client
	token     string
	userAgent string
	where     string // for messages
}

// New answers a client. It does not connect.
func New(o Options) (*Client, error) {
	if (o.Socket == "") == (o.BaseURL == "") {
		return nil, errors.New("client: give a socket or a base URL, not both")
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
		DisableCompression:    true,
		ExpectContinueTimeout: time.Second,
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t.DialContext = dialer.DialContext
	if o.Roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	}
	base, where := o.BaseURL, o.BaseURL
	if o.Socket != "" {
		base, where = "http://tidegate", o.Socket
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", o.Socket)
		}
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not an address such as http://box:8080", base)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	h := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // credentials go nowhere but where they were told to
	}}
	return &Client{base: u, http: h, token: o.Token, userAgent: o.UserAgent, where: where}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call; path is below /api/v1 and already escaped.
type request struct {
	method string
	path   string
	query  url.Values
	body   io.Reader
	header http.Header
	user   *url.Userinfo // basic auth instead of the token
}

// send answers a success with its body open, or an error.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	u := c.base.String() + "/api/v1" + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, r.body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	switch {
	case r.user != nil:
		password, _ := r.user.Password()
		req.SetBasicAuth(r.user.Username(), password)
	case c.token != "":
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode/100 != 2 {
		defer func() { _ = resp.Body.Close() }()
		if to := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && to != "" {
			return nil, fmt.Errorf("%s is at %s now: name it as the server", c.where, strings.TrimSuffix(to, req.URL.RequestURI()))
		}
		return nil, readProblem(resp)
	}
	return resp, nil
}

// unreachable tells a failed dial from a connection that broke later.
func (c *Client) unreachable(err error) error {
	if why := untrusted(err); why != "" {
		return fmt.Errorf("%s: %s", c.where, why)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, c.where, err)
	}
	return err
}

// untrusted says what is wrong with a server's certificate, or that it has none;
// empty: nothing is.
func untrusted(err error) string {
	var plain tls.RecordHeaderError
	var signer x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &plain):
		return "it does not speak TLS there; try http://"
	case errors.As(err, &signer):
		return "its certificate is signed by nobody who is known here: give the certificate of who signed it, or the self-signed one, with --ca FILE"
	case errors.As(err, &host):
		return host.Error()
	case errors.As(err, &invalid):
		return invalid.Error()
	}
	return ""
}

// call sends in as JSON, unless it is nil, and decodes the answer into out,
// unless it is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	r := request{method: method, path: path, query: query, header: http.Header{"Accept": {"application/json"}}}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r.body = bytes.NewReader(b)
		r.header.Set("Content-Type", "application/json")
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", method, path, err)
	}
	return nil
}

// copyTo streams an answer into w.
func (c *Client) copyTo(ctx context.Context, w io.Writer, r request) (int64, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("after %d bytes: %w", n, err)
	}
	return n, nil
}

// List is one page. NextCursor asks for the next one; empty: there is none.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor"`
}

// Page asks for one page; zero: the first, of the server's default size.
type Page struct {
	Cursor string
	Limit  int
}

func (p Page) values() url.Values {
	v := url.Values{}
	set(v, "cursor", p.Cursor)
	if p.Limit > 0 {
		v.Set("limit", strconv.Itoa(p.Limit))
	}
	return v
}

// All walks every page of a list, calling fn for each item.
func All[T any](ctx context.Context, list func(context.Context, Page) (List[T], error), fn func(T) error) error {
	var p Page
	for {
		l, err := list(ctx, p)
		if err != nil {
			return err
		}
		for _, item := range l.Items {
			if err := fn(item); err != nil {
				return err
			}
		}
		if l.NextCursor == "" {
			return nil
		}
		p.Cursor = l.NextCursor
	}
}

func set(v url.Values, key, value string) {
	if value != "" {
		v.Set(key, value)
	}
}

func setTime(v url.Values, key string, t time.Time) {
	if !t.IsZero() {
		v.Set(key, t.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
}

func seg(id string) string { return "/" + url.PathEscape(id) }
