package api

import (
	"crypto/rand"
	"strings"
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
	session := store.Session{ID: "s1", IdleUntil: now.Add(time.Hour), Until: now.Add(time.Hour)}
	good, expires, err := tk.issue(store.User{ID: "u1", PasswordHash: "h"}, session)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := tk.verify(good); err != nil || c.Subject != "u1" || c.Session != "s1" || expires.After(now.Add(time.Minute)) {
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
	session := store.Session{ID: store.NewSessionID(), Generation: 7, IdleUntil: time.Now().Add(time.Hour), Until: time.Now().Add(time.Hour)}
	old, err := newTokens(Keys{Current: before}, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := old.issue(store.User{ID: "u1"}, session)
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
	if id, generation, ok := rotated.readRefresh(old.refresh(session)); !ok || id != session.ID || generation != 7 {
		t.Errorf("a refresh token of the previous key: %s, %d, %v", id, generation, ok)
	}
	dropped, err := newTokens(Keys{Current: after}, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dropped.verify(token); err == nil {
		t.Error("a token of a dropped key is accepted")
	}
	if _, _, ok := dropped.readRefresh(old.refresh(session)); ok {
		t.Error("a refresh token of a dropped key is accepted")
	}
	if _, err := newTokens(Keys{Current: []byte("short")}, time.Minute, time.Now); err == nil {
		t.Error("a short key is accepted")
	}
}

// TestTokenEndsWithItsSession: an access token never outlives the session.
func TestTokenEndsWithItsSession(t *testing.T) {
	now := time.Now()
	tk, err := newTokens(Keys{Current: randomKey()}, time.Hour, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []store.Session{
		{ID: "s", IdleUntil: now.Add(time.Minute), Until: now.Add(time.Hour)},
		{ID: "s", IdleUntil: now.Add(time.Hour), Until: now.Add(time.Minute)},
	} {
		if _, expires, err := tk.issue(store.User{ID: "u1"}, s); err != nil || expires.After(now.Add(time.Minute)) {
			t.Errorf("it expires %v after the session: %v", expires.Sub(now.Add(time.Minute)), err)
		}
	}
}

func TestRefreshTokenTampering(t *testing.T) {
	tk, err := newTokens(Keys{Current: randomKey()}, time.Hour, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	n := store.Session{ID: store.NewSessionID(), Generation: 12}
	good := tk.refresh(n)
	if id, generation, ok := tk.readRefresh(good); !ok || id != n.ID || generation != 12 || len(good) > 95 {
		t.Fatalf("%s: %s, %d, %v", good, id, generation, ok)
	}
	parts := strings.Split(strings.TrimPrefix(good, refreshPrefix), ".")
	other := strings.Split(strings.TrimPrefix(tk.refresh(store.Session{ID: store.NewSessionID(), Generation: 12}), refreshPrefix), ".")
	for name, token := range map[string]string{
		"empty":                    "",
		"the prefix alone":         refreshPrefix,
		"without the prefix":       strings.TrimPrefix(good, refreshPrefix),
		"another session":          refreshPrefix + other[0] + "." + parts[1] + "." + parts[2],
		"another MAC":              refreshPrefix + parts[0] + "." + parts[1] + "." + other[2],
		"the generation after":     refreshPrefix + parts[0] + ".13." + parts[2],
		"the generation before":    refreshPrefix + parts[0] + ".11." + parts[2],
		"the generation otherwise": refreshPrefix + parts[0] + ".012." + parts[2],
		"no MAC":                   refreshPrefix + parts[0] + "." + parts[1] + ".",
		"a part more":              good + ".x",
		"cut":                      good[:len(good)-1],
		"longer":                   good + "A",
		"padded":                   good + "=",
		"with a line break":        good[:len(good)-4] + "\n" + good[len(good)-4:],
		"spaces":                   " " + good,
		"very long":                good + strings.Repeat("A", 100_000),
	} {
		if id, generation, ok := tk.readRefresh(token); ok || id != "" || generation != 0 {
			t.Errorf("%s: accepted as %s, %d", name, id, generation)
		}
	}
	for i := range len(good) { // every single character counts
		for _, c := range []byte("0Az_") {
			if b := []byte(good); b[i] != c {
				b[i] = c
				if _, _, ok := tk.readRefresh(string(b)); ok {
					t.Errorf("accepted with another character at %d", i)
				}
			}
		}
	}
}
