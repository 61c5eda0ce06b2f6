package api

import (
	"crypto/hmac"
	"encoding/base64"
	"strconv"
	"strings"

	"tidegate/store"
)

// A refresh token is tgr_<session>.<generation>.<mac>. It says which session
// goes on and how often it did; the MAC says that we made it. So a generation
// of before is known for one, without a list of what was given out, and what
// was made up never reaches the sessions.
const (
	refreshPrefix   = "tgr_"
	maxRefreshBytes = 256 // ours have at most 95
)

func refreshKey(key []byte) []byte { return derive(key, "tidegate refresh token key") }

func refreshMAC(key []byte, signed string) string {
	return base64.RawURLEncoding.EncodeToString(derive(key, signed))
}

// refresh answers the token of a session's good generation.
func (t *tokens) refresh(n store.Session) string {
	signed := n.ID + "." + strconv.FormatUint(n.Generation, 10)
	return refreshPrefix + signed + "." + refreshMAC(t.refreshKeys[0], signed)
}

// readRefresh answers what a refresh token names, if we made it. Each is
// written in one way only.
func (t *tokens) readRefresh(token string) (session string, generation uint64, ok bool) {
	if len(token) > maxRefreshBytes {
		return "", 0, false
	}
	text, ours := strings.CutPrefix(token, refreshPrefix)
	dot := strings.LastIndexByte(text, '.')
	if !ours || dot < 0 {
		return "", 0, false
	}
	signed := text[:dot]
	for _, key := range t.refreshKeys {
		ok = ok || hmac.Equal([]byte(text[dot+1:]), []byte(refreshMAC(key, signed)))
	}
	id, digits, _ := strings.Cut(signed, ".")
	generation, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || !store.IsSessionID(id) {
		return "", 0, false
	}
	return id, generation, true
}
