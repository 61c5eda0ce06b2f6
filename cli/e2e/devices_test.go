package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The snippets of docs/devices.md, taken from the page and run against a real
// server. Only its address is put in.

// newAcme is a server with the device that the page speaks of.
func newAcme(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.start()
	s.addDevice()
	return s
}

func (s *server) addDevice() {
	s.t.Helper()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "SECRET", "--ports", "2")
}

// wantStored waits for the first readings, and wants none of them rejected.
func (s *server) wantStored(t *testing.T, least int64) ledger {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		l := s.settled(t.Context())
		if l.Rejected > 0 {
			t.Fatalf("rejected: %s", s.tidegate("deadletter", "ls"))
		}
		if l.Stored >= least {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatalf("ledger %+v, want %d stored\n%s", l, least, s.tail())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// latest answers the newest value of a port, and whether the device said when.
func (s *server) latest(t *testing.T, port int) (value float64, own bool) {
	t.Helper()
	var list struct {
		Items []struct {
			PortNumber int
			RawValue   float64
			Flags      []string
		}
	}
	s.json(&list, "readings", "latest", "--device", "d1")
	for _, r := range list.Items {
		if r.PortNumber == port {
			return r.RawValue, !strings.Contains(strings.Join(r.Flags, " "), "server_ts")
		}
	}
	t.Fatalf("port %d has no reading: %+v", port, list)
	return 0, false
}

// shell runs lines as they stand on the page.
func shell(t *testing.T, lines string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", lines).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s", lines, err, out)
	}
	return string(out)
}

func TestDevicesPayload(t *testing.T) {
	s := newAcme(t)
	s.tidegate("device", "set", "d1", "--accept-past", "10000d")
	payload := readDocument(t, "devices.md").block(t, "What to send", "json", 0)
	s.publish(t, "d1", "SECRET", "org/acme/device/d1/telemetry", payload, 1)
	s.wantStored(t, 2)
	if v, own := s.latest(t, 1); v != 230.5 || !own {
		t.Errorf("port 1 is %v, with a time of its own: %v", v, own)
	}
}

func TestDevicesMosquitto(t *testing.T) {
	needProgram(t, "mosquitto_pub")
	s := newAcme(t)
	host, port := s.mqttAddr()
	shell(t, with(t, readDocument(t, "devices.md").block(t, "mosquitto_pub", "sh", 0), "-h box", "-h "+host+" -p "+port))
	s.wantStored(t, 1)
	if v, _ := s.latest(t, 1); v != 230.5 {
		t.Errorf("port 1 is %v", v)
	}
}

func TestDevicesHTTP(t *testing.T) {
	needProgram(t, "curl")
	s := newAcme(t)
	out := shell(t, with(t, readDocument(t, "devices.md").block(t, "Without MQTT", "sh", 0), "curl", "curl -fsS", "http://box:8080", "http://"+s.http))
	var answer struct{ MessageID string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.MessageID == "" {
		t.Errorf("answer %q: %v", out, err)
	}
	s.wantStored(t, 1)
	if v, _ := s.latest(t, 1); v != 230.5 {
		t.Errorf("port 1 is %v", v)
	}
}

// program is a device of another maker: what it prints is a payload a line.
type program struct {
	cmd *exec.Cmd
	out *output
}

func run(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{exec.Command(name, args...), &output{}}
	var errs output
	p.cmd.Stdout, p.cmd.Stderr = p.out, &errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("run %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			said := p.out.String()
			t.Logf("%s says:\n%s\n%s", name, said[max(0, len(said)-4000):], errs.String())
		}
	})
	return p
}

func (p *program) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *program) payloads() []string {
	lines := strings.SplitAfter(p.out.String(), "\n")
	return lines[:len(lines)-1] // the last one is not whole yet
}

// outage kills the server, and starts it again at its address after a while.
func (s *server) outage(t *testing.T) {
	t.Helper()
	s.kill()
	<-time.After(2500 * time.Millisecond) // so long it is away
	s.env = append(s.env, "TIDEGATE_MQTT_LISTEN="+s.mqtt)
	s.start()
}

// wantPayloads wants each reading of the payloads in the store, by its ts;
// scale is a ts in milliseconds.
func (s *server) wantPayloads(t *testing.T, payloads []string, scale int64) {
	t.Helper()
	type key struct {
		ts    int64
		port  int
		value float64
	}
	stored := map[key]bool{}
	s.export(t, func(e exported) { stored[key{e.ts.UnixMilli(), e.port, e.value}] = true })
	for _, p := range payloads {
		var m struct {
			TS       int64
			Readings []struct {
				Port  int
				Value float64
			}
		}
		if err := json.Unmarshal([]byte(p), &m); err != nil || len(m.Readings) == 0 {
			t.Fatalf("payload %s: %v", p, err)
		}
		if m.TS == 0 {
			continue // of the time of receipt
		}
		for _, r := range m.Readings {
			if !stored[key{m.TS * scale, r.Port, r.Value}] {
				t.Errorf("%s is not in the store", strings.TrimSpace(p))
			}
		}
	}
}

