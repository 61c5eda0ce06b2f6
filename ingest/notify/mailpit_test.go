package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// mailpit is a mail server with an API to look at what it took.
type mailpit struct {
	t          *testing.T
	port       int
	api        string
	pool       *x509.CertPool // of its certificate
	cmd        *exec.Cmd
	args       []string
	smtp, http string
	out        *synced
}

// synced is a buffer that a process writes while a test reads.
type synced struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *synced) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// needMailpit answers the program's path.
func needMailpit(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "mailpit", "v1.27.11", "mailpit"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("missing; install it with make deps: mailpit")
		}
		t.Skip("missing: mailpit")
	}
	return path
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// startMailpit starts a mail server with more arguments; CERT and KEY are files.
func startMailpit(t *testing.T, args ...string) *mailpit {
	t.Helper()
	path := needMailpit(t)
	dir := t.TempDir()
	cert, pool := certificate(t, "localhost")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"CERT": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, "KEY": {Type: "PRIVATE KEY", Bytes: key}} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range args {
			if args[i] == name {
				args[i] = file
			}
		}
	}
	m := &mailpit{t: t, pool: pool, args: append([]string{path, "--database", filepath.Join(dir, "mail.db"), "--disable-version-check", "--smtp-disable-rdns"}, args...)}
	// A port that was free may be taken meanwhile.
	for try := 0; ; try++ {
		m.smtp, m.http = free(t), free(t)
		if m.start() {
			return m
		}
		if try == 5 {
			t.Fatalf("mailpit does not start:\n%s", m.out)
		}
	}
}

// start runs it at its addresses, and waits until it answers.
func (m *mailpit) start() bool {
	m.t.Helper()
	m.cmd = exec.Command(m.args[0], append([]string{"--smtp", m.smtp, "--listen", m.http}, m.args[1:]...)...)
	m.cmd.Env = []string{"HOME=" + m.t.TempDir(), "PATH=" + os.Getenv("PATH")}
	m.out = &synced{}
	m.cmd.Stdout, m.cmd.Stderr = m.out, m.out
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan struct{})
	cmd := m.cmd
	go func() { _ = cmd.Wait(); close(ended) }()
	m.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	m.api = "http://" + m.http + "/api/v1/"
	_, port, err := net.SplitHostPort(m.smtp)
	if err != nil {
		m.t.Fatal(err)
	}
	if m.port, err = strconv.Atoi(port); err != nil {
		m.t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		c, err := net.Dial("tcp", m.smtp)
		if err == nil {
			_ = c.Close()
			if res, err := http.Get(m.api + "info"); err == nil {
				_ = res.Body.Close()
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			m.t.Fatalf("mailpit does not answer:\n%s", m.out)
		case <-tick.C:
		}
	}
}

// get reads the API.
func (m *mailpit) get(path string, v any) []byte {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.api+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		m.t.Fatalf("%s: %d %s %v", path, res.StatusCode, b, err)
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			m.t.Fatalf("%s: %v\n%s", path, err, b)
		}
	}
	return b
}

type mailAddress struct{ Name, Address string }

// taken is a message as mailpit read it.
type taken struct {
	ID, MessageID, Subject, Text, HTML string
	From                               mailAddress
	To                                 []mailAddress
	Inline                             []struct{ PartID, FileName, ContentType, ContentID string }
}

// messages answers what was taken, newest first.
func (m *mailpit) messages() []taken {
	var list struct{ Messages []struct{ ID string } }
	m.get("messages", &list)
	var out []taken
	for _, l := range list.Messages {
		var v taken
		m.get("message/"+l.ID, &v)
		out = append(out, v)
	}
	return out
}

// options is a box's with this mail server.
func (m *mailpit) options(mode MailTLS) Options {
	return Options{
		Mail:      Mail{Host: "localhost", Port: m.port, From: "Plant <alarms@plant.example>", TLS: mode},
		BaseURL:   "https://box.example.org",
		tlsConfig: &tls.Config{RootCAs: m.pool},
	}
}
