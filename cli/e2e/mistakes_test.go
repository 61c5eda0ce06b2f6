package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBeginnersMistakes is what newcomers do wrong, and what they are told:
// each message names the cause and the way out.
func TestBeginnersMistakes(t *testing.T) {
	s := newServer(t)
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "s3cret-of-d1", "--ports", "4")
	s.tidegate("device", "add", "--org", "acme", "--id", "d2", "--secret", "s3cret-of-d2", "--ports", "1")

	const topic = "org/acme/device/d1/telemetry"
	now := time.Now().UTC()
	second := now.Truncate(time.Second).Format("2006-01-02T15:04:05Z")
	naive := now.Format("2006-01-02T15:04:05")

	// A rejected reading is a line in the server's log, and a dead letter.
	payloads := []struct {
		name, payload string
		reason        string
		says          []string
	}{
		{
			"a port that nobody registered", `{"readings":[{"port":9,"value":1}]}`, "unknown_port",
			[]string{"port 9", "registered 1-4", "tidegate port set --device d1 --number 9", "tidegate deadletter replay --device d1"},
		},
		{
			"a time without a zone", `{"ts":"` + naive + `","readings":[{"port":1,"value":1}]}`, "ts_invalid",
			[]string{"zone", "add Z", "--assume-zone"},
		},
		{"a clock of 1970", `{"ts":12345,"readings":[{"port":1,"value":1}]}`, "ts_out_of_range", []string{"1970", "clock"}},
		{"single quotes", `{'readings':[{'port':1,'value':1}]}`, "malformed_json", []string{"JSON"}},
		{"a bare NaN", `{"readings":[{"port":1,"value":NaN}]}`, "malformed_json", []string{"NaN"}},
		{"a misspelt key", `{"readings":[{"port":1,"val":1}]}`, "value_missing", []string{"value"}},
		{"text for a number", `{"readings":[{"port":1,"value":"warm"}]}`, "wrong_type", []string{"warm", "number"}},
		{"readings without the list", `{"readings":{"port":1,"value":1}}`, "wrong_type", []string{"readings", "["}},
		{"a reading without a port", `{"readings":[{"value":1}]}`, "unknown_port", []string{"port"}},
		{"a number too large", `{"readings":[{"port":1,"value":1e999}]}`, "value_not_finite", []string{"1e999"}},
		{"bytes that are not UTF-8", "{\"readings\":[{\"port\":1,\"value\":\"\xff\"}]}", "invalid_utf8", []string{"UTF-8"}},
		{"a megabyte and more", `{"readings":[` + strings.Repeat(" ", 1<<20) + `]}`, "payload_too_large", []string{"1 MiB"}},
	}
	said := map[string]bool{}
	for _, c := range payloads {
		t.Run(c.name, func(t *testing.T) {
			before := s.log.Len()
			s.publish(t, "d1", "s3cret-of-d1", topic, c.payload, 1)
			s.wantDeadLetter(t, c.reason, c.says)
			if !said[c.reason] { // one line a device and reason within ten seconds
				s.wantLine(t, before, "rejected: device d1", append(c.says, c.reason))
			}
			said[c.reason] = true
		})
	}

	t.Run("two values within a second", func(t *testing.T) {
		before := s.log.Len()
		s.publish(t, "d1", "s3cret-of-d1", topic, `{"ts":"`+second+`","readings":[{"port":2,"value":1}]}`, 1)
		s.publish(t, "d1", "s3cret-of-d1", topic, `{"ts":"`+second+`","readings":[{"port":2,"value":2}]}`, 1)
		s.wantLine(t, before, "conflict", []string{"port 2", "milliseconds", "leave ts out"})
	})

	// What is right, although it looks wrong, is stored.
	accepted := []struct{ name, payload string }{
		{"epoch seconds", fmt.Sprintf(`{"ts":%d,"readings":[{"port":3,"value":1}]}`, now.Unix()-60)},
		{"a quoted number", `{"readings":[{"port":3,"value":"2.5"}]}`},
		{"true for 1", `{"readings":[{"port":3,"value":true}]}`},
	}
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			stored := s.settled(t.Context()).Stored
			s.publish(t, "d1", "s3cret-of-d1", topic, c.payload, 1)
			if l := s.settled(t.Context()); l.Stored != stored+1 {
				t.Errorf("ledger %+v, want one more than %d stored", l, stored)
			}
		})
	}

	refused := []struct {
		name, user, secret, topic string
		qos                       int
		says                      []string
	}{
		{"a wrong user name", "dx", "s3cret-of-d1", topic, 1, []string{`"dx"`, "device"}},
		{"a wrong secret", "d1", "wrong", topic, 1, []string{`"d1"`, "secret"}},
		{
			"another device's topic", "d1", "s3cret-of-d1", "org/acme/device/d2/telemetry", 1,
			[]string{`refused: user "d1" published to org/acme/device/d2/telemetry`, "allowed org/acme/device/d1/#"},
		},
		{
			"another organization's topic", "d1", "s3cret-of-d1", "org/other/device/d1/telemetry", 1,
			[]string{`org/other/device/d1/telemetry`, "allowed org/acme/device/d1/#"},
		},
		{"a topic of one's own making", "d1", "s3cret-of-d1", "sensors/d1", 1, []string{"sensors/d1", "allowed org/acme/device/d1/#"}},
		{"QoS 2", "d1", "s3cret-of-d1", topic, 2, []string{"QoS 2", "QoS 1"}},
		{"forgotten QoS", "d1", "s3cret-of-d1", topic, 0, []string{"QoS 0", "-q 1"}},
	}
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			before := s.log.Len()
			_, _ = s.tryPublish(t, c.user, c.secret, c.topic, `{"readings":[{"port":4,"value":1}]}`, c.qos)
			s.wantLine(t, before, "", c.says)
		})
	}

	t.Run("a verb with a slip", func(t *testing.T) { s.wantError(t, 2, []string{"sever", "serve"}, "sever") })
	t.Run("an unknown flag", func(t *testing.T) { s.wantError(t, 2, []string{"--devise"}, "readings", "query", "--devise", "d1") })
	t.Run("an unknown device", func(t *testing.T) {
		s.wantError(t, 1, []string{"dx", "not found"}, "device", "get", "--id", "dx")
	})
	t.Run("a device id that is taken", func(t *testing.T) {
		s.wantError(t, 1, []string{"d1"}, "device", "add", "--org", "acme", "--id", "d1")
	})
	t.Run("a second serve", func(t *testing.T) {
		s.wantError(t, 1, []string{s.dir, fmt.Sprint("process ", s.cmd.Process.Pid)}, "serve")
	})
	t.Run("no server", func(t *testing.T) {
		other := newServer(t)
		other.wantError(t, 4, []string{"tidegate serve --data " + other.dir}, "ledger")
	})
	t.Run("a port that is taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		other := newServer(t, "TIDEGATE_HTTP_LISTEN=127.0.0.1:0", "TIDEGATE_MQTT_LISTEN="+l.Addr().String())
		other.wantError(t, 1, []string{l.Addr().String(), fmt.Sprint(os.Getpid()), "mqtt.listen"}, "serve")
	})
	t.Run("an unknown key in the config", func(t *testing.T) {
		other := newServer(t)
		other.config(t, "store:\n  keep_month: 3\n")
		other.wantError(t, 3, []string{"config.yaml", "line 2", "keep_month", "keep_months"}, "serve")
	})
	t.Run("a bad value in the config", func(t *testing.T) {
		other := newServer(t)
		other.config(t, "log:\n  linger: 5\n")
		other.wantError(t, 3, []string{"line 2", "log.linger", "5ms"}, "serve")
	})
	t.Run("restore into a folder in use", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "b")
		s.tidegate("backup", file)
		s.wantError(t, 1, []string{s.dir, "empty"}, "restore", file)
	})
}

