package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeyID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewKeyID()
		if !IsKeyID(id) || !ValidID(id) || seen[id] {
			t.Fatalf("made %q, before: %v", id, seen[id])
		}
		seen[id] = true
	}
	for id, want := range map[string]bool{
		"key-0123456789abcdef":    true,
		"key-zzzzzzzzzzzzzzzz":    true,
		"":                        false,
		"key-":                    false,
		"key-0123456789abcde":     false,
		"key-0123456789abcdef0":   false,
		"key-0123456789abcdeF":    false,
		"key-0123456789abcdel":    false, // no digit: it looks like 1
		"key-01234567.9abcdef":    false,
		"Key-0123456789abcdef":    false,
		"0123456789abcdef":        false,
		"key-0123456789abc\x00de": false,
	} {
		if got := IsKeyID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}

func TestKeyText(t *testing.T) {
	id, secret := NewKeyID(), NewSecret()
	if i, s, ok := ParseKeyText(KeyText(id, secret)); !ok || i != id || s != secret {
		t.Errorf("%q becomes %q, %q, %v", KeyText(id, secret), i, s, ok)
	}
	for text, want := range map[string]bool{
		id + ".x":         true,
		id + ".x.y":       true, // a secret may be anything
		id:                false,
		id + ".":          false,
		"." + secret:      false,
		"d1." + secret:    false,
		"":                false,
		" " + id + ".x":   false,
		id + "x.x":        false,
		"Bearer " + id:    false,
		secret:            false,
		id + secret:       false,
		id + "," + secret: false,
	} {
		if _, _, ok := ParseKeyText(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

func TestAPIKeyValidate(t *testing.T) {
	good := APIKey{ID: NewKeyID(), Name: "PLC", OrgID: "acme", Scopes: []Scope{ScopeRead}}
	many := make([]string, maxKeyList+1)
	for i := range many {
		many[i] = fmt.Sprintf("d%04d", i)
	}
	for _, tt := range []struct {
		name   string
		change func(*APIKey)
		field  string // that is wrong; empty: none
	}{
		{"as it is", func(*APIKey) {}, ""},
		{"all organizations", func(k *APIKey) { k.OrgID = "" }, ""},
		{"every scope", func(k *APIKey) { k.Scopes = Scopes() }, ""},
		{"devices", func(k *APIKey) { k.DeviceIDs = []string{"d1", "d2"} }, ""},
		{"as many devices as may be", func(k *APIKey) { k.DeviceIDs = many[1:] }, ""},
		{"an end", func(k *APIKey) { k.ExpiresAt = new(time.Time) }, ""},
		{"no id", func(k *APIKey) { k.ID = "" }, "id"},
		{"a device's id", func(k *APIKey) { k.ID = "d1" }, "id"},
		{"no name", func(k *APIKey) { k.Name = "" }, "name"},
		{"a blank name", func(k *APIKey) { k.Name = " \t" }, "name"},
		{"an endless name", func(k *APIKey) { k.Name = strings.Repeat("x", 201) }, "name"},
		{"no organization's id", func(k *APIKey) { k.OrgID = "a/b" }, "id"},
		{"no scope", func(k *APIKey) { k.Scopes = nil }, "scopes"},
		{"an unknown scope", func(k *APIKey) { k.Scopes = []Scope{ScopeRead, "root"} }, "scopes"},
		{"an action that is no scope", func(k *APIKey) { k.Scopes = []Scope{"company"} }, "scopes"},
		{"a scope twice", func(k *APIKey) { k.Scopes = []Scope{ScopeRead, ScopeWrite, ScopeRead} }, "scopes"},
		{"an empty list", func(k *APIKey) { k.DeviceIDs = []string{} }, "deviceIds"},
		{"too many devices", func(k *APIKey) { k.DeviceIDs = many }, "deviceIds"},
		{"devices of no organization", func(k *APIKey) { k.OrgID, k.DeviceIDs = "", []string{"d1"} }, "deviceIds"},
		{"devices of an admin", func(k *APIKey) { k.Scopes, k.DeviceIDs = []Scope{ScopeAdmin}, []string{"d1"} }, "deviceIds"},
		{"a device twice", func(k *APIKey) { k.DeviceIDs = []string{"d1", "d1"} }, "deviceIds"},
		{"devices out of order", func(k *APIKey) { k.DeviceIDs = []string{"d2", "d1"} }, "deviceIds"},
		{"no device's id", func(k *APIKey) { k.DeviceIDs = []string{"+"} }, "id"},
	} {
		k := good
		tt.change(&k)
		err := k.Validate()
		var se *Error
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.field != "" && (!errors.Is(err, ErrInvalid) || !errors.As(err, &se) || se.Field != tt.field):
			t.Errorf("%s: %v, and not about %s", tt.name, err, tt.field)
		}
	}
}

func TestAPIKeyExpired(t *testing.T) {
	now := time.Now()
	for end, want := range map[time.Time]bool{now.Add(1): false, now: true, now.Add(-1): true, {}: true} {
		if got := (APIKey{ExpiresAt: &end}).Expired(now); got != want {
			t.Errorf("good until %v, at %v: expired %v", end, now, got)
		}
	}
	if (APIKey{}).Expired(now) {
		t.Error("one without an end has expired")
	}
}

func TestAPIKeyAccess(t *testing.T) {
	const all = ActionRead | ActionWrite | ActionIngest | ActionAdmin
	for _, tt := range []struct {
		scopes []Scope
		want   Action
		box    Action // of a key of all organizations, beyond want
	}{
		{nil, 0, 0},
		{[]Scope{ScopeRead}, ActionRead, 0},
		{[]Scope{ScopeWrite}, ActionRead | ActionWrite, 0},
		{[]Scope{ScopeIngest}, ActionIngest, 0},
		{[]Scope{ScopeIngest, ScopeRead}, ActionIngest | ActionRead, 0},
		{[]Scope{ScopeAdmin}, all, ActionCompany},
		{Scopes(), all, ActionCompany},
		{[]Scope{"company"}, 0, 0},
	} {
		of := APIKey{OrgID: "acme", Scopes: tt.scopes}.Access()
		if of.Actions != tt.want || of.AllOrgs || of.OrgID != "acme" || of.Devices != nil {
			t.Errorf("%v: %+v", tt.scopes, of)
		}
		every := APIKey{Scopes: tt.scopes}.Access()
		if every.Actions != tt.want|tt.box || !every.AllOrgs || every.OrgID != "" {
			t.Errorf("%v of all organizations: %+v", tt.scopes, every)
		}
	}
	listed := APIKey{OrgID: "acme", Scopes: []Scope{ScopeIngest}, DeviceIDs: []string{"d1"}}.Access()
	if !slices.Equal(listed.Devices, []string{"d1"}) || listed.SeesOrg("acme") || !listed.SeesDevice("acme", "d1") || listed.SeesDevice("acme", "d2") {
		t.Errorf("with a list: %+v", listed)
	}
}
