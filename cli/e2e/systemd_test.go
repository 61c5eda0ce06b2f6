package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotify is a supervisor's side of sd_notify: ready is said once everything
// accepts, the watchdog is fed, and stopping is said.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	hear := func(wait time.Duration) (string, error) {
		b := make([]byte, 4096)
		_ = sock.SetReadDeadline(time.Now().Add(wait))
		n, err := sock.Read(b)
		return string(b[:n]), err
	}
	want := func(state string) {
		t.Helper()
		if got, err := hear(30 * time.Second); err != nil || got != state {
			t.Fatalf("heard %q, want %q: %v", got, state, err)
		}
	}

	s := newServer(t, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=200000")
	s.launch()
	want("READY=1")
	var st struct {
		Ready      bool
		HTTP, MQTT string
	}
	s.json(&st, "status") // at once
	if !st.Ready {
		t.Errorf("it says that it is ready, and status says %+v", st)
	}
	for _, addr := range []string{st.HTTP, st.MQTT} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Errorf("it says that it is ready: %v", err)
			continue
		}
		_ = c.Close()
	}
	want("WATCHDOG=1")
	want("WATCHDOG=1")
	s.stop()
	var heard []string
	for {
		state, err := hear(time.Millisecond)
		if err != nil {
			break
		}
		heard = append(heard, state)
	}
	if !slices.Contains(heard, "STOPPING=1") {
		t.Errorf("it stopped, and said %q", heard)
	}

	// One that cannot start says nothing.
	s.config(t, "log:\n  linger: 5\n")
	if msg := s.tryStart(); msg == "" {
		t.Fatal("it starts with a bad configuration")
	}
	if state, err := hear(time.Millisecond); err == nil {
		t.Errorf("it did not start, and said %q", state)
	}
}

// machine is a booted systemd with a kernel's namespaces around it.
type machine struct {
	t      *testing.T
	leader int // the id of its first process
	log    *output
}

// boot starts one, or skips the test where that cannot be.
func boot(t *testing.T) *machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can boot a systemd")
	}
	needProgram(t, "systemd-nspawn")
	for _, ns := range []string{"--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"} {
		if out, err := exec.Command("unshare", ns, "true").CombinedOutput(); err != nil {
			t.Skipf("no namespaces can be made here: unshare %s: %s", ns, out)
		}
	}
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, log: &output{}}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "testdata/systemd/boot.sh", t.TempDir(), bin, "../../deploy/tidegate.service")
	cmd.Stdout, cmd.Stderr = m.log, m.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		if m.leader != 0 {
			_ = syscall.Kill(m.leader, syscall.SIGKILL) // and with it all in its namespace
		} else {
			_ = cmd.Process.Kill()
		}
		<-ended
		removeCgroups(t)
		if t.Failed() {
			t.Log(m.log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		for _, pid := range children(cmd.Process.Pid) {
			if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "systemd\n" {
				m.leader = pid
				return m
			}
		}
		select {
		case <-ended:
			missing(t, "a systemd-nspawn that runs: "+m.log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no systemd comes up")
		}
	}
}

// removeCgroups removes what nspawn leaves behind of its machine: it made that
// below the control groups of this process.
func removeCgroups(t *testing.T) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Error(err)
		return
	}
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, root := range []string{"", "unified", strings.TrimPrefix(f[1], "name=")} {
			for _, name := range []string{"payload", "supervisor"} {
				var dirs []string
				_ = filepath.WalkDir(filepath.Join("/sys/fs/cgroup", root, f[2], name), func(path string, d fs.DirEntry, err error) error {
					if err == nil && d.IsDir() {
						dirs = append(dirs, path)
					}
					return nil
				})
				for _, dir := range slices.Backward(dirs) {
					if err := os.Remove(dir); err != nil {
						t.Log(err)
					}
				}
			}
		}
	}
}

// try runs a command in the machine.
func (m *machine) try(args ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"--target", fmt.Sprint(m.leader), "--all"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		journal, _ := m.try("journalctl", "--no-pager", "--unit", "tidegate")
		m.t.Fatalf("%v: %v\n%s\n%s", args, err, out, journal)
	}
	return out
}

