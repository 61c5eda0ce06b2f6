package mongotest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// line is a connection to a server on which a test says what it likes.
type line struct {
	t    testing.TB
	conn net.Conn
	last uint32
}

func call(t testing.TB, addr string) *line {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &line{t: t, conn: c}
}

// say sends a command.
func (l *line) say(command string) error {
	body, err := bson.Marshal(bson.D{{Key: command, Value: 1}, {Key: "$db", Value: "admin"}})
	if err != nil {
		l.t.Fatal(err)
	}
	l.last++
	var out []byte
	for _, v := range []uint32{uint32(headerSize + 5 + len(body)), l.last, 0, opMsg, 0} {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	_, err = l.conn.Write(append(append(out, 0), body...))
	return err
}

// hear waits for the reply to what was said last.
func (l *line) hear() error {
	m, err := readMessage(l.conn, nil)
	if err == nil && uint32(m.responseTo()) != l.last {
		l.t.Errorf("a reply to %d, want to %d", m.responseTo(), l.last)
	}
	return err
}

func (l *line) ask(command string) error {
	if err := l.say(command); err != nil {
		return err
	}
	return l.hear()
}

// silent checks that nothing comes. It can only miss what comes late.
func (l *line) silent() {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if err := l.hear(); !errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Errorf("something came: %v", err)
	}
	_ = l.conn.SetReadDeadline(time.Time{})
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ended(t testing.TB, what string, err error) {
	t.Helper()
	var op *net.OpError
	if !errors.Is(err, io.EOF) && !errors.As(err, &op) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %v, want the end of the connection", what, err)
	}
}

// TestProxyConnections does to connections what networks do.
func TestProxyConnections(t *testing.T) {
	server := Shared(t, ReplicaSet)
	p := NewProxy(t, server.Addr())

	l := call(t, p.Addr())
	noError(t, l.ask("hello"))
	noError(t, l.ask("ping"))
	if n := p.Commands("ping"); n != 1 {
		t.Errorf("%d pings came by", n)
	}
	p.Cut()
	ended(t, "cut", l.hear())
	noError(t, call(t, p.Addr()).ask("hello"))

	// The other direction lives on: what is said is taken.
	l = call(t, p.Addr())
	noError(t, l.ask("hello"))
	before := p.Commands("ping")
	p.HalfClose()
	if err := l.hear(); !errors.Is(err, io.EOF) {
		t.Errorf("half closed: %v", err)
	}
	noError(t, l.say("ping"))
	wait(t, "what is said to a half closed connection", func() bool { return p.Commands("ping") == before+1 })

	l = call(t, p.Addr())
	noError(t, l.ask("hello"))
	p.Orphan()
	noError(t, l.say("hello"))
	l.silent()
	noError(t, call(t, p.Addr()).ask("hello"))
	p.Cut()
	ended(t, "an orphan that is cut", l.hear())

	l = call(t, p.Addr())
	noError(t, l.ask("hello"))
	p.Refuse(true)
	ended(t, "refused", l.hear())
	l = call(t, p.Addr())
	_ = l.say("hello")
	ended(t, "a new one that is refused", l.hear())
	p.Refuse(false)
	l = call(t, p.Addr())
	noError(t, l.ask("hello"))

	p.Hang(true)
	fresh := call(t, p.Addr())
	noError(t, l.say("hello"))
	noError(t, fresh.say("hello"))
	l.silent()
	fresh.silent()
	p.Hang(false)
	noError(t, l.hear())
	noError(t, fresh.hear())

	p.Hang(true)
	noError(t, l.say("hello"))
	p.Delay(time.Hour)
	p.Refuse(true) // cuts what hangs
	ended(t, "cut while it hangs", l.hear())
	p.Calm()
	l = call(t, p.Addr())
	const delay = 50 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	noError(t, l.ask("hello"))
	if took := time.Since(began); took < delay {
		t.Errorf("a reply was held back for %v", took)
	}
	p.Calm()
	noError(t, l.ask("hello"))

	// A server that is away looks like one.
	away := NewProxy(t, "127.0.0.1:1")
	l = call(t, away.Addr())
	_ = l.say("hello")
	ended(t, "no server behind it", l.hear())
}

