package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tidegate/store"
)

func TestPasswords(t *testing.T) {
	p := newPasswords()
	ctx := t.Context()
	hash, err := p.hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", hash)
	}
	for _, c := range []struct {
		hash, password string
		want           bool
	}{
		{hash, "correct horse", true},
		{hash, "correct hors", false},
		{hash, "", false},
		{"", "", false},
		{"", "correct horse", false},
		{hash, strings.Repeat("x", 5000), false},
	} {
		if got, err := p.check(ctx, c.hash, c.password); err != nil || got != c.want {
			t.Errorf("check(%q, %.20q) = %v, %v", c.hash, c.password, got, err)
		}
	}
	again, err := p.hash(ctx, "correct horse")
	if err != nil || again == hash {
		t.Errorf("the salt repeats: %v", err)
	}
	for _, bad := range []string{"short", strings.Repeat("x", 2000)} {
		if _, err := p.hash(ctx, bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a password of %d bytes: %v", len(bad), err)
		}
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=1,t=1,p=1$AAAAAAAAAAA$AAAA", "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA"} {
		if ok, err := p.check(ctx, bad, "x"); err == nil || ok {
			t.Errorf("hash %q is read", bad)
		}
	}
}

func TestPasswordsQueueIsBounded(t *testing.T) {
	p := newPasswords()
	for range hashesAtOnce {
		p.slots <- struct{}{}
	}
	p.queued.Store(maxHashesQueued)
	if _, err := p.hash(t.Context(), "long enough"); !errors.Is(err, store.ErrFull) {
		t.Errorf("a login too many: %v, want ErrFull", err)
	}
	p.queued.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hash(ctx, "long enough"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a slot: %v", err)
	}
}