// property answers what systemd knows of the unit.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "tidegate", "--property", name, "--value")
}

// until waits for a property of the unit.
func (m *machine) until(name string, ok func(string) bool) {
	m.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		v, err := m.try("systemctl", "show", "tidegate", "--property", name, "--value")
		if err == nil && ok(v) {
			return
		}
		if time.Now().After(deadline) {
			journal, _ := m.try("journalctl", "--no-pager", "--unit", "tidegate")
			m.t.Fatalf("%s is %q: %v\n%s", name, v, err, journal)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestUnit runs deploy/tidegate.service as it is, under a real systemd: it comes
// up within its restrictions, is used as README says, is started again when it
// is killed, and stops without loss.
func TestUnit(t *testing.T) {
	m := boot(t)
	is := func(want string) func(string) bool { return func(v string) bool { return v == want } }
	m.until("ActiveState", is("active")) // Type=notify: it has said that it is ready
	if out := m.run("systemd-analyze", "verify", "/etc/systemd/system/tidegate.service"); out != "" {
		t.Errorf("systemd-analyze verify says %s", out)
	}
	pid := m.property("MainPID")
	status := m.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("/proc/%s/status does not say %q", pid, want)
		}
	}
	const data = "/var/lib/tidegate"
	files := m.run("stat", "--dereference", "--format", "%U %a %n", data, data+"/secrets", data+"/buffer.db", data+"/admin.sock")
	if want := fmt.Sprintf("tidegate 700 %s\ntidegate 700 %[1]s/secrets\ntidegate 600 %[1]s/buffer.db\ntidegate 600 %[1]s/admin.sock", data); files != want {
		t.Errorf("files:\n%s\nwant\n%s", files, want)
	}

	tidegate := func(args ...string) string {
		t.Helper()
		return m.run(append(append([]string{"tidegate"}, args...), "--data", data)...)
	}
	tidegate("org", "add", "--id", "acme", "--name", "Acme")
	tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "SECRET", "--ports", "1")
	publish := func(value string) {
		t.Helper()
		m.run("mosquitto_pub", "-q", "1", "-u", "d1", "-P", "SECRET", "-t", "org/acme/device/d1/telemetry", "-m", `{"readings":[{"port":1,"value":`+value+`}]}`)
	}
	needProgram(t, "mosquitto_pub")
	publish("1")
	m.run("sh", "-c", "echo 'correct horse battery' | tidegate user add --data "+data+" --email ann@example.org --role company-admin --password-stdin")
	if out := tidegate("doctor"); strings.Contains(out, "failed") {
		t.Errorf("doctor: %s", out)
	}

	// Killed, it is started again, and has what it acked.
	m.run("kill", "-KILL", pid)
	m.until("NRestarts", is("1"))
	m.until("ActiveState", is("active"))
	publish("2")
	for deadline := time.Now().Add(30 * time.Second); ; {
		var l ledger
		if err := json.Unmarshal([]byte(tidegate("ledger", "-o", "json")), &l); err != nil {
			t.Fatal(err)
		}
		if l == (ledger{Received: 2, Stored: 2}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("ledger: %+v", l)
		}
		<-time.After(20 * time.Millisecond)
	}

	m.run("systemctl", "stop", "tidegate")
	if result, code := m.property("Result"), m.property("ExecMainStatus"); result != "success" || code != "0" {
		t.Errorf("stopped with %s, exit %s", result, code)
	}
	if out, err := m.try("tidegate", "status", "--data", data); !exitIs(err, 4) || !strings.Contains(out, "tidegate serve") {
		t.Errorf("status of a stopped unit: %v %s", err, out)
	}
	if out := tidegate("doctor"); strings.Contains(out, "failed") || !strings.Contains(out, "chain") {
		t.Errorf("doctor: %s", out)
	}
	m.run("systemctl", "start", "tidegate")
	if out := tidegate("readings", "latest", "--device", "d1", "-o", "csv"); !strings.Contains(out, ",2,") {
		t.Errorf("latest: %s", out)
	}
}

func exitIs(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}
