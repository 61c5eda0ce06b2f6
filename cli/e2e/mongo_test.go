package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/cli/bench"
	"tidegate/store/mongo/mongotest"
)

// database is one of a mongod. What tidegate says of itself is held against what
// the admin sees there; tidegate has a user with readWrite on it, and no other
// right.
type database struct {
	t      *testing.T
	server *mongotest.Server
	proxy  *mongotest.Proxy // between the two
	name   string
}

func newDatabase(t *testing.T, server *mongotest.Server) *database {
	t.Helper()
	return &database{t: t, server: server, proxy: mongotest.NewProxy(t, server.Addr()), name: mongotest.Database(t)}
}

// through and direct are the MONGO_URI of the proxy and of the server itself.
func (d *database) through() string { return "MONGO_URI=" + d.proxy.URI(d.server.URI(d.t, d.name)) }
func (d *database) direct() string  { return "MONGO_URI=" + d.server.URI(d.t, d.name) }

// quickly lets readings wait for moments only, so that flushes happen between
// whatever a test does.
var quickly = []string{"TIDEGATE_MONGO_FLUSH_INTERVAL=200ms", "TIDEGATE_MONGO_FLUSH_SIZE=256KiB"}

// values calls fn with every reading of the collection, as the admin sees it.
func (d *database) values(fn func(device string, port int, ts time.Time, value float64)) {
	d.t.Helper()
	d.server.Admin(d.t, func(c *mongo.Client) error {
		ctx := context.Background()
		cur, err := c.Database(d.name).Collection("values").Find(ctx, bson.D{}, options.Find().SetBatchSize(20_000).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "ts", Value: 1}, {Key: "metadata", Value: 1}, {Key: "rawValue", Value: 1}}))
		if err != nil {
			return err
		}
		var doc struct {
			TS       time.Time `bson:"ts"`
			Metadata struct {
				DeviceID   string `bson:"deviceId"`
				PortNumber int    `bson:"portNumber"`
			} `bson:"metadata"`
			RawValue float64 `bson:"rawValue"`
		}
		for cur.Next(ctx) {
			if err := cur.Decode(&doc); err != nil {
				return err
			}
			fn(doc.Metadata.DeviceID, doc.Metadata.PortNumber, doc.TS.UTC(), doc.RawValue)
		}
		return errors.Join(cur.Err(), cur.Close(ctx))
	})
}

// verify compares the collection with what was sent, and answers how many
// readings there are.
func (d *database) verify(l *bench.Load, acked []int) int {
	d.t.Helper()
	judge := newSent(l)
	faults := 0
	d.values(func(device string, port int, ts time.Time, value float64) {
		if err := judge.take(device, port, ts, value); err != nil && faults < 10 {
			faults++
			d.t.Errorf("in the collection %s port %d %s %v: %v", device, port, ts.Format(time.RFC3339Nano), value, err)
		}
	})
	if err := judge.lost(acked); err != nil {
		d.t.Errorf("in the collection: %v", err)
	}
	return len(judge.seen)
}

// documents answers some fields of all documents of a collection, each as one
// line of JSON.
func (d *database) documents(collection string, fields ...string) map[string]int {
	d.t.Helper()
	lines := map[string]int{}
	d.server.Admin(d.t, func(c *mongo.Client) error {
		cur, err := c.Database(d.name).Collection(collection).Find(context.Background(), bson.D{})
		if err != nil {
			return err
		}
		for cur.Next(context.Background()) {
			var doc map[string]any
			if err := cur.Decode(&doc); err != nil {
				return err
			}
			lines[line(d.t, doc, fields)]++
		}
		return cur.Err()
	})
	return lines
}

// line answers some fields of a document as text; whatever says a time says it
// the same way.
func line(t *testing.T, doc map[string]any, fields []string) string {
	t.Helper()
	out := make([]string, len(fields))
	for i, f := range fields {
		switch v := doc[f].(type) {
		case bson.DateTime:
			out[i] = v.Time().UTC().Format("2006-01-02T15:04:05.000Z")
		case nil:
		default:
			out[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(out, " | ")
}

// wantMirrored waits until dead letters, audit trail and ledger are in the
// database as the folder has them.
func (d *database) wantMirrored(s *server) {
	d.t.Helper()
	of := func(fields []string, args ...string) map[string]int {
		d.t.Helper()
		var list struct{ Items []map[string]any }
		dec := json.NewDecoder(strings.NewReader(s.tidegate(append(args, "-o", "json")...)))
		dec.UseNumber()
		if err := dec.Decode(&list); err != nil {
			d.t.Fatalf("tidegate %v: %v", args, err)
		}
		lines := map[string]int{}
		for _, doc := range list.Items {
			lines[line(d.t, doc, fields)]++
		}
		return lines
	}
	letter := []string{"id", "reason", "detail", "orgId", "deviceId", "port", "topic", "source", "principal", "payload", "payloadBytes", "receivedAt"}
	entry := []string{"seq", "at", "actor", "action", "noun", "id", "prev", "hash"}
	hour := []string{"hour", "deviceId", "received", "stored", "duplicate", "rejected", "pending"}
	for _, c := range []struct {
		collection string
		fields     []string
		verb       []string
	}{
		{"deadletters", letter, []string{"deadletter", "ls", "--limit", "0"}},
		{"audit", entry, []string{"audit", "ls"}},
		{"ledger", hour, []string{"ledger", "--by", "hour"}},
	} {
		var here, there map[string]int
		for deadline := time.Now().Add(2 * time.Minute); ; {
			here, there = of(c.fields, c.verb...), d.documents(c.collection, c.fields...)
			if reflect.DeepEqual(here, there) {
				break
			}
			if time.Now().After(deadline) {
				d.t.Fatalf("%s has %d documents, %d of them as the folder's %d\n%s", c.collection, len(there), common(here, there), len(here), s.tail())
			}
			<-time.After(200 * time.Millisecond)
		}
	}
}

func common(a, b map[string]int) (n int) {
	for k := range a {
		if b[k] == a[k] {
			n++
		}
	}
	return n
}

// flushed waits until the database has all that was acked, and answers the
// ledger.
func (s *server) flushed(t *testing.T) ledger {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l := s.settled(ctx)
	for s.metric("tidegate_mongo_unflushed_bytes") > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("readings still wait in memory: %+v\n%s", l, s.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return l
}

// metric answers a metric's value; 0 when the server does not answer.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	resp, err := http.Get("http://" + s.http + "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				s.t.Fatalf("metric %s: %v", lines.Text(), err)
			}
			return f
		}
	}
	if lines.Err() == nil {
		s.t.Fatalf("there is no metric %s", name)
	}
	return 0
}

// ask makes a request over admin.sock, which needs no login. An answer must come
// within a minute; status 0 is none.
func (s *server) ask(method, path, body string) (status int, header http.Header, answer string) {
	s.t.Helper()
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
		},
	}}
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://tidegate"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err.Error()
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err.Error()
	}
	return resp.StatusCode, resp.Header, string(b)
}
