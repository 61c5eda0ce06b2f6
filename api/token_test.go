package api

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tidegate/store"
)

func randomKey() []byte {
	k := make([]byte, 32)
	_, _ = rand.Read(k)
	return k
}

func TestTokenTampering(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	key, other := randomKey(), randomKey()
	tk, err := newTokens(Keys{Current: key}, time.Minute, clock)
	if err != nil {
		t.Fatal(err)
	}
	good, expires, err := tk.issue(store.User{ID: "u1", PasswordHash: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := tk.verify(good); err != nil || c.Subject != "u1" || expires.After(now.Add(time.Minute)) {
		t.Fatalf("a good token: %v, %+v", err, c)
	}
	fresh := func() claims {
		return claims{RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: "u1",
			ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		}}
	}
	sign := func(m jwt.SigningMethod, key any, kid string, change func(*claims)) string {
		c := fresh()
		change(&c)
		j := jwt.NewWithClaims(m, c)
		j.Header["kid"] = kid
		s, err := j.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	keep := func(*claims) {}
	hs := jwt.SigningMethodHS256
	if _, err := tk.verify(sign(hs, key, tk.kid, keep)); err != nil {
		t.Fatalf("the base of the table is refused: %v", err)
	}
	for name, token := range map[string]string{
		"empty":             "",
		"no token":          "a.b.c",
		"algorithm none":    sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, tk.kid, keep),
		"another algorithm": sign(jwt.SigningMethodHS512, key, tk.kid, keep),
		"another key":       sign(hs, other, tk.kid, keep),
		"unknown kid":       sign(hs, key, "0000", keep),
		"expired":           sign(hs, key, tk.kid, func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Second)) }),
		"never expires":     sign(hs, key, tk.kid, func(c *claims) { c.ExpiresAt = nil }),
		"not yet":           sign(hs, key, tk.kid, func(c *claims) { c.NotBefore = jwt.NewNumericDate(now.Add(time.Minute)) }),
		"another audience":  sign(hs, key, tk.kid, func(c *claims) { c.Audience = jwt.ClaimStrings{"grafana"} }),
		"another issuer":    sign(hs, key, tk.kid, func(c *claims) { c.Issuer = "someone" }),
		"cut":               good[:len(good)-2],
		"longer":            good + "AA",
	} {
		if c, err := tk.verify(token); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

func TestTokenKeysRotate(t *testing.T) {
	before, after := randomKey(), randomKey()
	old, err := newTokens(Keys{Current: before}, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := old.issue(store.User{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := newTokens(Keys{Current: after, Previous: [][]byte{before}}, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.verify(token); err != nil {
		t.Errorf("a token of the previous key: %v", err)
	}
	dropped, err := newTokens(Keys{Current: after}, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dropped.verify(token); err == nil {
		t.Error("a token of a dropped key is accepted")
	}
	if _, err := newTokens(Keys{Current: []byte("short")}, time.Minute, time.Now); err == nil {
		t.Error("a short key is accepted")
	}
}
