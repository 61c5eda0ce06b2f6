package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
)

// dialRaw opens a connection without an HTTP client.
func (b *box) dialRaw(t *testing.T) net.Conn {
	t.Helper()
	c := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(b.url, "http://")))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestSlowBodiesAreCutOff: a body that does not come holds nothing for long.
func TestSlowBodiesAreCutOff(t *testing.T) {
	b := newBox(t, func(o *Options) { o.bodyTimeout = 100 * time.Millisecond }).withSample(t)
	token := b.ann(t).AccessToken
	for _, path := range []string{"/api/v1/organizations", "/api/v1/devices/import", "/api/v1/imports/readings"} {
		c := b.dialRaw(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"id\"", path, token)
		begin := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			continue // closed without a word, which does as well
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode < 400 || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: %s after %v", path, resp.Status, time.Since(begin))
		}
	}
	c := b.dialRaw(t)
	fmt.Fprintf(c, "POST /api/v1/telemetry HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZDE6Uw==\r\nContent-Length: 1000\r\n\r\n{")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode < 400 {
		t.Errorf("telemetry: %s", resp.Status)
	}
}

// TestSlowAnswersAreNot: what the server itself takes long for goes on, as
// long as the client is there.
func TestSlowAnswersAreNot(t *testing.T) {
	const short = 100 * time.Millisecond
	b := newBox(t, func(o *Options) {
		o.bodyTimeout = short
		o.Retention = slowMonths(4 * short)
		o.Status = func(ctx context.Context) (Status, error) {
			<-time.After(4 * short)
			return Status{}, ctx.Err()
		}
	})
	if _, err := b.local.Status(t.Context()); err != nil {
		t.Errorf("without a body: %v", err)
	}
	if _, err := b.local.RetentionApply(t.Context(), 1); err != nil {
		t.Errorf("with a body: %v", err)
	}
	// An import whose rows come slowly, but come.
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, "ts,device,port,value\n")
		for range 8 {
			<-time.After(short / 2)
			_, _ = io.WriteString(pw, "broken\n")
		}
		_ = pw.Close()
	}()
	res, err := b.local.ImportReadings(t.Context(), pr, client.ImportOptions{})
	if err != nil || res.Malformed != 8 {
		t.Errorf("a slow import: %+v, %v", res, err)
	}
}

type slowMonths time.Duration

func (slowMonths) KeepMonths() int { return 1 }

func (slowMonths) Preview(context.Context, int) ([]RetentionMonth, error) {
	return nil, errors.New("not asked")
}

func (m slowMonths) Apply(ctx context.Context, _ int) ([]RetentionMonth, error) {
	<-time.After(time.Duration(m))
	return nil, ctx.Err()
}
