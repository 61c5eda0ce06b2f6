// Package e2e tests the program as its users have it: one plain binary, real
// processes, real sockets, real files.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary answers the program under test: TIDEGATE_BIN, or one built for this
// run of the tests.
var binary = sync.OnceValues(func() (string, error) {
	if b := os.Getenv("TIDEGATE_BIN"); b != "" {
		return filepath.Abs(b)
	}
	dir, err := os.MkdirTemp("", "tidegate-e2e")
	if err != nil {
		return "", err
	}
	b := filepath.Join(dir, "tidegate")
	cmd := exec.Command("go", "build", "-o", b, "tidegate")
	cmd.Stderr = os.Stderr
	return b, cmd.Run()
})

// server is one running tidegate.
type server struct {
	t    testing.TB
	dir  string
	env  []string
	wrap []string // a program that runs it, such as strace
	bin  string   // another build of the program; empty: the one under test
	cmd  *exec.Cmd
	done chan struct{}
	log  *output
	http string
	mqtt string

	https, mqtts string // with TLS; empty: there is none
}

func newServer(t testing.TB, env ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), env: env}
	t.Cleanup(func() { s.kill() })
	return s
}

// tidegate runs a verb and answers its standard output; it must succeed.
func (s *server) tidegate(args ...string) string {
	s.t.Helper()
	out, errOut, code := s.try("", args...)
	if code != 0 {
		s.t.Fatalf("tidegate %s: exit %d\n%s%s\nserver:\n%s", strings.Join(args, " "), code, out, errOut, s.tail())
	}
	return out
}

// try runs a verb with stdin.
func (s *server) try(stdin string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	bin, err := binary()
	if err != nil {
		s.t.Fatalf("build the program: %v", err)
	}
	cmd := exec.Command(bin, append(args, "--data", s.dir)...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	cmd.Env = append(os.Environ(), s.env...)
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("run %v: %v", args, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// json runs a verb with -o json and decodes its answer.
func (s *server) json(into any, args ...string) {
	s.t.Helper()
	out := s.tidegate(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		s.t.Fatalf("tidegate %v: %v in %q", args, err, out)
	}
}

// start runs serve on free loopback ports and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	if msg := s.tryStart(); msg != "" {
		s.t.Fatal(msg)
	}
}

// tryStart is start for a server that may refuse; it answers why.
func (s *server) tryStart() string {
	s.t.Helper()
	s.launch()
	return s.waitReady()
}

// launch starts the process.
func (s *server) launch() {
	s.t.Helper()
	bin, err := binary()
	if err != nil {
		s.t.Fatalf("build the program: %v", err)
	}
	if s.bin != "" {
		bin = s.bin
	}
	args := append(append([]string{}, s.wrap...), bin, "serve", "--data", s.dir)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.log = &output{}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(append(os.Environ(), "TIDEGATE_HTTP_LISTEN=127.0.0.1:0", "TIDEGATE_MQTT_LISTEN=127.0.0.1:0",
		"TIDEGATE_HTTP_TLS_LISTEN=127.0.0.1:0", "TIDEGATE_MQTT_TLS_LISTEN=127.0.0.1:0"), s.env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	s.done = make(chan struct{})
	cmd, done := s.cmd, s.done
	go func() { _ = cmd.Wait(); close(done) }()
}

func (s *server) waitReady() string {
	s.t.Helper()
	var st struct {
		Ready      bool
		HTTP, MQTT string
		TLS        struct{ HTTP, MQTT string }
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		out, _, code := s.try("", "status", "-o", "json")
		if code == 0 && json.Unmarshal([]byte(out), &st) == nil && st.Ready {
			s.http, s.mqtt, s.https, s.mqtts = st.HTTP, st.MQTT, st.TLS.HTTP, st.TLS.MQTT
			return ""
		}
		select {
		case <-s.done:
			return "the server ended: " + s.tail()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return "the server is not ready: " + out + "\n" + s.tail()
		}
	}
}

// mqttAddr answers the server's host and port.
func (s *server) mqttAddr() (host, port string) {
	s.t.Helper()
	return s.split(s.mqtt)
}

func (s *server) split(addr string) (host, port string) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return host, port
}

func (s *server) tail() string {
	if s.log == nil {
		return ""
	}
	b := s.log.String()
	return b[max(0, len(b)-4000):]
}

// kill ends the server with SIGKILL.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	if len(s.wrap) > 0 {
		// A tracer's child would outlive it; the tracer ends with its child, and
		// writes down what it still knows.
		for _, pid := range children(s.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
		}
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// children answers the ids of the processes that pid has started.
func children(pid int) []int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var out []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// stop ends the server with SIGTERM and waits for it.
func (s *server) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		s.t.Fatalf("the server does not stop: %s", s.tail())
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Fatalf("the server ended with %d: %s", code, s.tail())
	}
	s.cmd = nil
}

// output collects what a process prints, while it prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string { return o.since(0) }

// Len answers how much there is.
func (o *output) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Len()
}

func (o *output) since(offset int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buf.Bytes()[offset:])
}

type ledger struct{ Received, Stored, Duplicate, Rejected, Pending int64 }

// settled waits until nothing is pending and answers the ledger, whose sum must
// be right at every look.
func (s *server) settled(ctx context.Context) ledger {
	s.t.Helper()
	for {
		var l ledger
		s.json(&l, "ledger")
		if l.Received != l.Stored+l.Duplicate+l.Rejected+l.Pending {
			s.t.Fatalf("the ledger does not add up: %+v", l)
		}
		if l.Pending == 0 {
			return l
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("still pending: %+v\n%s", l, s.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
