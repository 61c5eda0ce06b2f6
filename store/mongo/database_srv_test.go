package mongo

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// TestSRV looks up a server's records. Whom the driver asks for them can be
// changed for a whole process alone, so that this runs in one of its own.
func TestSRV(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	cmd := exec.Command(os.Args[0], "-test.run=^TestSRVProcess$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "TIDEGATE_TEST_SRV="+server.URI(t, mongotest.Database(t)))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSRVProcess") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSRVProcess is the process of TestSRV, and nothing else.
func TestSRVProcess(t *testing.T) {
	uri := os.Getenv("TIDEGATE_TEST_SRV")
	if uri == "" {
		return
	}
	credentials, rest, _ := strings.Cut(strings.TrimPrefix(uri, "mongodb://"), "@")
	addr, database, _ := strings.Cut(rest, "/")
	_, password, _ := strings.Cut(credentials, ":")
	_, port, err := net.SplitHostPort(addr)
	noError(t, err)
	names := startResolver(t, port)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", names.addr)
	}}
	open := func(options string) *Database {
		return attach(t, impatient("mongodb+srv://"+credentials+"@db.tidegate.test/"+database+"?tls=false"+options))
	}

	// Nothing is asked to open, and nobody waits for a resolver that hangs.
	names.become(hangs)
	d := open("")
	names.mu.Lock()
	if names.asked != 0 {
		t.Errorf("%d questions were asked to open", names.asked)
	}
	names.mu.Unlock()
	d.patience = 200 * time.Millisecond
	for range 2 {
		if err := d.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a resolver that hangs: %v", err)
		}
	}

	// A name that there is not (yet).
	names.become(absent)
	eventually(t, func() error { // until the first attempt has ended
		if err := d.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "resolve db.tidegate.test") {
			return store.ErrUnavailable
		}
		return nil
	})
	err = d.Ready(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no such host") || strings.Contains(err.Error(), password) {
		t.Errorf("a name that there is not: %v", err)
	}
	if s := d.Status(); s.Reachable || !strings.Contains(s.LastError, "resolve db.tidegate.test") || strings.Contains(s.LastError, password) || s.Hosts[0] != "db.tidegate.test" {
		t.Errorf("a name that there is not: status %+v", s)
	}
	noError(t, open("").Close(t.Context())) // that was never resolved

	names.become(answers)
	d.patience = readyPatience
	eventually(t, func() error { return d.Ready(t.Context()) })
	if s := d.Status(); !s.Reachable || s.Hosts[0] != "db.tidegate.test" {
		t.Errorf("resolved: status %+v", s)
	}
	i := openInstance(t, d.uri.text, t.TempDir())
	noError(t, i.CreateOrganization(t.Context(), acme("acme")))
	sameEverywhere(t, i)

	// Records that lead away are not followed.
	names.become(leadsAway)
	if err := open("").Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), password) {
		t.Errorf("records that lead away: %v", err)
	}
}

// resolver answers for db.tidegate.test: its server is m0.db.tidegate.test, on
// a port of the loopback interface.
type resolver struct {
	conn net.PacketConn
	addr string
	port uint16

	mu    sync.Mutex
	mode  int
	asked int
	held  []dnsQuestion // while it hangs
}

type dnsQuestion struct {
	from net.Addr
	text []byte
}

// What a resolver does.
const (
	answers = iota
	absent
	hangs
	leadsAway
)

func startResolver(t testing.TB, port string) *resolver {
	t.Helper()
	number, err := strconv.ParseUint(port, 10, 16)
	noError(t, err)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	noError(t, err)
	r := &resolver{conn: c, addr: c.LocalAddr().String(), port: uint16(number)}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			r.take(dnsQuestion{from, append([]byte{}, buf[:n]...)})
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-ended })
	return r
}

// become changes what it does, also with the questions that it holds.
func (r *resolver) become(mode int) {
	r.mu.Lock()
	r.mode = mode
	held := r.held
	r.held = nil
	r.mu.Unlock()
	for _, q := range held {
		r.take(q)
	}
}

func (r *resolver) take(q dnsQuestion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.mode == hangs {
		r.held = append(r.held, q)
	} else if answer := r.answer(q.text, r.mode); answer != nil {
		_, _ = r.conn.WriteTo(answer, q.from)
	}
}

// answer answers one question in the form of RFC 1035.
func (r *resolver) answer(q []byte, mode int) []byte {
	const header, typeA, typeSRV = 12, 1, 33
	if len(q) < header {
		return nil
	}
	var labels []string
	end := header
	for q[end] != 0 {
		labels = append(labels, string(q[end+1:end+1+int(q[end])]))
		end += 1 + int(q[end])
	}
	end += 1 + 4 // the type and the class
	name, kind := strings.ToLower(strings.Join(labels, ".")), binary.BigEndian.Uint16(q[end-4:])
	target := "\x02m0\x02db\x08tidegate\x04test\x00"
	if mode == leadsAway {
		target = "\x02m0\x09elsewhere\x04test\x00"
	}
	var data []byte
	switch {
	case mode == absent:
	case kind == typeSRV && name == "_mongodb._tcp.db.tidegate.test":
		data = binary.BigEndian.AppendUint16(make([]byte, 4), r.port) // behind priority and weight
		data = append(data, target...)
	case kind == typeA && name == "m0.db.tidegate.test":
		data = []byte{127, 0, 0, 1}
	}
	out := append([]byte{}, q[:2]...)
	code, count := byte(3), byte(0) // no such name
	if data != nil {
		code, count = 0, 1
	} else if name == "m0.db.tidegate.test" {
		code = 0 // nothing of this type
	}
	out = append(out, 0x85, 0x80|code, 0, 1, 0, count, 0, 0, 0, 0)
	out = append(out, q[header:end]...)
	if data != nil {
		out = append(out, 0xc0, header) // the name above
		out = append(out, q[end-4:end]...)
		out = append(out, 0, 0, 0, 1) // a second
		out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
		out = append(out, data...)
	}
	return out
}