// publish sends one message and expects that it is acked.
func (s *server) publish(t *testing.T, user, secret, topic, payload string, qos int) {
	t.Helper()
	if out, err := s.tryPublish(t, user, secret, topic, payload, qos); err != nil {
		t.Fatalf("mosquitto_pub: %v %s", err, out)
	}
}

func (s *server) tryPublish(t *testing.T, user, secret, topic, payload string, qos int) (string, error) {
	t.Helper()
	pub := needProgram(t, "mosquitto_pub")
	host, port := s.mqttAddr()
	cmd := exec.Command(pub, "-h", host, "-p", port, "-u", user, "-P", secret, "-t", topic, "-q", fmt.Sprint(qos), "-s")
	cmd.Stdin = strings.NewReader(payload)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// wantLine waits for a line of the server's log, written since offset, that
// says all of says.
func (s *server) wantLine(t *testing.T, offset int, reason string, says []string) {
	t.Helper()
	var text string
	for range 250 {
		text = s.log.since(offset)
		for line := range strings.Lines(text) {
			ok := strings.Contains(line, reason)
			plain := strings.ReplaceAll(line, `\"`, `"`)
			for _, want := range says {
				ok = ok && strings.Contains(plain, want)
			}
			if ok {
				return
			}
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // another process's output has no condition to wait on
	}
	t.Errorf("no line says %q %q in:\n%s", reason, says, text)
}

// wantDeadLetter expects the newest dead letter to have the reason, and to say
// all of says.
func (s *server) wantDeadLetter(t *testing.T, reason string, says []string) {
	t.Helper()
	s.settled(t.Context())
	var list struct {
		Items []struct{ Reason, Detail string }
	}
	s.json(&list, "deadletter", "ls")
	if len(list.Items) == 0 || list.Items[0].Reason != reason {
		t.Fatalf("newest dead letter %+v, want reason %s", list.Items, reason)
	}
	for _, want := range says {
		if !strings.Contains(list.Items[0].Detail, want) {
			t.Errorf("%s says %q, not %q", reason, list.Items[0].Detail, want)
		}
	}
}

// wantError runs a verb that must fail with the code and say all of says.
func (s *server) wantError(t *testing.T, code int, says []string, args ...string) {
	t.Helper()
	out, errOut, got := s.try("", args...)
	if got != code {
		t.Errorf("tidegate %v: exit %d, want %d\n%s%s", args, got, code, out, errOut)
	}
	for _, want := range says {
		if !strings.Contains(errOut, want) {
			t.Errorf("tidegate %v does not say %q:\n%s", args, want, errOut)
		}
	}
}

func (s *server) config(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
