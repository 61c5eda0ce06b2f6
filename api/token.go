package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tidegate/ingest"
	"tidegate/store"
)

const (
	tokenIssuer   = "tidegate"
	tokenAudience = "tidegate-api"
	minKeyBytes   = 16
	maxTokenBytes = 4096 // ours have about 500
)

// Keys sign and verify access tokens and refresh tokens.
type Keys struct {
	Current  []byte   // signs; at least 16 bytes
	Previous [][]byte // still verify
}

// tokens makes and checks access tokens, which are JWTs, and refresh tokens;
// see refresh.go.
type tokens struct {
	kid  string
	key  []byte
	keys map[string][]byte // by kid
	ttl  time.Duration
	now  ingest.Clock

	refreshKeys [][]byte // the first signs
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	// Session is the session that the token is of: it is refused when that is
	// over.
	Session string `json:"sid"`
	// Version binds the token to the password that it was given for, and to what
	// its user may do.
	Version string `json:"ver"`
}

func newTokens(k Keys, ttl time.Duration, now ingest.Clock) (*tokens, error) {
	t := &tokens{kid: keyID(k.Current), key: k.Current, keys: map[string][]byte{}, ttl: ttl, now: now}
	for _, key := range append([][]byte{k.Current}, k.Previous...) {
		if len(key) < minKeyBytes {
			return nil, fmt.Errorf("token key: %d bytes are too few; take at least %d random ones", len(key), minKeyBytes)
		}
		t.keys[keyID(key)] = key
		t.refreshKeys = append(t.refreshKeys, refreshKey(key))
	}
	return t, nil
}

// keyID names a key without telling anything of it.
func keyID(key []byte) string { return hex.EncodeToString(derive(key, "tidegate token key id")[:8]) }

// derive answers a key for another purpose.
func derive(key []byte, purpose string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose))
	return m.Sum(nil)
}

// version changes with the password, the role and the organization.
func version(u store.User) string {
	sum := sha256.Sum256([]byte("tidegate user version\x00" + string(u.Role) + "\x00" + u.OrgID + "\x00" + u.PasswordHash))
	return hex.EncodeToString(sum[:8])
}

// issue answers a token of a user's session. It does not outlive the session.
func (t *tokens) issue(u store.User, n store.Session) (token string, expires time.Time, err error) {
	now := t.now()
	expires = now.Add(t.ttl)
	if over := n.OverAt(); over.Before(expires) {
		expires = over
	}
	expires = expires.Truncate(time.Second)
	j := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: u.ID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Session: n.ID, Version: version(u),
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
	if len(token) > maxTokenBytes {
		return c, fmt.Errorf("verify token: it has %d bytes", len(token))
	}
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
