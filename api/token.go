package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"tidegate/ingest"
	"tidegate/store"
)

const (
	tokenIssuer   = "tidegate"
	tokenAudience = "tidegate-api"
	minKeyBytes   = 16
)

// Keys sign and verify access tokens.
type Keys struct {
	Current  []byte   // signs; at least 16 bytes
	Previous [][]byte // still verify
}

// tokens makes and checks access tokens.
type tokens struct {
	kid  string
	key  []byte
	keys map[string][]byte // by kid
	ttl  time.Duration
	now  ingest.Clock
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	// Version binds the token to the password that it was given for.
	Version string `json:"ver"`
}

func newTokens(k Keys, ttl time.Duration, now ingest.Clock) (*tokens, error) {
	t := &tokens{kid: keyID(k.Current), key: k.Current, keys: map[string][]byte{}, ttl: ttl, now: now}
	for _, key := range append([][]byte{k.Current}, k.Previous...) {
		if len(key) < minKeyBytes {
			return nil, fmt.Errorf("token key: %d bytes are too few; take at least %d random ones", len(key), minKeyBytes)
		}
		t.keys[keyID(key)] = key
	}
	return t, nil
}

// keyID names a key without telling anything of it.
func keyID(key []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("tidegate token key id"))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

// version changes with the password.
func version(u store.User) string {
	sum := sha256.Sum256([]byte("tidegate password version\x00" + u.PasswordHash))
	return hex.EncodeToString(sum[:8])
}

func (t *tokens) issue(u store.User) (token string, expires time.Time, err error) {
	now := t.now()
	expires = now.Add(t.ttl).Truncate(time.Second)
	j := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: u.ID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires), ID: uuid.NewString(),
		},
		Version: version(u),
	})
	j.Header["kid"] = t.kid
	token, err = j.SignedString(t.key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return token, expires, nil
}

// verify answers what a token says, if it is one of ours and still good.
func (t *tokens) verify(token string) (claims, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(j *jwt.Token) (any, error) {
		kid, _ := j.Header["kid"].(string)
		key, ok := t.keys[kid]
		if !ok {
			return nil, errors.New("unknown key")
		}
		return key, nil
	},
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(tokenIssuer), jwt.WithAudience(tokenAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(t.now))
	if err != nil {
		return claims{}, fmt.Errorf("verify token: %w", err)
	}
	return c, nil
}
