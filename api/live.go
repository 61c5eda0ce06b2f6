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
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				s.schema(reflect.TypeFor[LiveRequest]()), s.schema(reflect.TypeFor[LiveMessage]()),
			}}}},
		}},
	}
	s.document(op)
	s.api.OpenAPI().AddOperation(op)
	s.echo.GET(livePath, s.serveLive)
}

// liveConn is one connection.
type liveConn struct {
	s    *Server
	conn *websocket.Conn
	sub  chan *live.Sub // told once, at the first subscription

	mu      sync.Mutex
	actor   Actor
	expires *time.Timer // nil on the socket, where nothing expires
}

func (s *Server) serveLive(c echo.Context) error {
	actor, known := actorFrom(c.Request().Context())
	if !strings.EqualFold(c.Request().Header.Get("Upgrade"), "websocket") {
		return problem(http.StatusUpgradeRequired, "upgrade_required", "this route speaks WebSocket")
	}
	conn, err := websocket.Accept(c.Response(), c.Request(), nil)
	if err != nil {
		return nil //nolint:nilerr // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxLiveRequest)
	ctx, cancel := context.WithCancelCause(s.live.ctx)
	defer cancel(nil)
	l := &liveConn{s: s, conn: conn, sub: make(chan *live.Sub, 1), actor: actor}
	if token, ok := strings.CutPrefix(c.Request().Header.Get("Authorization"), "Bearer "); known && ok {
		if err := l.login(ctx, cancel, token); err != nil {
			return nil //nolint:nilerr // it ran out a moment ago: the client sees the close
		}
	}
	if !known {
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

// await takes the first message, which must be a token.
func (l *liveConn) await(ctx context.Context, cancel context.CancelCauseFunc) error {
	select {
	case l.s.live.strangers <- struct{}{}:
		defer func() { <-l.s.live.strangers }()
	default:
		return &store.Error{Kind: store.ErrFull, Noun: "live", Msg: "too many connections that have not logged in; try again in some seconds"}
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

// login takes a token and ends the connection when it expires.
func (l *liveConn) login(ctx context.Context, cancel context.CancelCauseFunc, token string) error {
	a, err := l.s.bearer(ctx, token)
	if err != nil {
		return err
	}
	c, err := l.s.tokens.verify(token)
	if err != nil {
		return errNoCredentials()
	}
	left := c.ExpiresAt.Sub(l.s.o.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.actor = a
	if l.expires != nil {
		l.expires.Stop()
	}
	l.expires = time.AfterFunc(left, func() {
		cancel(problem(http.StatusUnauthorized, "unauthorized", "the token has expired; log in again"))
	})
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.expires.Stop()
	})
	return nil
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
		if err := json.Unmarshal(b, &r); err != nil {
			return invalidParam("message", "is not JSON as /openapi.json describes it")
		}
		switch r.Type {
		case "auth":
			if err := l.login(ctx, cancel, r.Token); err != nil {
				return err
			}
		case "subscribe":
			f, err := r.filter(l.orgID())
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

// orgID is the organization whose events the client may see; empty: all.
func (l *liveConn) orgID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.actor.User == nil {
		return ""
	}
	return l.actor.User.OrgID
}

// ping finds out that a client is gone without a word.
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
