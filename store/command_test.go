package store

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestNewCommandID(t *testing.T) {
	last := ""
	for _, at := range []Time{-5, 0, 1, 31, 32, 1_000_000, Time(time.Now().UnixMilli()), 1 << 48} {
		id := NewCommandID(at)
		if !ValidID(id) || len(id) != commandIDTime+commandIDChance || id == NewCommandID(at) || at > 0 && id[:commandIDTime] <= last {
			t.Errorf("%d: %q after %q", at, id, last)
		}
		if got := CommandIDTime(id); got != max(at, 0) {
			t.Errorf("the time of %q is %d, want %d", id, got, at)
		}
		last = id[:commandIDTime]
	}
}

func TestCommandIDTime(t *testing.T) {
	for _, id := range []string{"", "zzz", strings.Repeat("x", commandIDTime+commandIDChance), "c1"} {
		if got := CommandIDTime(id); got != 0 {
			t.Errorf("the time of %q is %d", id, got)
		}
	}
}

func TestCommandIsValid(t *testing.T) {
	good := Command{
		ID: "c1", UID: 1, OrgID: "acme", DeviceID: "d1", Name: "reboot", Params: json.RawMessage(`{"a":[{"b":"]]\\\"[["}]}`),
		State: CommandQueued, Actor: "user:ann", CreatedAt: 1000, ExpiresAt: 2000,
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Command){
		`command "a/b"`:        func(c *Command) { c.ID = "a/b" },
		"command device":       func(c *Command) { c.UID = 0 },
		"command name":         func(c *Command) { c.Name = "" },
		"command params":       func(c *Command) { c.Params = json.RawMessage("nul") },
		"nested at most 100":   func(c *Command) { c.Params = json.RawMessage(strings.Repeat("[", 101) + strings.Repeat("]", 101)) },
		"65537 bytes":          func(c *Command) { c.Params = json.RawMessage(strings.Repeat(" ", MaxCommandBytes) + "1") },
		"command result":       func(c *Command) { c.Result = json.RawMessage("\"\xff\"") },
		"command expiresAt":    func(c *Command) { c.ExpiresAt = c.CreatedAt },
		"more than 30 days":    func(c *Command) { c.ExpiresAt = c.CreatedAt + Time(MaxCommandWait.Milliseconds()) + 1 },
		`state: "x" is`:        func(c *Command) { c.State = "x" },
		"state: done does not": func(c *Command) { c.State = CommandDone },
		"state: sent does not": func(c *Command) { c.State, c.EndedAt = CommandSent, 1500 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, state := range CommandStates() {
		c := good
		if c.State = state; !state.Open() {
			c.EndedAt = 1500
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
	deep := good
	deep.Params = json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100))
	if err := deep.Validate(); err != nil {
		t.Error(err)
	}
}

func TestCutCommandDetail(t *testing.T) {
	if got := CutCommandDetail("a\xff" + strings.Repeat("é", 300)); len(got) > maxCommandDetail || !strings.HasPrefix(got, "a\ufffdé") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
