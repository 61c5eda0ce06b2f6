package store

import (
	"bytes"
	"testing"
)

func TestSecret(t *testing.T) {
	key, other := []byte("key"), []byte("another key")
	a, b := NewSecret(), NewSecret()
	if a == b || len(a) != 52 {
		t.Fatalf("secrets %q and %q", a, b)
	}
	hash := HashSecret(key, a)
	if !SecretMatches(key, hash, a) {
		t.Error("its own hash does not match")
	}
	for name, ok := range map[string]bool{
		"other secret": SecretMatches(key, hash, b),
		"other key":    SecretMatches(other, hash, a),
		"no hash":      SecretMatches(key, nil, a),
		"cut hash":     SecretMatches(key, hash[:16], a),
	} {
		if ok {
			t.Errorf("%s matches", name)
		}
	}
	if bytes.Equal(hash, HashSecret(other, a)) {
		t.Error("the key has no part in the hash")
	}
}
