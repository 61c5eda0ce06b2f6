package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNoMosquitto says that the yardstick is not installed.
var ErrNoMosquitto = errors.New("mosquitto is not installed: make deps")

// Mosquitto is the yardstick: a broker that keeps nothing on disk.
type Mosquitto struct {
	Addr string
	cmd  *exec.Cmd
	dir  string
}

// StartMosquitto starts one on a free loopback port.
func StartMosquitto(ctx context.Context) (*Mosquitto, error) {
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return nil, ErrNoMosquitto
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	m := &Mosquitto{Addr: addr}
	if m.dir, err = os.MkdirTemp("", "mosquitto-"); err != nil {
		return nil, err
	}
	conf := filepath.Join(m.dir, "mosquitto.conf")
	text := fmt.Sprintf("user root\nlistener %d 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_dest none\n", port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	m.cmd = exec.CommandContext(ctx, bin, "-c", conf)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	for began := time.Now(); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return m, nil
		}
		if time.Since(began) > 10*time.Second {
			m.Stop()
			return nil, errors.New("mosquitto does not listen")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Pid answers the process's id.
func (m *Mosquitto) Pid() int { return m.cmd.Process.Pid }

// Stop ends it.
func (m *Mosquitto) Stop() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	_ = os.RemoveAll(m.dir)
}
