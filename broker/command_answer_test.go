package broker

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/store"
)

// TestCommandAckOvertakes: an ack that is faster than the word of the write
// leaves no hole: what was acked had gone out.
func TestCommandAckOvertakes(t *testing.T) {
	x, f := withCommands(t)
	p := x.device(true, "d1", "c")
	p.subscribe(1, 1, commandD1)
	for range 20 {
		c := x.tell("now")
		_, _, packet := p.told()
		p.puback(packet)
		if c = f.becomes(c.ID, store.CommandAcked); c.Sent != 1 || c.SentAt == 0 || c.SentAt > c.AckedAt {
			t.Fatalf("sent %d times, at %d, and acked at %d", c.Sent, c.SentAt, c.AckedAt)
		}
		p.publish(resultD1, answerOf(c.ID, "ok", "1"), 1, 7)
		p.ack()
		if c = f.becomes(c.ID, store.CommandDone); c.Sent != 1 {
			t.Fatalf("sent %d times after the end", c.Sent)
		}
	}
}

// TestCommandAnswers: an answer that says nothing is told of, and acked, so that
// the device does not send it for ever.
func TestCommandAnswers(t *testing.T) {
	x, f := withCommands(t)
	c := x.tell("one")
	p := x.device(true, "d1", "c")
	other := x.device(true, "d2", "c")
	for i, try := range []struct{ payload, says string }{
		{`{`, "is not"},
		{`{"id":"x","status":"fine"}`, `"ok" or "error"`},
		{`{"status":"ok"}`, "is not"},
		{answerOf("nothing", "ok", "1"), "command nothing, which it was not given"},
	} {
		p.publish(resultD1, try.payload, 1, uint16(i+1))
		if id, code := p.ack(); id != uint16(i+1) || code != 0 {
			t.Errorf("%s: PUBACK %d, code %#x", try.payload, id, code)
		}
		if lines := x.lines(); len(lines) != i+1 || !strings.Contains(lines[i], try.says) || !strings.Contains(lines[i], `user "d1"`) {
			t.Errorf("%s: %q", try.payload, lines)
		}
	}
	other.publish("org/acme/device/d2/cmdres", answerOf(c.ID, "ok", "1"), 1, 1)
	other.ack()
	f.becomes(c.ID, store.CommandQueued)
	// Too much to be kept is no reason to lose what it says.
	big := `"` + strings.Repeat("x", store.MaxCommandBytes) + `"`
	p.publish(resultD1, answerOf(c.ID, "error", big), 1, 9)
	p.ack()
	if c := f.becomes(c.ID, store.CommandFailed); string(c.Result) != "null" || !strings.Contains(c.Detail, "65538 bytes is not kept") {
		t.Errorf("a large result: %+v", c)
	}
	// Of MQTT 5: no to the message itself.
	p.subscribe(10, 1, commandD1)
	no := x.tell("no")
	_, _, packet := p.told()
	p.send([]byte{0x40, 3, byte(packet >> 8), byte(packet), 0x83})
	if c := f.becomes(no.ID, store.CommandFailed); !strings.Contains(c.Detail, "reason code 0x83") {
		t.Errorf("refused: %+v", c)
	}
}

// TestCommandFullDisk: an answer that cannot be kept is not acked; the device
// comes back with it.
func TestCommandFullDisk(t *testing.T) {
	x, f := withCommands(t)
	c := x.tell("one")
	p := x.device(false, "d1", "c")
	f.set(false, fmt.Errorf("write it: %w", store.ErrFull))
	p.publish(resultD1, answerOf(c.ID, "ok", "5"), 1, 4)
	for _, pk := range p.gone() {
		if pk.kind() == 4 {
			t.Error("it was acked")
		}
	}
	f.set(false, nil)
	p = x.device(false, "d1", "c")
	p.publish(resultD1, answerOf(c.ID, "ok", "5"), 1, 4)
	p.ack()
	if c := f.becomes(c.ID, store.CommandDone); string(c.Result) != "5" {
		t.Errorf("%+v", c)
	}
}
