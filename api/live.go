package api

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"nhooyr.io/websocket"
)

// liveSays are the messages of a client, liveTells those of the server.
var (
	liveSays  = []reflect.Type{reflect.TypeFor[LiveAuth](), reflect.TypeFor[LiveSubscribe](), reflect.TypeFor[LiveUnsubscribe]()}
	liveTells = []reflect.Type{
		reflect.TypeFor[LiveSubscribed](), reflect.TypeFor[LiveSnapshot](), reflect.TypeFor[LiveReadings](), reflect.TypeFor[LiveLifecycle](),
		reflect.TypeFor[LiveRejection](), reflect.TypeFor[LiveAlert](), reflect.TypeFor[LiveDeviceMessage](), reflect.TypeFor[LiveSkipped](), reflect.TypeFor[LiveError](),
	}
)

func (s *Server) routeLive() {
	var messages []*huma.Schema
	for _, t := range append(liveSays[:len(liveSays):len(liveSays)], liveTells...) {
		messages = append(messages, s.schema(t))
	}
	op := &huma.Operation{
		OperationID: "live", Method: http.MethodGet, Path: livePath, Tags: []string{"live"},
		Summary: "Watch readings, lifecycle, rejections, alarms and messages over WebSocket",
		Description: "Without an Authorization header the first message is {\"type\":\"auth\",\"token\":…}, within five seconds. " +
			"Then {\"type\":\"subscribe\",…}, up to sixteen times with ids of their own; the same id again replaces. " +
			"A slow client gets the newest reading of each port, and is told how many were skipped. " +
			"The protocol is described for programs at /asyncapi.json (AsyncAPI 3.0), and for people in docs/live.md.",
		Responses: map[string]*huma.Response{"101": {
			Description: "messages of the client and of the server",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{AnyOf: messages}}},
		}},
	}
	s.policies[op.OperationID] = reads                             // asked by login, whose token comes as a message
	op.Security = append(securityOf(reads), map[string][]string{}) // or none, and a token as the first message
	op.Extensions = map[string]any{"x-needs": needs(reads)}
	documentProblems(op, []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUpgradeRequired, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	})
	s.api.OpenAPI().AddOperation(op)
	s.echo.GET(livePath, s.serveLive)
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
	place, err := s.live.take()
	if err != nil {
		return err
	}
	defer place.leave()
	if known {
		if err := place.belong(actor.Name); err != nil {
			return err
		}
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
	l := newLiveConn(s, conn, place)
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
	cancel(l.write(ctx))
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

// Hijack implements http.Hijacker: what is taken over closes as it should.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := h.Response.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c, rw = newClosesOnce(c, rw)
	return c, rw, nil
}

// Write implements io.Writer.
func (h *handshake) Write(b []byte) (int, error) { return len(b), nil }

func (h *handshake) problem(err error) error {
	if h.refused == 0 {
		return nil // the connection broke
	}
	return problem(http.StatusBadRequest, "invalid", "the WebSocket handshake is not valid: "+err.Error())
}