// TestDevicesPython publishes through an outage: what was published meanwhile
// arrives, and nothing is stored twice.
func TestDevicesPython(t *testing.T) {
	python := needFile(t, ".cache/paho/bin/python", "paho-mqtt")
	s := newAcme(t)
	host, port := s.mqttAddr()
	script := filepath.Join(t.TempDir(), "snippet.py")
	text := with(t, readDocument(t, "devices.md").block(t, "Python", "python", 0), `"box", 1883`, fmt.Sprintf("%q, %s", host, port))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, python, "testdata/told.py", script)
	s.wantStored(t, 1)
	if v, own := s.latest(t, 1); v != 230.5 || !own {
		t.Errorf("port 1 is %v, with a time of its own: %v", v, own)
	}
	s.outage(t)
	told := p.payloads()
	s.wantStored(t, int64(len(told)+1))
	p.end()
	s.wantPayloads(t, told, 1)
	if l := s.settled(t.Context()); l.Stored > int64(len(p.payloads())) {
		t.Errorf("%d were published, the ledger says %+v", len(p.payloads()), l)
	}
}

// command is one as the command line shows it.
type command struct {
	ID, Name, State string
	Result          struct{ RPM int }
}

// TestDevicesCommand runs the lines about commands, as a device and as who tells
// it what to do.
func TestDevicesCommand(t *testing.T) {
	needProgram(t, "mosquitto_sub")
	s := newAcme(t)
	host, port := s.mqttAddr()
	doc, at := readDocument(t, "devices.md"), "-h "+host+" -p "+port
	sub := run(t, "sh", "-ec", "exec "+with(t, doc.block(t, "Commands", "sh", 0), "-h box", at))
	words := strings.Fields(with(t, doc.block(t, "Commands", "sh", 1), "tidegate ", "", "'", ""))
	s.tidegate(words...)
	var got struct {
		ID, Name, ExpiresAt string
		Params              struct{ RPM int }
	}
	for deadline := time.Now().Add(30 * time.Second); len(sub.payloads()) == 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the device got nothing: %s", s.tail())
		}
	}
	if err := json.Unmarshal([]byte(sub.payloads()[0]), &got); err != nil || got.ID == "" || got.Name != "set-speed" || got.Params.RPM != 1200 || got.ExpiresAt == "" {
		t.Fatalf("the device got %s: %v", sub.payloads()[0], err)
	}
	shell(t, with(t, doc.block(t, "Commands", "sh", 2), "-h box", at, "01j4febig0abcdefgh", got.ID))
	var list struct{ Items []command }
	s.json(&list, "command", "ls", "--device", "d1")
	if len(list.Items) != 1 || list.Items[0].ID != got.ID || list.Items[0].State != "done" || list.Items[0].Result.RPM != 1195 {
		t.Errorf("commands: %+v", list.Items)
	}
}

// TestDevicesCommandPython: the device of the page answers, also after a kill of
// the server.
func TestDevicesCommandPython(t *testing.T) {
	python := needFile(t, ".cache/paho/bin/python", "paho-mqtt")
	s := newAcme(t)
	host, port := s.mqttAddr()
	script := filepath.Join(t.TempDir(), "snippet.py")
	text := with(t, readDocument(t, "devices.md").block(t, "Commands", "python", 0), `"box", 1883`, fmt.Sprintf("%q, %s", host, port))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, python, script)
	for range 2 {
		var c command
		s.json(&c, "command", "send", "--device", "d1", "--name", "set-speed", "--params", `{"rpm":1200}`, "--wait")
		if c.State != "done" || c.Result.RPM != 1200 {
			t.Errorf("set-speed: %+v", c)
		}
		out, said, code := s.try("", "command", "send", "--device", "d1", "--name", "dance", "--wait")
		if code != 1 || !strings.Contains(out, "failed") || !strings.Contains(said, `it failed: "no such command"`) {
			t.Errorf("dance: exit %d, %s %s", code, out, said)
		}
		s.kill()
		s.env = append(s.env, "TIDEGATE_MQTT_LISTEN="+s.mqtt)
		s.start()
	}
}

