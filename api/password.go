package api

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"tidegate/store"
)

// Argon2id as OWASP's password storage cheat sheet has it for 19 MiB.
const (
	argonMemoryKiB = 19 * 1024
	argonTime      = 2
	argonThreads   = 1
	argonKeyBytes  = 32
	argonSaltBytes = 16

	hashesAtOnce    = 2  // bounds memory to 38 MiB
	maxHashesQueued = 32 // beyond it logins are told to come back

	minPasswordBytes = 8
	maxPasswordBytes = 1024
)

// passwords hashes and checks passwords, few at once.
type passwords struct {
	slots  chan struct{}
	queued atomic.Int32
	decoy  string // checked for users that do not exist, so that both take as long
	// derive is argon2.IDKey; tests count its work.
	derive func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

func newPasswords() *passwords {
	p := &passwords{slots: make(chan struct{}, hashesAtOnce), derive: argon2.IDKey}
	p.decoy = encodeHash(make([]byte, argonSaltBytes), make([]byte, argonKeyBytes))
	return p
}

func (p *passwords) acquire(ctx context.Context) error {
	if p.queued.Add(1) > maxHashesQueued {
		p.queued.Add(-1)
		return &store.Error{Kind: store.ErrFull, Noun: "login", Msg: "too many people log in at once; try again in some seconds"}
	}
	defer p.queued.Add(-1)
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash answers the PHC string of a new password.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	if len(password) < minPasswordBytes || len(password) > maxPasswordBytes {
		return "", store.Invalid("user", "password", "must have %d to %d bytes", minPasswordBytes, maxPasswordBytes)
	}
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer func() { <-p.slots }()
	salt := make([]byte, argonSaltBytes)
	_, _ = rand.Read(salt) // never fails: see crypto/rand
	key := p.derive([]byte(password), salt, argonTime, argonMemoryKiB, argonThreads, argonKeyBytes)
	return encodeHash(salt, key), nil
}

func encodeHash(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// check reports whether password belongs to hash; an empty hash never matches
// and takes as long.
func (p *passwords) check(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	memory, time, threads, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	if len(password) > maxPasswordBytes {
		return false, nil
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer func() { <-p.slots }()
	got := p.derive([]byte(password), salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func decodeHash(s string) (memory, time uint32, threads uint8, salt, key []byte, err error) {
	bad := errors.New("read password hash: it is not Argon2id in PHC format")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return 0, 0, 0, nil, nil, bad
	}
	n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads)
	if n != 3 || err != nil || memory > 256*1024 || time < 1 || time > 16 || threads < 1 {
		return 0, 0, 0, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 {
		return 0, 0, 0, nil, nil, bad
	}
	return memory, time, threads, salt, key, nil
}
