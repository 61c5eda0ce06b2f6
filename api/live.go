package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"nhooyr.io/websocket"

	"tidegate/ingest/live"
	"tidegate/store"
)

const (
	liveAuthPatience  = 5 * time.Second
	liveWritePatience = 10 * time.Second
	livePing          = 30 * time.Second
	liveStrangers     = 64 // connections that have not logged in yet
	maxLiveRequest    = 1 << 20
	liveItems         = 1000 // readings a message
)

// liveConns is what all live connections share.
type liveConns struct {
	ctx       context.Context // ends with the server
	end       context.CancelFunc
	strangers chan struct{}
}

func newLiveConns() *liveConns {
	ctx, cancel := context.WithCancel(context.Background())
	return &liveConns{ctx: ctx, end: cancel, strangers: make(chan struct{}, liveStrangers)}
}

func (s *Server) routeLive() {
	op := &huma.Operation{
		OperationID: "live", Method: http.MethodGet, Path: livePath, Tags: []string{"live"},
		Summary: "Watch readings, lifecycle and rejections over WebSocket",
		Description: "Without an Authorization header the first message is {\"type\":\"auth\",\"token\":…}, within five seconds. " +
			"Then {\"type\":\"subscribe\",…}; a later one replaces it. A slow client gets the newest reading of each port, and is told how many events were skipped.",
		Responses: map[string]*huma.Response{"101": {
			Description: "messages of the client and of the server",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{AnyOf: []*huma.Schema{
				s.schema(reflect.TypeFor[LiveRequest]()), s.schema(reflect.TypeFor[LiveMessage]()),
			}}}},
		}},
	}
	s.policies[op.OperationID] = reads                             // asked by login, whose token comes as a message
	op.Security = append(securityOf(reads), map[string][]string{}) // or none, and a token as the first message
	op.Extensions = map[string]any{"x-needs": needs(reads)}
	documentProblems(op, []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUpgradeRequired, http.StatusTooManyRequests})
	s.api.OpenAPI().AddOperation(op)
	s.echo.GET(livePath, s.serveLive)
}

// liveConn is one connection.
type liveConn struct {
	s    *Server
	conn *websocket.Conn
	sub  chan *live.Sub // told once, at the first subscription

	mu    sync.Mutex
	actor Actor
	leave context.CancelFunc // ends the watch over the credentials of before; nil: there are none
}

func (s *Server) serveLive(c echo.Context) error {
	actor, known := actorFrom(c.Request().Context())
	if known {
		if err := reads.judge(c.Request().Context()); err != nil {
			return err
		}
	}
	if isHead(c.Request().Context()) || !strings.EqualFold(c.Request().Header.Get("Upgrade"), "websocket") {
		return problem(http.StatusUpgradeRequired, "upgrade_required", "this route speaks WebSocket")
	}
	if s.fromElsewhere(c.Request()) {
		return problem(http.StatusForbidden, "forbidden", "a page of another origin may not watch; http.cors_origins names those that may")
	}
	w := &handshake{Response: c.Response()}
	conn, err := websocket.Accept(w, c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin is checked above
	if err != nil {
		return w.problem(err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxLiveRequest)
	ctx, cancel := context.WithCancelCause(s.live.ctx)
	defer cancel(nil)
	l := &liveConn{s: s, conn: conn, sub: make(chan *live.Sub, 1)}
	if known {
		l.enter(ctx, cancel, actor)
	} else {
		if err := l.await(ctx, cancel); err != nil {
			l.refuse(err)
			return nil
		}
	}
	s.metrics.live.Inc()
	defer s.metrics.live.Dec()
	go func() { cancel(l.read(ctx, cancel)) }()
	go l.ping(ctx, cancel)
	l.write(ctx, cancel)
	l.refuse(context.Cause(ctx))
	return nil
}

// handshake keeps back what the library answers to a request that is none, so
// that it is a problem like all others.
type handshake struct {
	*echo.Response
	refused int // status; 0: it was not
}

// WriteHeader implements http.ResponseWriter.
func (h *handshake) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		h.Response.WriteHeader(status)
		return
	}
	h.refused = status
}

// Write implements io.Writer.
func (h *handshake) Write(b []byte) (int, error) { return len(b), nil }

func (h *handshake) problem(err error) error {
	if h.refused == 0 {
		return nil // the connection broke
	}
	return problem(http.StatusBadRequest, "invalid", "the WebSocket handshake is not valid: "+err.Error())
}

// await takes the first message, which must be a token.
func (l *liveConn) await(ctx context.Context, cancel context.CancelCauseFunc) error {
	select {
	case l.s.live.strangers <- struct{}{}:
		defer func() { <-l.s.live.strangers }()
	default:
		return &store.Error{Kind: store.ErrFull, Noun: "live", Msg: fmt.Sprintf("%d connections have not logged in yet, which is the most at once; try again in some seconds", liveStrangers)}
	}
	first, stop := context.WithTimeout(ctx, liveAuthPatience)
	defer stop()
	_, b, err := l.conn.Read(first)
	if err != nil {
		return problem(http.StatusUnauthorized, "unauthorized", "the first message must be a token, within five seconds")
	}
	var r LiveRequest
	if json.Unmarshal(b, &r) != nil || r.Type != "auth" {
		return problem(http.StatusUnauthorized, "unauthorized", `the first message must be {"type":"auth","token":"…"}`)
	}
	return l.login(ctx, cancel, r.Token)
}

