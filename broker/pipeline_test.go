package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest"
	"tidegate/ingest/buffer"
	"tidegate/store"
)

// What stands behind the log plays no part in an ack.
type (
	noSeries struct{ store.SeriesStore }
	noState  struct{ store.State }
)

func (noSeries) Bind(store.Bounds) error { return nil }
func (noSeries) Applied() uint64         { return 0 }
func (noState) Bind(store.Bounds) error  { return nil }
func (noState) Applied() uint64          { return 0 }

// durable is a box whose submitter is the pipeline over a real log.
func durable(t *testing.T, o buffer.Options) (*box, *buffer.Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "buffer.db")
	o.Path = path
	o.Fatal = func(err error) { panic(err) }
	log, err := buffer.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	b := newBox(t, func(o *Options) {
		p, err := ingest.NewPipeline(ingest.Options{
			Log: log, Series: noSeries{}, State: noState{}, Now: time.Now,
			Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
			Rejected: func(string, string, string) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Submitter = p
	})
	return b, log, path
}

// records closes the log and counts what is on disk.
func records(t *testing.T, log *buffer.Log, path string) uint64 {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := buffer.Open(buffer.Options{Path: path, Fatal: func(err error) { panic(err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	after, head := again.Bounds()
	return head - after
}

func TestPipelineAcks(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x, log, path := durable(t, buffer.Options{Linger: time.Millisecond})
		p := x.device(v5, "d1", "c")
		const n = 1000
		var all []byte
		for i := 1; i <= n; i++ {
			all = append(all, p.publishPacket(telemetryD1, fmt.Sprintf(`{"readings":[{"port":1,"value":%d}]}`, i), 1, uint16(i), 0)...)
		}
		p.send(all)
		for i := 1; i <= n; i++ {
			if id, code := p.ack(); id != uint16(i) || code != 0 {
				t.Fatalf("ack %d: packet %d, code %#x", i, id, code)
			}
		}
		if got := records(t, log, path); got != n {
			t.Errorf("%d records on disk, want %d", got, n)
		}
	})
}

// While the log is full acks are withheld and pings answered; beyond what may
// wait in memory the connection is closed. What was acked is on disk.
func TestFullLog(t *testing.T) {
	x, log, path := durable(t, buffer.Options{MaxSize: 1 << 20, Unacked: 256 << 10})
	p := x.device(true, "d1", "c")
	random := make([]byte, 2048)
	sent, acked := 0, 0
	full := false
	for !full {
		if _, err := rand.Read(random); err != nil {
			t.Fatal(err)
		}
		sent++
		p.publish(telemetryD1, hex.EncodeToString(random), 1, uint16(sent))
		p.send([]byte{0xC0, 0})
		for ponged := false; !ponged && !full; {
			pk, err := p.read()
			switch {
			case err != nil:
				t.Fatalf("after %d messages: %v", sent, err)
			case pk.kind() == 4:
				acked++
			case pk.kind() == 13:
				ponged = true
			case pk.kind() == 14:
				full = true
				if pk.body[0] != 0x97 {
					t.Errorf("DISCONNECT % x, want 0x97", pk.body)
				}
			}
		}
	}
	if sent-acked < 10 {
		t.Errorf("%d of %d acked: none were withheld", acked, sent)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := x.Close(ctx); err != nil {
		t.Error(err)
	}
	if got := records(t, log, path); got < uint64(acked) {
		t.Errorf("%d acked, %d on disk", acked, got)
	}
}
