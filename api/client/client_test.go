package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

func TestUnreachable(t *testing.T) {
	c, err := client.New(client.Options{Socket: filepath.Join(t.TempDir(), "admin.sock")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(context.Background()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("status without a socket: %v, want ErrUnreachable", err)
	}
	if err := c.Tail(context.Background(), client.Subscription{}, nil); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("tail without a socket: %v, want ErrUnreachable", err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []client.Options{{}, {Socket: "a", BaseURL: "http://b"}, {BaseURL: "box:8080"}, {BaseURL: "ftp://box"}} {
		if _, err := client.New(o); err == nil {
			t.Errorf("New(%+v) gave no error", o)
		}
	}
}

func TestProblem(t *testing.T) {
	for _, c := range []struct {
		status int
		header string
		body   string
		is     error
		text   string
	}{
		{404, "", `{"status":404,"title":"Not Found","detail":"device \"x\": not found"}`, store.ErrNotFound, `device "x": not found`},
		{409, "", `{"status":409,"detail":"taken"}`, store.ErrConflict, "taken"},
		{422, "", `{"status":422,"detail":"bad","errors":[{"message":"above 9","location":"query.limit"}]}`, store.ErrInvalid, "bad; query.limit: above 9"},
		{503, "7", `{"status":503,"code":"full","detail":"the log is full"}`, store.ErrFull, "the log is full"},
		{503, "7", `{"status":503,"code":"unavailable","detail":"away"}`, store.ErrUnavailable, "away"},
		{502, "", `<html>`, nil, "<html>"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		cl, err := client.New(client.Options{BaseURL: srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cl.Status(context.Background())
		srv.Close()
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != c.status || p.Error() != c.text {
			t.Errorf("%d %s: %v", c.status, c.body, err)
			continue
		}
		for _, s := range []error{store.ErrNotFound, store.ErrConflict, store.ErrInvalid, store.ErrUnavailable, store.ErrFull} {
			if got := errors.Is(err, s); got != (s == c.is) {
				t.Errorf("%d %s: errors.Is(%v) = %v", c.status, c.body, s, got)
			}
		}
		if c.header != "" && p.RetryAfter != 7*time.Second {
			t.Errorf("retry after %v", p.RetryAfter)
		}
	}
}
