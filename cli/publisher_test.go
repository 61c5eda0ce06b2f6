package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/cli/gateway"
)

// serve runs a gateway in this process until the test ends.
func serve(t *testing.T) (gateway.InitResult, gateway.Addrs, *client.Client) {
	t.Helper()
	// A socket's path is short; that of t.TempDir need not be.
	dir, err := os.MkdirTemp("", "tidegate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	made, err := gateway.Init(t.Context(), gateway.InitOptions{Dir: dir, AdminEmail: "ann@example.org", AdminPassword: "correct horse", Sample: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.HTTP.Listen, cfg.MQTT.Listen = "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan gateway.Addrs, 1), make(chan error, 1)
	go func() {
		o := gateway.Options{Dir: dir, Config: cfg, Logger: slog.New(slog.DiscardHandler), Env: func(string) string { return "" }}
		ended <- gateway.Run(ctx, o, func(a gateway.Addrs) { ready <- a })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	select {
	case a := <-ready:
		cl, err := client.New(client.Options{Socket: filepath.Join(dir, "admin.sock")})
		if err != nil {
			t.Fatal(err)
		}
		return made, a, cl
	case err := <-ended:
		ended <- err
		t.Fatalf("the gateway did not start: %v", err)
	}
	panic("unreachable")
}

// brittle forwards to an address; each of its first connections breaks after
// so many bytes from the client.
func brittle(t *testing.T, to string, breaks int, after int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for n := 0; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			wg.Go(func() {
				_, _ = io.Copy(in, out) // ends with the connection
				_ = in.Close()
			})
			wg.Go(func() {
				if n < breaks {
					_, _ = io.CopyN(out, in, after) // ends with the connection
				} else {
					_, _ = io.Copy(out, in) // ends with the connection
				}
				_, _ = in.Close(), out.Close()
			})
		}
	})
	return l.Addr().String()
}

// After broken connections everything is sent again in its order: of two values
// for one time it is always the first that is stored.
func TestPublisherKeepsOrderOverBreaks(t *testing.T) {
	made, addrs, cl := serve(t)
	const messages, breaks = 2000, 3
	broke := 0
	p := &publisher{
		door: mqttDoor{addr: brittle(t, addrs.MQTT, breaks, 40_000)}, client: "test", window: 100,
		login: func(context.Context) (string, string, error) { return made.DeviceID, made.Secret, nil },
		warn:  func(string, ...any) { broke++ },
	}
	defer p.close()
	acked := 0
	p.acked = func(n int) { acked += n }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now().Add(-time.Hour).Truncate(time.Second).UnixMilli()
	for i := range messages {
		payload := fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":%d}]}`, began+int64(i/2), i)
		if err := p.publish(ctx, made.Topic, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if broke < breaks || acked != messages {
		t.Errorf("%d breaks, %d of %d messages acked", broke, acked, messages)
	}
	m := newLedgerMeter(cl, []string{made.DeviceID}, time.UnixMilli(began))
	sum, err := m.settled(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Stored != messages/2 || sum.Received != sum.Stored+sum.Duplicate+sum.Rejected || sum.Rejected < messages/2 {
		t.Errorf("ledger %+v, want %d stored and as many conflicts, or more", sum, messages/2)
	}
	list, err := cl.Readings(ctx, client.ReadingQuery{DeviceIDs: []string{made.DeviceID}, Page: client.Page{Limit: messages}})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list.Items {
		if r.RawValue != float64(2*i) {
			t.Fatalf("at %s the value is %g, the first that was sent is %d", r.TS, r.RawValue, 2*i)
		}
	}
	if len(list.Items) != messages/2 {
		t.Errorf("%d readings", len(list.Items))
	}
}

// A login that is refused is told, and not tried for ever.
func TestPublisherRefused(t *testing.T) {
	made, addrs, _ := serve(t)
	p := &publisher{
		door: mqttDoor{addr: addrs.MQTT}, client: "test", window: 1, warn: t.Logf,
		login: func(context.Context) (string, string, error) { return made.DeviceID, "wrong", nil },
	}
	defer p.close()
	if err := p.publish(t.Context(), made.Topic, []byte("{}")); err == nil {
		t.Error("a wrong secret was taken")
	} else {
		t.Log(err)
	}
}
