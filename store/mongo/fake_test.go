package mongo

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fakeServer speaks enough of the wire protocol to be taken for a MongoDB server
// of a version or kind that there is no program of here: what it says of itself
// is its hello, and every other command gets an answer or ok.
type fakeServer struct {
	addr    string
	hello   bson.D
	answers map[string]bson.D // by command

	mu   sync.Mutex
	seen []bson.Raw // commands but hello, in order
}

func startFake(t testing.TB, hello bson.D, answers map[string]bson.D) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	f := &fakeServer{addr: l.Addr().String(), hello: hello, answers: answers}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() { defer func() { _ = c.Close() }(); f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *fakeServer) uri() string {
	return "mongodb://" + f.addr + "/plant?directConnection=true&serverMonitoringMode=poll"
}

// commands answers those of a name.
func (f *fakeServer) commands(name string) (out []bson.Raw) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.seen {
		if _, err := c.LookupErr(name); err == nil {
			out = append(out, c)
		}
	}
	return out
}

const opQuery, opReply, opMsg = 2004, 1, 2013

func (f *fakeServer) serve(c net.Conn) {
	for {
		var head [16]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		body := make([]byte, int(binary.LittleEndian.Uint32(head[:]))-len(head))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		id, op := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
		var command bson.Raw
		if op == opQuery { // flags, the collection's name, how many
			n := 4
			for body[n] != 0 {
				n++
			}
			command = body[n+1+8:]
		} else { // flags, the kind of a section
			command = body[5:]
		}
		command = command[:binary.LittleEndian.Uint32(command)]
		answer, err := bson.Marshal(f.answer(command))
		if err != nil {
			return
		}
		prefix := make([]byte, 5) // of OP_MSG: flags, the kind of a section
		kind := uint32(opMsg)
		if op == opQuery {
			prefix, kind = make([]byte, 20), opReply // flags, a cursor, where it begins, how many
			prefix[16] = 1
		}
		var out []byte
		for _, v := range []uint32{uint32(16 + len(prefix) + len(answer)), id, id, kind} {
			out = binary.LittleEndian.AppendUint32(out, v)
		}
		if _, err := c.Write(append(append(out, prefix...), answer...)); err != nil {
			return
		}
	}
}

func (f *fakeServer) answer(command bson.Raw) bson.D {
	elements, err := command.Elements()
	if err != nil || len(elements) == 0 {
		return bson.D{{Key: "ok", Value: 0}}
	}
	switch name := elements[0].Key(); name {
	case "hello", "isMaster", "ismaster":
		return append(append(bson.D{}, f.hello...), bson.E{Key: "localTime", Value: time.Now()}, bson.E{Key: "ok", Value: 1})
	default:
		f.mu.Lock()
		f.seen = append(f.seen, append(bson.Raw{}, command...))
		f.mu.Unlock()
		if a, ok := f.answers[name]; ok {
			return a
		}
		return bson.D{{Key: "ok", Value: 1}}
	}
}

// helloOf is what a server says of itself that takes writes.
func helloOf(wire int32, more ...bson.E) bson.D {
	return append(bson.D{
		{Key: "isWritablePrimary", Value: true},
		{Key: "ismaster", Value: true},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: wire},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)},
		{Key: "maxMessageSizeBytes", Value: int32(48000000)},
		{Key: "maxWriteBatchSize", Value: int32(100000)},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
	}, more...)
}

// buildOf is what a server says of its version.
func buildOf(version string, parts ...int32) bson.D {
	return bson.D{{Key: "version", Value: version}, {Key: "versionArray", Value: parts}, {Key: "ok", Value: 1}}
}
