// Package mongotest gives tests a real MongoDB server, and a proxy before it
// that does what networks do. It is imported by tests alone.
//
// Without a mongod on the machine a test is skipped by name, with CI=true it
// fails. How a server is started, and that it never outlives the tests, is
// package mongod's.
package mongotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store/mongo/mongod"
)

// Kind is how a server is deployed.
type Kind int

// The kinds.
const (
	ReplicaSet Kind = iota // of one member: retryable writes
	Standalone
)

// Kinds are all there are, for tests that go over them.
func Kinds() []Kind { return []Kind{ReplicaSet, Standalone} }

func (k Kind) String() string {
	if k == Standalone {
		return "standalone"
	}
	return "replica set"
}

// Options of a server.
type Options struct {
	Kind Kind
	// Uninitiated: a member of a replica set that there is not.
	Uninitiated bool
	Args        []string // further arguments of mongod
	Dir         string   // holds its data; empty: a folder of the test's own
	Log         string   // file of its log; empty: in Dir
}

// Server is a mongod of a test's own. Access control is on. What fails ends the
// test.
type Server struct {
	t testing.TB // nil: shared by the tests of this process
	m *mongod.Server
}

// Start starts a server in a folder of the test's own, on a free loopback port,
// waits until it takes writes, and ends it with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	need(t)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	m, err := mongod.Start(context.Background(), mongod.Options{Dir: o.Dir, Log: o.Log, Standalone: o.Kind == Standalone, Uninitiated: o.Uninitiated, Args: o.Args})
	if err != nil {
		t.Fatalf("start mongod: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("mongod said at the end:\n%s", m.Tail())
		}
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
	return &Server{t: t, m: m}
}

// need skips a test that cannot have a server.
func need(t testing.TB) {
	t.Helper()
	_, err := mongod.Find()
	switch {
	case err == nil:
	case errors.Is(err, mongod.ErrNone) && (os.Getenv("CI") != "true" || !mongod.Fetchable()):
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// shared are the servers that the tests of this process have in common.
var shared [2]struct {
	once sync.Once
	m    *mongod.Server
	err  error
}

// Shared answers the one server of a kind that the tests of this process have
// in common; each has a database of its own there (see Database). It is started
// by the first that asks and ends with the process. It cannot be ended, paused
// or started again.
func Shared(t testing.TB, kind Kind) *Server {
	t.Helper()
	need(t)
	s := &shared[kind]
	s.once.Do(func() {
		dir, err := os.MkdirTemp("", "tidegate-mongotest")
		if err != nil {
			s.err = err
			return
		}
		s.m, s.err = mongod.Start(context.Background(), mongod.Options{Dir: dir, Standalone: kind == Standalone, Scratch: true})
	})
	if s.err != nil {
		t.Fatalf("start mongod: %v", s.err)
	}
	return &Server{m: s.m}
}

var databases atomic.Int64

// Database answers the name of a database that no other test of this process
// uses.
func Database(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	return fmt.Sprintf("%.40s_%d", name, databases.Add(1))
}

// URI answers how a user logs in who has the role readWrite on this database
// and no other right. The user is made when that was not done yet.
func (s *Server) URI(t testing.TB, database string) string {
	t.Helper()
	uri, err := s.m.URI(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

// AdminURI names the user that may do everything.
func (s *Server) AdminURI() string { return s.m.AdminURI() }

// Admin calls fn with a client that may do everything.
func (s *Server) Admin(t testing.TB, fn func(*mongo.Client) error) {
	t.Helper()
	if err := s.m.Admin(fn); err != nil {
		t.Fatalf("as the admin of mongod: %v", err)
	}
}

// Addr answers host:port; it stays the same over restarts.
func (s *Server) Addr() string { return s.m.Addr() }

// PID answers the process's id; 0 when it does not run.
func (s *Server) PID() int { return s.m.PID() }

// LogFile is what mongod says.
func (s *Server) LogFile() string { return s.m.LogFile() }

// Kill ends it with SIGKILL.
func (s *Server) Kill() { s.own().Helper(); s.must(s.m.Kill()) }

// Stop ends it with SIGTERM: it writes down all it has.
func (s *Server) Stop() { s.own().Helper(); s.must(s.m.Stop()) }

// Restart starts it again on its folder and its port, after a Kill, a Stop, or
// as it is, and waits until it takes writes.
func (s *Server) Restart() { s.own().Helper(); s.must(s.m.Restart(context.Background())) }

// Launch is Restart after a Kill or Stop, without waiting for writes.
func (s *Server) Launch() { s.own().Helper(); s.must(s.m.Launch(context.Background())) }

// Writable waits until it takes writes.
func (s *Server) Writable() { s.own().Helper(); s.must(s.m.Writable(context.Background())) }

// Pause stops it with SIGSTOP: connections stay, and nothing answers.
func (s *Server) Pause() { s.own().Helper(); s.must(s.m.Pause()) }

// Resume lets a paused one go on.
func (s *Server) Resume() { s.own().Helper(); s.must(s.m.Resume()) }

func (s *Server) own() testing.TB {
	if s.t == nil {
		panic("mongotest: a shared server is everybody's; use Start")
	}
	return s.t
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
