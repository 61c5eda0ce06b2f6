package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
)

// secretDigits is Crockford's base 32: nothing that looks alike, no sign that
// a shell or a flag would take for its own.
const secretDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// NewSecret answers 32 random bytes as 52 letters and digits.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return base32.NewEncoding(secretDigits).WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// HashSecret answers the HMAC-SHA-256 of a device's secret or an API key. That
// is enough, and fast, because these are long and random; passwords are not
// hashed so.
func HashSecret(key []byte, secret string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(secret))
	return m.Sum(nil)
}

// SecretMatches reports in constant time whether hash is the HashSecret of
// secret. An absent hash matches nothing.
func SecretMatches(key, hash []byte, secret string) bool {
	return hmac.Equal(HashSecret(key, secret), hash) && len(hash) != 0
}
