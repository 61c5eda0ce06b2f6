package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"nhooyr.io/websocket"

	"tidegate/store"
)

// liveConn is one connection: a goroutine reads what the client says, another
// writes, and has the subscriptions to itself.
type liveConn struct {
	s     *Server
	conn  *websocket.Conn
	place *livePlace
	said  chan any      // LiveSubscribe, LiveUnsubscribe, or store.Access after a login
	wake  chan struct{} // a token when a subscription has something

	mu    sync.Mutex
	actor Actor
	leave context.CancelFunc // ends the watch over the credentials of before; nil: there are none

	// The writer's own.
	subs []*liveSub
	buf  []byte
}

func newLiveConn(s *Server, conn *websocket.Conn, place *livePlace) *liveConn {
	return &liveConn{s: s, conn: conn, place: place, said: make(chan any), wake: make(chan struct{}, 1)}
}

const (
	liveAuthPatience  = 5 * time.Second
	liveWritePatience = 10 * time.Second
	livePing          = 30 * time.Second
	maxLiveRequest    = 1 << 20
)

// await takes the first message, which must be a token.
func (l *liveConn) await(ctx context.Context, cancel context.CancelCauseFunc) error {
	done, err := l.s.live.stranger()
	if err != nil {
		return err
	}
	defer done()
	first, stop := context.WithTimeout(ctx, liveAuthPatience)
	defer stop()
	_, b, err := l.conn.Read(first)
	if err != nil {
		return problem(http.StatusUnauthorized, "unauthorized", "the first message must be a token, within five seconds")
	}
	var r LiveAuth
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
	if err == nil {
		err = l.place.belong(a.Name)
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
	_ = l.send(ctx, LiveError{Type: "error", Detail: p.Detail})
	_ = l.conn.Close(websocket.StatusPolicyViolation, p.Code)
}

// errGone says that the client closed the connection, or it broke.
var errGone = errors.New("live client is gone")

// read takes the client's messages until it goes. The writer takes them one at a
// time: who says more than is done waits.
func (l *liveConn) read(ctx context.Context, cancel context.CancelCauseFunc) error {
	for {
		// Not under ctx: a cancelled read breaks the connection, and the client
		// is to be told why it goes. CloseNow ends it.
		_, b, err := l.conn.Read(context.WithoutCancel(ctx))
		if err != nil {
			return errGone
		}
		said, err := readLive(b)
		if err != nil {
			return err
		}
		if auth, ok := said.(LiveAuth); ok {
			if err := l.login(ctx, cancel, auth.Token); err != nil {
				return err
			}
			said = l.access()
		}
		select {
		case l.said <- said:
		case <-ctx.Done():
			return errGone
		}
	}
}

// readLive reads a message of a client.
func readLive(b []byte) (any, error) {
	if err := checkJSON(b, false); err != nil {
		return nil, invalidParam("message", err.Error())
	}
	var r struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(b, &r)
	var auth LiveAuth
	var subscribe LiveSubscribe
	var unsubscribe LiveUnsubscribe
	var out any
	if err == nil {
		switch r.Type {
		case "auth":
			err = json.Unmarshal(b, &auth)
			out = auth
		case "subscribe":
			err = json.Unmarshal(b, &subscribe)
			out = subscribe
		case "unsubscribe":
			err = json.Unmarshal(b, &unsubscribe)
			out = unsubscribe
		default:
			return nil, invalidParam("type", fmt.Sprintf("%q is unknown; use auth, subscribe or unsubscribe", cut(r.Type)))
		}
	}
	if err != nil {
		return nil, invalidParam("message", "is not JSON as /asyncapi.json describes it")
	}
	return out, nil
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

func (l *liveConn) send(ctx context.Context, m any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode live message: %w", err)
	}
	return l.sendBytes(ctx, b)
}

// sendBytes sends a message; errGone when the client does not take it.
func (l *liveConn) sendBytes(ctx context.Context, b []byte) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), liveWritePatience)
	defer stop()
	if l.conn.Write(ctx, websocket.MessageText, b) != nil {
		return errGone
	}
	return nil
}
