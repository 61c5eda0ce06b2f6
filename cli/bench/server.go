package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a tidegate under measurement, in a folder of its own.
type Server struct {
	Bin  string
	Dir  string
	Env  []string
	Args []string // of serve

	MQTT string
	HTTP string

	cmd    *exec.Cmd
	ended  chan struct{}
	output bytes.Buffer
	client *http.Client
}

// NewServer makes a folder for a server below base.
func NewServer(bin, base string, env ...string) (*Server, error) {
	dir, err := os.MkdirTemp(base, "bench-")
	if err != nil {
		return nil, err
	}
	s := &Server{Bin: bin, Dir: dir, Env: env}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "admin.sock"))
		},
		DisableCompression: true,
	}}
	return s, nil
}

// Start starts serve and answers how long it took until it was ready.
func (s *Server) Start(ctx context.Context) (time.Duration, error) {
	s.cmd = exec.CommandContext(ctx, s.Bin, append([]string{"serve", "--data", s.Dir}, s.Args...)...)
	s.output.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.Env = append(append(os.Environ(), "TIDEGATE_HTTP_LISTEN=127.0.0.1:0", "TIDEGATE_MQTT_LISTEN=127.0.0.1:0"), s.Env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	s.ended = make(chan struct{})
	cmd, ended := s.cmd, s.ended
	go func() { _ = cmd.Wait(); close(ended) }()
	for {
		var st struct {
			Ready      bool
			HTTP, MQTT string
		}
		if err := s.Get("/api/v1/status", &st); err == nil && st.Ready {
			s.MQTT, s.HTTP = st.MQTT, st.HTTP
			return time.Since(began), nil
		}
		select {
		case <-s.ended:
			return 0, fmt.Errorf("serve ended: %s", s.output.String())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(began) > 5*time.Minute {
			return 0, fmt.Errorf("serve is not ready: %s", s.output.String())
		}
	}
}

// Pid answers the process's id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Stop ends the server with SIGTERM.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(2 * time.Minute):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return errors.New("serve did not stop within two minutes")
	}
	s.cmd = nil
	s.client.CloseIdleConnections()
	return nil
}

// Remove stops the server and deletes its folder.
func (s *Server) Remove() error { return errors.Join(s.Stop(), os.RemoveAll(s.Dir)) }

// CLI runs a verb.
func (s *Server) CLI(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, s.Bin, append(args, "--data", s.Dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("tidegate %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Devices makes n devices b0, b1, … of organization acme with ports each, and
// answers their logins.
func (s *Server) Devices(ctx context.Context, n, ports int) ([]Login, error) {
	if err := s.CLI(ctx, "", "org", "add", "--id", "acme", "--name", "Acme"); err != nil {
		return nil, err
	}
	file := filepath.Join(s.Dir, "devices.csv")
	var b strings.Builder
	b.WriteString("id,org,serial,secret,ports\n")
	logins := make([]Login, n)
	for i := range logins {
		id := "b" + strconv.Itoa(i)
		logins[i] = Login{ClientID: "c", User: id, Password: "bench-secret-" + id}
		fmt.Fprintf(&b, "%s,acme,,%s,%d\n", id, logins[i].Password, ports)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	return logins, s.CLI(ctx, "", "device", "import", file)
}

// Get asks the admin socket and decodes the answer.
func (s *Server) Get(path string, into any) error {
	res, err := s.client.Get("http://tidegate" + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	if w, ok := into.(*counter); ok {
		n, err := w.drain(res.Body)
		w.n = n
		return err
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// Metric answers the value of a metric without labels.
func (s *Server) Metric(name string) (float64, error) {
	res, err := s.client.Get("http://tidegate/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, is := strings.CutPrefix(lines.Text(), name+" "); is {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("no metric %s", name))
}

// Ledger answers the ledger.
func (s *Server) Ledger() (l struct{ Received, Stored, Duplicate, Rejected, Pending int64 }, err error) {
	err = s.Get("/api/v1/ledger", &l)
	return l, err
}

// Settled waits until nothing is pending and answers how many readings are
// stored; anything rejected is an error.
func (s *Server) Settled(ctx context.Context) (int64, error) {
	for {
		l, err := s.Ledger()
		if err != nil {
			return 0, err
		}
		if l.Pending == 0 {
			if l.Rejected > 0 || l.Received != l.Stored+l.Duplicate {
				return 0, fmt.Errorf("ledger %+v", l)
			}
			return l.Stored, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// DiskBytes answers the size of the files whose names match the pattern.
func (s *Server) DiskBytes(pattern string) int64 {
	names, _ := filepath.Glob(filepath.Join(s.Dir, pattern))
	var sum int64
	for _, n := range names {
		if st, err := os.Stat(n); err == nil {
			sum += st.Size()
		}
	}
	return sum
}