// TestDevicesESP32 compiles the sketch against a board's world of this machine,
// over a real MQTT client: see testdata/esp32/README.md for what that proves.
func TestDevicesESP32(t *testing.T) {
	compiler := needCompiler(t)
	s := newAcme(t)
	host, port := s.mqttAddr()
	sketch := with(t, readDocument(t, "devices.md").block(t, "ESP32 (Arduino)", "cpp", 0), `"192.168.1.10", 1883`, fmt.Sprintf("%q, %s", host, port))
	p := run(t, compile(t, compiler, sketch))
	s.wantStored(t, 2)
	if v, own := s.latest(t, 1); v != 2.31 && v != 2.3 || !own {
		t.Errorf("port 1 is %v, with a time of its own: %v", v, own)
	}
	if first := p.payloads()[0]; strings.Contains(first, "ts") {
		t.Errorf("before its clock is set it says %s", first)
	}
	s.outage(t)
	told := len(p.payloads())
	s.wantStored(t, int64(told+2))
	p.end()
	s.wantPayloads(t, p.payloads()[:told+1], 1000)
}

// TestDevicesPubSubClient runs the lines for the library without QoS 1.
func TestDevicesPubSubClient(t *testing.T) {
	compiler := needCompiler(t)
	s := newAcme(t)
	host, port := s.mqttAddr()
	lines := with(t, readDocument(t, "devices.md").block(t, "ESP32 (Arduino)", "cpp", 1), `"192.168.1.10", 1883`, fmt.Sprintf("%q, %s", host, port))
	before := s.log.Len()
	run(t, compile(t, compiler, "#include <PubSubClient.h>\nWiFiClient net;\nPubSubClient client(net);\nvoid setup() {\n"+lines+"}\nvoid loop() { delay(1000); }\n"))
	s.wantStored(t, 1)
	if v, _ := s.latest(t, 1); v != 230.5 {
		t.Errorf("port 1 is %v", v)
	}
	s.wantLine(t, before, "", []string{"QoS 0"})
}

func needCompiler(t *testing.T) string {
	t.Helper()
	needFile(t, "/usr/include/mosquitto.h", "libmosquitto-dev")
	return needProgram(t, "g++")
}

func compile(t *testing.T, compiler, sketch string) string {
	t.Helper()
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "sketch.ino.cpp"), filepath.Join(dir, "sketch")
	if err := os.WriteFile(file, []byte("#include <Arduino.h>\n"+sketch), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(compiler, "-std=gnu++17", "-Wall", "-Werror", "-I", "testdata/esp32", "-o", bin, file, "testdata/esp32/board.cpp", "-lmosquitto").CombinedOutput()
	if err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	return bin
}

// TestDevicesNodeRED runs the page's flow: something that says a value, its
// function node, and an mqtt out node as it is described.
func TestDevicesNodeRED(t *testing.T) {
	red := needFile(t, ".cache/node-red/node_modules/node-red/red.js", "node-red")
	node := needProgram(t, "node")
	s := newAcme(t)
	doc := readDocument(t, "devices.md")
	said := regexp.MustCompile("protocol MQTT V3\\.1\\.1, \\*Security\\* tab: user name `(d1)`, password the secret\\.\n2\\. Topic `([^`]+)`, \\*\\*QoS (\\d)\\*\\*, Retain (false)\\.").
		FindStringSubmatch(doc.section(t, "Node-RED"))
	if said == nil {
		t.Fatalf("the page describes the mqtt out node in other words: %s", doc.section(t, "Node-RED"))
	}
	host, port := s.mqttAddr()
	dir := t.TempDir()
	write := func(name string, v any) string {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type object = map[string]any
	flows := write("flows.json", []object{
		{"id": "flow", "type": "tab", "label": "page"},
		{
			"id": "value", "type": "inject", "z": "flow", "x": 100, "y": 100, "props": []object{{"p": "payload"}}, "payload": "230.5", "payloadType": "str",
			"once": true, "onceDelay": 0.1, "repeat": "1", "wires": [][]string{{"function"}},
		},
		{"id": "function", "type": "function", "z": "flow", "x": 300, "y": 100, "outputs": 1, "func": doc.block(t, "Node-RED", "js", 0), "wires": [][]string{{"out"}}},
		{"id": "out", "type": "mqtt out", "z": "flow", "x": 500, "y": 100, "broker": "box", "topic": said[2], "qos": said[3], "retain": said[4], "wires": [][]string{}},
		{"id": "box", "type": "mqtt-broker", "broker": host, "port": port, "protocolVersion": "4", "cleansession": true, "keepalive": "60", "autoConnect": true},
	})
	write("flows_cred.json", object{"box": object{"user": said[1], "password": "SECRET"}})
	run(t, node, red, "--userDir", dir, "--settings", "testdata/node-red/settings.js", flows)
	s.wantStored(t, 2)
	if v, own := s.latest(t, 1); v != 230.5 || !own {
		t.Errorf("port 1 is %v, with a time of its own: %v", v, own)
	}
	if strings.Contains(s.log.String(), "QoS 0") {
		t.Error("it publishes with QoS 0")
	}
}