// wait waits for a condition.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestProxyCommands swallows requests and replies of a driver that does not try
// again, and looks at the server for what became of them.
func TestProxyCommands(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			server := Shared(t, kind)
			p := NewProxy(t, server.Addr())
			name, ctx := Database(t), context.Background()
			uri := server.URI(t, name)
			through, direct := client(t, p.URI(uri), false), client(t, uri, false)
			insert := func(id string) error {
				_, err := through.Database(name).Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: id}})
				return err
			}
			there := func(id string) bool {
				n, err := direct.Database(name).Collection("c").CountDocuments(ctx, bson.D{{Key: "_id", Value: id}})
				noError(t, err)
				return n == 1
			}
			inserts := func(command string) bool { return command == "insert" }
			noError(t, insert("plain"))

			p.SwallowReplies(inserts, 1)
			noError(t, through.Ping(ctx, nil)) // matches nothing
			if err := insert("reply"); !mongo.IsNetworkError(err) || !there("reply") {
				t.Errorf("a swallowed reply: %v, there %v", err, there("reply"))
			}
			p.SwallowRequests(inserts, 2)
			for range 2 {
				if err := insert("request"); !mongo.IsNetworkError(err) || there("request") {
					t.Errorf("a swallowed request: %v, there %v", err, there("request"))
				}
			}
			if n := p.Swallowed(); n != 3 {
				t.Errorf("%d were swallowed", n)
			}
			noError(t, insert("request"))

			var called atomic.Int32
			p.OnReply(inserts, 1, func() {
				if called.Add(1); !there("watched") {
					t.Error("the server has not heard of it yet")
				}
			})
			noError(t, insert("watched")) // and the reply was passed on
			p.OnReply(inserts, 1, func() { called.Add(1); p.Cut() })
			if err := insert("cut"); !mongo.IsNetworkError(err) || !there("cut") {
				t.Errorf("cut behind the reply: %v, there %v", err, there("cut"))
			}
			if n := called.Load(); n != 2 {
				t.Errorf("called %d times", n)
			}
			p.SwallowReplies(inserts, 1)
			p.Calm()
			before := p.Commands("insert")
			noError(t, insert("calm"))
			if n := p.Commands("insert") - before; n != 1 {
				t.Errorf("%d inserts came by", n)
			}

			if kind == ReplicaSet { // sessions and retryable writes work through it
				retries := client(t, p.URI(uri), true)
				p.SwallowReplies(inserts, 1)
				_, err := retries.Database(name).Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: "once"}})
				if err != nil || !there("once") || p.Swallowed() != 4 {
					t.Errorf("sent again: %v, %d swallowed", err, p.Swallowed())
				}
			}
		})
	}
}

func client(t testing.TB, uri string, retry bool) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetRetryWrites(retry).SetRetryReads(retry).SetServerSelectionTimeout(30 * time.Second))
	noError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Disconnect(ctx) // it tells the server, which may be away
	})
	return c
}

func TestMessage(t *testing.T) {
	doc := func(d bson.D) []byte {
		b, err := bson.Marshal(d)
		noError(t, err)
		return b
	}
	build := func(op uint32, body ...[]byte) message {
		var all []byte
		for _, b := range body {
			all = append(all, b...)
		}
		var m []byte
		for _, v := range []uint32{uint32(headerSize + len(all)), 7, 5, op} {
			m = binary.LittleEndian.AppendUint32(m, v)
		}
		return append(m, all...)
	}
	flags, ping := make([]byte, 4), doc(bson.D{{Key: "ping", Value: 1}})
	sequence := binary.LittleEndian.AppendUint32([]byte{1}, uint32(4+10+len(ping)))
	sequence = append(append(sequence, "documents\x00"...), ping...)
	for _, tt := range []struct {
		name string
		m    message
		want string
	}{
		{"a body", build(opMsg, flags, []byte{0}, ping), "ping"},
		{"a body behind documents", build(opMsg, flags, sequence, []byte{0}, doc(bson.D{{Key: "insert", Value: "c"}})), "insert"},
		{"a body before them", build(opMsg, flags, []byte{0}, doc(bson.D{{Key: "insert", Value: "c"}}), sequence), "insert"},
		{"a checksum", build(opMsg, flags, []byte{0}, ping, []byte{1, 2, 3, 4}), "ping"},
		{"the old protocol", build(2004, flags, ping), ""},
		{"nothing", build(opMsg), ""},
		{"flags alone", build(opMsg, flags), ""},
		{"a size that lies", build(opMsg, flags, []byte{0, 255, 255, 255, 127, 0}), ""},
		{"a size below its own", build(opMsg, flags, []byte{1, 4, 0, 0, 0, 0, 0}), ""},
		{"an empty body", build(opMsg, flags, []byte{0}, doc(bson.D{})), ""},
	} {
		if got := tt.m.command(); got != tt.want || tt.m.requestID() != 7 || tt.m.responseTo() != 5 {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, size := range []uint32{0, headerSize - 1, mostMessage + 1, 1 << 31} {
		r, w := net.Pipe()
		go func() {
			_, _ = w.Write(append(binary.LittleEndian.AppendUint32(nil, size), make([]byte, 12)...))
			_ = w.Close()
		}()
		if _, err := readMessage(r, nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a message of %d bytes: %v", size, err)
		}
	}
}