// login takes a token.
func (l *liveConn) login(ctx context.Context, cancel context.CancelCauseFunc, token string) error {
	a, err := l.s.bearer(ctx, token)
	if err == nil {
		err = reads.judge(WithActor(ctx, a))
	}
	if err != nil {
		return err
	}
	l.enter(ctx, cancel, a)
	return nil
}

// enter lets an actor in, and ends the connection when the token expires, the
// session ends or the API key is changed. A later one takes the place of the
// first.
func (l *liveConn) enter(ctx context.Context, cancel context.CancelCauseFunc, a Actor) {
	watch, leave := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leave != nil {
		l.leave()
	}
	l.actor, l.leave = a, leave
	var expired <-chan time.Time // nil on the socket, where nothing expires
	var over <-chan struct{}
	if !a.expires.IsZero() {
		expired = time.After(a.expires.Sub(l.s.o.Now()))
	}
	if a.Session != "" {
		over = l.s.sessions.SessionOver(a.Session)
	}
	go func() {
		for {
			var changed <-chan struct{}
			if a.key != nil {
				changed = l.s.admin.keysChange()
				if err := l.s.recheck(watch, a); err != nil {
					cancel(err)
					return
				}
			}
			select {
			case <-expired:
				cancel(problem(http.StatusUnauthorized, "unauthorized", "the token has expired; log in again"))
				return
			case <-over:
				cancel(errSessionRevoked())
				return
			case <-watch.Done():
				return
			case <-changed:
			}
		}
	}()
}

// refuse tells the client why it goes, as far as it still listens.
func (l *liveConn) refuse(err error) {
	if errors.Is(err, context.Canceled) {
		_ = l.conn.Close(websocket.StatusGoingAway, "the server stops")
		return
	}
	p, known := toProblem(err)
	if !known {
		_ = l.conn.CloseNow() // the connection broke: nobody is left to be told
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), liveWritePatience)
	defer stop()
	_ = l.send(ctx, LiveMessage{Type: "error", Detail: p.Detail})
	_ = l.conn.Close(websocket.StatusPolicyViolation, p.Code)
}

// errGone says that the client closed the connection, or it broke.
var errGone = errors.New("live client is gone")

// read takes the client's messages until it goes.
func (l *liveConn) read(ctx context.Context, cancel context.CancelCauseFunc) error {
	var sub *live.Sub
	for {
		// Not under ctx: a cancelled read breaks the connection, and the client
		// is to be told why it goes. CloseNow ends it.
		_, b, err := l.conn.Read(context.WithoutCancel(ctx))
		if err != nil {
			return errGone
		}
		var r LiveRequest
		if err := checkJSON(b, false); err != nil {
			return invalidParam("message", err.Error())
		}
		if err := json.Unmarshal(b, &r); err != nil {
			return invalidParam("message", "is not JSON as /openapi.json describes it")
		}
		switch r.Type {
		case "auth":
			if err := l.login(ctx, cancel, r.Token); err != nil {
				return err
			}
		case "subscribe":
			f, err := r.filter(l.access())
			if err != nil {
				return err
			}
			if sub == nil {
				if sub, err = l.s.o.Live.Subscribe(f); err != nil {
					return err
				}
				defer sub.Close()
				l.sub <- sub
			} else {
				sub.Filter(f)
			}
			if err := l.send(ctx, LiveMessage{Type: "subscribed", ID: r.ID}); err != nil {
				return errGone
			}
		default:
			return invalidParam("type", fmt.Sprintf("%q is unknown; use auth or subscribe", r.Type))
		}
	}
}

// access is what the client may see.
func (l *liveConn) access() store.Access {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.actor.Access
}

// ping finds out that a client is gone without a word, or not to be let in any
// more.
func (l *liveConn) ping(ctx context.Context, cancel context.CancelCauseFunc) {
	t := time.NewTicker(livePing)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		pong, stop := context.WithTimeout(context.WithoutCancel(ctx), liveWritePatience)
		err := l.conn.Ping(pong)
		stop()
		if err != nil {
			cancel(errGone)
			return
		}
		l.mu.Lock()
		a := l.actor
		l.mu.Unlock()
		if err := l.s.recheck(ctx, a); err != nil {
			cancel(err)
			return
		}
	}
}

// write sends events until the connection ends.
func (l *liveConn) write(ctx context.Context, cancel context.CancelCauseFunc) {
	var sub *live.Sub
	select {
	case sub = <-l.sub:
	case <-ctx.Done():
		return
	}
	var buf []byte
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return
		}
		for first := true; len(b.Readings) > 0 || (first && b.Skipped > 0); first = false {
			n := min(len(b.Readings), liveItems)
			buf = appendReadings(buf[:0], b.Readings[:n], b.Skipped)
			b.Readings, b.Skipped = b.Readings[n:], 0
			if err = l.sendBytes(ctx, buf); err != nil {
				cancel(errGone)
				return
			}
		}
		for _, e := range b.Others {
			m := LiveMessage{
				Type: "lifecycle", At: &e.At, OrgID: e.OrgID, DeviceID: e.DeviceID,
				Port: e.Port, Status: e.Status, Reason: e.Reason, Line: e.Line,
			}
			if e.Kind == live.KindRejection {
				m.Type = "rejection"
			}
			if err = l.send(ctx, m); err != nil {
				cancel(errGone)
				return
			}
		}
	}
}

func (l *liveConn) send(ctx context.Context, m LiveMessage) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode live message: %w", err)
	}
	return l.sendBytes(ctx, b)
}

func (l *liveConn) sendBytes(ctx context.Context, b []byte) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), liveWritePatience)
	defer stop()
	return l.conn.Write(ctx, websocket.MessageText, b)
}
