package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/cli/gateway/certificate/certtest"
)

// TestDevicesTLS runs the section of docs/devices.md about TLS, in its order:
// only the CA of devices, and the settings, come before the start.
func TestDevicesTLS(t *testing.T) {
	needProgram(t, "mosquitto_pub")
	needProgram(t, "openssl")
	doc := readDocument(t, "devices.md")
	const section = "Over TLS"
	s := newServer(t)
	dir := t.TempDir()
	in := func(lines string) string { return "cd " + dir + "\n" + lines }

	shell(t, in(with(t, doc.block(t, section, "sh", 1), "sudo cp devices-ca.crt /var/lib/tidegate/", "cp devices-ca.crt "+s.dir)))
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(doc.block(t, section, "yaml", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.addDevice()
	host, port := s.split(s.mqtts)
	here := "-h " + host + " -p " + port
	shell(t, in(with(t, doc.block(t, section, "sh", 0), "sudo cp /var/lib/tidegate/", "cp "+s.dir+"/", "-h box -p 8883", here)))
	s.wantStored(t, 1)
	shell(t, in(with(t, doc.block(t, section, "sh", 2), "-h box -p 8883", here)))
	s.wantStored(t, 2)
	if v, _ := s.latest(t, 1); v != 230.5 {
		t.Errorf("port 1 is %v", v)
	}
	if v, _ := s.latest(t, 2); v != 0 {
		t.Errorf("port 2 is %v", v)
	}
	t.Run("a lost device", func(t *testing.T) {
		before := s.log.Len()
		if !strings.Contains(doc.section(t, section), "`tidegate device retire d1`") {
			t.Fatal("the page says it in other words")
		}
		s.tidegate("device", "retire", "d1")
		if out, err := exec.Command("sh", "-c", in(with(t, doc.block(t, section, "sh", 2), "-h box -p 8883", here))).CombinedOutput(); err == nil {
			t.Errorf("its certificate opens the door: %s", out)
		}
		s.wantLine(t, before, "refused", []string{`certificate of "d1"`, "no active device"})
	})
}

// TestDevicesPythonTLS is the page's program, with the page's line for TLS.
func TestDevicesPythonTLS(t *testing.T) {
	python := needFile(t, ".cache/paho/bin/python", "paho-mqtt")
	s := newServer(t, "TIDEGATE_TLS_SELF_SIGNED=true")
	s.start()
	s.addDevice()
	host, port := s.split(s.mqtts)
	doc := readDocument(t, "devices.md")
	const line = `client.tls_set("tls-ca.crt")`
	if !strings.Contains(doc.section(t, "Over TLS"), line) {
		t.Fatalf("the page says it in other words: %s", doc.section(t, "Over TLS"))
	}
	text := with(t, doc.block(t, "Python", "python", 0), "client.connect_async(", line+"\nclient.connect_async(", `"box", 1883`, fmt.Sprintf("%q, %s", host, port),
		"tls-ca.crt", filepath.Join(s.dir, "secrets", "tls-ca.crt"))
	script := filepath.Join(t.TempDir(), "snippet.py")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, python, "testdata/told.py", script)
	s.wantStored(t, 1)
}

// mosquitto runs one of its clients over TLS.
func (s *server) mosquitto(t *testing.T, client string, args ...string) *exec.Cmd {
	t.Helper()
	host, port := s.split(s.mqtts)
	cmd := exec.Command(needProgram(t, client), append([]string{"-h", host, "-p", port, "-q", "1"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// TestMosquittoOverTLS: clients of another maker get in with what is right, and
// learn what is wrong; a hangup takes a new certificate over while one of them
// is connected.
func TestMosquittoOverTLS(t *testing.T) {
	needProgram(t, "mosquitto_pub")
	ca, devices := certtest.NewCA(t, "CA"), certtest.NewCA(t, "devices")
	s := newServer(t, "TIDEGATE_TLS_CERT=cert.pem", "TIDEGATE_TLS_KEY=key.pem", "TIDEGATE_TLS_CLIENT_CA=devices.pem")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca.Sign(t, certtest.Template{Name: "box"}).Write(t, s.dir, "cert.pem", "key.pem")
	certtest.WriteFile(t, filepath.Join(s.dir, "devices.pem"), devices.PEM)
	certtest.WriteFile(t, file("ca.pem"), ca.PEM)
	certtest.WriteFile(t, file("other.pem"), devices.PEM)
	for name, p := range map[string]certtest.Pair{
		"d1": devices.Sign(t, certtest.Template{Name: "d1", Client: true}), "forged": ca.Sign(t, certtest.Template{Name: "d1", Client: true}),
		"old": devices.Sign(t, certtest.Template{Name: "d1", Client: true, NotAfter: time.Now().Add(-time.Hour)}),
	} {
		p.Write(t, dir, name+".crt", name+".key")
	}
	s.start()
	s.addDevice()
	s.tidegate("device", "add", "--org", "acme", "--id", "d2", "--secret", "SECRET2", "--ports", "1")

	cert := func(name string) []string {
		return []string{"--cafile", file("ca.pem"), "--cert", file(name + ".crt"), "--key", file(name + ".key")}
	}
	publish := []string{"-t", "org/acme/device/d1/telemetry", "-m", `{"readings":[{"port":1,"value":7}]}`}
	for i, args := range [][]string{
		append(cert("d1"), publish...),
		append(append(cert("d1"), "-u", "d1"), publish...),
		append(append(cert("d1"), "-u", "d1", "-P", "SECRET"), publish...),
		append(append(cert("d1"), "-V", "mqttv5"), publish...),
		append([]string{"--cafile", file("ca.pem"), "-u", "d1", "-P", "SECRET"}, publish...),
	} {
		if out, err := s.mosquitto(t, "mosquitto_pub", args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v %s", args, err, out)
		}
		s.wantStored(t, int64(i+1))
	}
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"another CA's certificate", cert("forged"), []string{`that of "d1" was not signed by tls.client_ca`}},
		{"an expired certificate", cert("old"), []string{`that of "d1" has expired`}},
		{"another device's name", append(cert("d1"), "-u", "d2"), []string{`certificate of "d1" and the user name "d2"`}},
		{"another device's login", append(cert("d1"), "-u", "d2", "-P", "SECRET2"), []string{`certificate of "d1" and the user name "d2"`}},
		{"a wrong password", append(cert("d1"), "-u", "d1", "-P", "SECRET2"), []string{"a password that is not its secret"}},
		{"a box that is not trusted", []string{"--cafile", file("other.pem"), "-u", "d1", "-P", "SECRET"}, []string{"broke off", "does not trust", "--cafile"}},
		{"no TLS", []string{"-u", "d1", "-P", "SECRET"}, []string{"speaks MQTT without TLS to the port with it", s.mqtt}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.log.Len()
			if out, err := s.mosquitto(t, "mosquitto_pub", append(c.args, publish...)...).CombinedOutput(); err == nil {
				t.Errorf("it got in: %s", out)
			}
			s.wantLine(t, before, "refused: ", c.says)
		})
	}
	t.Run("TLS to the port without it", func(t *testing.T) {
		before := s.log.Len()
		_, port := s.mqttAddr()
		cmd := s.mosquitto(t, "mosquitto_pub", append(cert("d1"), publish...)...)
		cmd.Args[4] = port
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("it got in: %s", out)
		}
		s.wantLine(t, before, "refused: ", []string{"speaks TLS to the port without it", s.mqtts})
	})

	var heard output
	sub := s.mosquitto(t, "mosquitto_sub", append(cert("d1"), "-t", "org/acme/device/d1/command", "-i", "sub", "-d")...)
	sub.Stdout, sub.Stderr = &heard, &heard
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sub.Wait() }()
	defer func() {
		_ = sub.Process.Kill()
		<-ended //nolint:errcheck // killed
	}()
	tell := func(word string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !strings.Contains(heard.String(), "\n"+word+"\n"); {
			out, err := s.mosquitto(t, "mosquitto_pub", append(cert("d1"), "-i", "pub", "-t", "org/acme/device/d1/command", "-m", word)...).CombinedOutput()
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%s did not arrive: %v %s%s", word, err, out, heard.String())
			}
		}
	}
	tell("before")
	next := certtest.NewCA(t, "the next CA")
	next.Sign(t, certtest.Template{Name: "next"}).Write(t, s.dir, "cert.pem", "key.pem")
	before := s.log.Len()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.wantLine(t, before, "took over the new certificate", []string{"CN=next", "sha256="})
	certtest.WriteFile(t, file("ca.pem"), next.PEM)
	tell("after")
	if n := strings.Count(heard.String(), "sending CONNECT"); n != 1 {
		t.Errorf("the client of before connected %d times: %s", n, heard.String())
	}
	s.stop()
}
