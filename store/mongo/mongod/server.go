// Package mongod runs a MongoDB server of one's own, for tests and
// measurements: a process with a folder of its own on a free port of the
// loopback interface, with access control, small in memory.
//
// The server never outlives the process that started it, however that ends: a
// watchdog waits for the end of a pipe and then kills it by its id. The program
// is fetched by make deps; it is not part of what is shipped.
package mongod

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of a Server.
type Options struct {
	// Dir holds its data, and its log. It must exist.
	Dir string
	// Log is the file of its log; empty: mongod.log in Dir. A server whose disk is
	// full can say so elsewhere only.
	Log string
	// Standalone: no replica set, and so no retryable writes. Otherwise it is a
	// replica set of one.
	Standalone bool
	// Uninitiated: a member of a replica set that there is not. It takes no
	// writes, and has no users.
	Uninitiated bool
	// Args are further arguments of mongod; the last one of a kind wins.
	Args []string
	// CacheGB is the cache of WiredTiger in GiB; 0: 0.25, the least there is.
	CacheGB float64
	// Scratch says that Dir is removed when the server's parent ends without
	// having closed it.
	Scratch bool
}

// startPatience bounds how long a start, or a primary, is waited for.
const startPatience = 60 * time.Second

// Server is a mongod. Its methods may be called by several goroutines; starting
// and ending it is one goroutine's business.
type Server struct {
	o       Options
	program string
	addr    string
	secret  string // of the admin and of every user

	mu    sync.Mutex
	proc  *process // nil: it does not run
	users map[string]bool
}

// process is one run of the program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	word *os.File // the pipe that the watchdog reads
	dog  *exec.Cmd
}

// Start starts a server and waits until it takes writes: as the primary of its
// replica set, or as a standalone.
func Start(ctx context.Context, o Options) (*Server, error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	if o.CacheGB == 0 {
		o.CacheGB = 0.25
	}
	secret := make([]byte, 48)
	_, _ = rand.Read(secret) // it does not fail
	s := &Server{o: o, program: program, secret: base64.RawURLEncoding.EncodeToString(secret[:12]), users: map[string]bool{}}
	// Members of a replica set trust each other by a key; without one there is no
	// access control.
	if err := os.WriteFile(s.keyFile(), []byte(base64.StdEncoding.EncodeToString(secret)), 0o600); err != nil {
		return nil, fmt.Errorf("write the key of the replica set: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "db"), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of mongod: %w", err)
	}
	for try := 0; ; try++ {
		if s.addr, err = freePort(); err != nil {
			return nil, err
		}
		err = s.launch(ctx)
		if err == nil {
			break
		}
		// Somebody else may have taken the port in between.
		if !errors.Is(err, errEnded) || try == 2 {
			return nil, err
		}
	}
	if o.Uninitiated {
		return s, nil
	}
	if err := s.found(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("set up mongod: %w", err), s.Kill())
	}
	return s, nil
}

func (s *Server) keyFile() string { return filepath.Join(s.o.Dir, "key") }

// LogFile is what mongod says.
func (s *Server) LogFile() string {
	if s.o.Log != "" {
		return s.o.Log
	}
	return filepath.Join(s.o.Dir, "mongod.log")
}

// Addr answers host:port; it stays the same over restarts.
func (s *Server) Addr() string { return s.addr }

// PID answers the process's id; 0 when it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.cmd.Process.Pid
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

var errEnded = errors.New("mongod ended")

// launch starts the program and waits until it accepts connections.
func (s *Server) launch(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	args := []string{
		"--dbpath", filepath.Join(s.o.Dir, "db"), "--bind_ip", "127.0.0.1", "--port", port, "--nounixsocket",
		"--wiredTigerCacheSizeGB", strconv.FormatFloat(s.o.CacheGB, 'f', -1, 64),
		"--quiet", // a line for each connection waits for a busy disk
		"--setParameter", "diagnosticDataCollectionEnabled=false",
		// A replica set's member would wait 15 s for others before it ends.
		"--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0",
	}
	if s.o.Standalone {
		args = append(args, "--auth")
	} else {
		args = append(args, "--replSet", "rs0", "--oplogSize", "64", "--keyFile", s.keyFile())
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of mongod: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	p := &process{cmd: exec.Command(s.program, append(args, s.o.Args...)...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Not the terminal's group: an interrupt is for the parent, which ends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start mongod: %w", err)
	}
	if err := p.watch(s.o); err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		return err
	}
	go func() { _ = p.cmd.Wait(); p.dismiss(); close(p.done) }()
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return errors.Join(fmt.Errorf("%w: %s\n%s", errEnded, p.cmd.ProcessState, s.Tail()), s.Kill())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for mongod: %w\n%s", ctx.Err(), s.Tail()), s.Kill())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// watch starts the watchdog: a shell that waits for a word, and kills the
// server when the pipe ends without one.
func (p *process) watch(o Options) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	scratch := ""
	if o.Scratch {
		scratch = o.Dir
	}
	p.dog = exec.Command("/bin/sh", "-c", `read word; [ -n "$word" ] && exit; kill -9 "$1"; [ -z "$2" ] || rm -rf "$2"`,
		"watchdog", strconv.Itoa(p.cmd.Process.Pid), scratch)
	p.dog.Stdin = r
	p.dog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.word = w
	if err := p.dog.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the watchdog of mongod: %w", err), r.Close(), w.Close())
	}
	return r.Close()
}

// dismiss sends the watchdog home: the process that it watches has ended,
// whoever ended it, and its id may soon be another's.
func (p *process) dismiss() {
	_, _ = p.word.WriteString("ended\n")
	_ = p.word.Close()
	_ = p.dog.Wait()
}

// Tail answers the end of what mongod said.
func (s *Server) Tail() string {
	b, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Kill ends it with SIGKILL, also when it is paused; nil when it does not run.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Stop ends it with SIGTERM: it writes down all it has.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

func (s *Server) end(sig syscall.Signal) error {
	s.mu.Lock()
	p := s.proc
	s.proc = nil
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(sig)
	if sig != syscall.SIGKILL {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // one that is paused does not end
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(startPatience):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("mongod does not end on %s\n%s", sig, s.Tail())
	}
}

// Restart ends it cleanly if it runs, starts it on its folder and its port
// again and waits until it takes writes.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := s.Launch(ctx); err != nil {
		return err
	}
	return s.Writable(ctx)
}

// Launch starts it again without waiting for more than its port.
func (s *Server) Launch(ctx context.Context) error { return s.launch(ctx) }

// Pause stops it with SIGSTOP: connections stay, and nothing answers.
func (s *Server) Pause() error {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return s.stopped()
}

// Resume lets it go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return errors.New("mongod does not run")
	}
	return s.proc.cmd.Process.Signal(sig)
}

// stopped waits until no thread of it runs any more. Where the system does not
// say that, the signal is trusted.
func (s *Server) stopped() error {
	pid, deadline := s.PID(), time.Now().Add(startPatience)
	for time.Now().Before(deadline) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			return err
		}
		runs := slices.ContainsFunc(threads, func(name string) bool {
			stat, err := os.ReadFile(name)
			_, state, _ := strings.Cut(string(stat), ") ")
			return err == nil && !strings.HasPrefix(state, "T")
		})
		if !runs {
			return nil
		}
		<-time.After(time.Millisecond)
	}
	return errors.New("mongod does not stop on SIGSTOP")
}
