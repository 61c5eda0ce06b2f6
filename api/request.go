package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

const (
	requestIDHeader   = "X-Request-Id"
	maxRequestIDBytes = 64
)

// idOf answers the id under which a request is logged and answered: the
// client's own when it is harmless in a log line, so that a proxy's log and
// this one name the same request, else a new one.
func idOf(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); harmless(id) {
		return id
	}
	return uuid.NewString()
}

func harmless(id string) bool {
	const others = "._-"
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// requestLog adds the id of the request to each line that is logged under its
// context.
type requestLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestLog) Handle(ctx context.Context, r slog.Record) error {
	if id := requestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestLog) WithAttrs(a []slog.Attr) slog.Handler {
	return requestLog{h.Handler.WithAttrs(a)}
}

// WithGroup implements slog.Handler.
func (h requestLog) WithGroup(name string) slog.Handler {
	return requestLog{h.Handler.WithGroup(name)}
}

// logAnswer writes what became of a request, for those who look for one by its
// id. Neither the query nor a header is in it: they may hold secrets.
func (s *Server) logAnswer(c echo.Context, method, route string, took time.Duration) {
	ctx := c.Request().Context()
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "request answered",
		slog.String("method", method), slog.String("route", route), slog.Int("status", c.Response().Status),
		slog.Int64("bytes", c.Response().Size), slog.Duration("took", took), slog.String("remote", c.RealIP()))
}
