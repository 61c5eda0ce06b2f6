package ingest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"tidegate/store"
)

// ErrRefused says that a login's name and secret do not belong together.
var ErrRefused = errors.New("login refused")

// Principal is who logged in: a device, or a service account.
type Principal struct {
	Name   string  // device:d1, apikey:key-…, grant:grant-…
	Device *Device // nil for a service account
	OrgID  string  // empty for a service account of all organizations
	// Access is what a service account may do. A device has what is below its own
	// topics instead.
	Access store.Access

	key *apiKey // nil: none logged in
}

// KeyPrincipal answers the name of an API key as a principal.
func KeyPrincipal(id string) string { return "apikey:" + id }

// service answers the principal of a service account.
func service(name string, a store.Access) *Principal {
	return &Principal{Name: name, OrgID: a.OrgID, Access: a}
}

// HashSecret answers the HMAC-SHA-256 of the secret of a device or an API key.
func (r *Registry) HashSecret(secret []byte) []byte {
	m := hmac.New(sha256.New, r.key)
	m.Write(secret)
	return m.Sum(nil)
}

// Login checks a device's secret, by its id or serial number, an API key's, by
// its id, or a grant's. For an API key the secret may be the whole text of the
// key. It costs microseconds, so that thousands of devices can come back at
// once, and compares in constant time. Every refusal is ErrRefused.
func (r *Registry) Login(name string, secret []byte) (*Principal, error) {
	if g, ok := r.grants.Load(name); ok {
		return r.loginGrant(name, g.(grant), secret)
	}
	v := r.view.Load()
	if k := v.keys[name]; k != nil {
		return r.loginKey(k, secret)
	}
	hash := r.HashSecret(secret)
	d := v.device(name)
	if d == nil || d.State != store.DeviceActive || len(d.secretHash) == 0 || !hmac.Equal(hash, d.secretHash) {
		return nil, ErrRefused
	}
	return &Principal{Name: "device:" + d.ID, Device: d, OrgID: d.OrgID}, nil
}

func (r *Registry) loginKey(k *apiKey, secret []byte) (*Principal, error) {
	bare := strings.TrimPrefix(string(secret), store.KeyText(k.ID, ""))
	if !store.SecretMatches(r.key, k.SecretHash, bare) || k.Expired(r.now()) {
		return nil, ErrRefused
	}
	p := service(KeyPrincipal(k.ID), k.access)
	p.key = k
	return p, nil
}

// Current reports whether p, who logged in before, would log in again as the
// same: an API key does not once it is deleted, expired or for other devices. A
// device, and a grant, always does here: whoever changes a device ends its
// connections, and a grant bounds when a connection begins.
func (r *Registry) Current(p *Principal) bool {
	return p.key == nil || r.view.Load().keys[p.key.ID].stands(p.key, r.now())
}

// grant is a short-lived credential for programs on the box.
type grant struct {
	orgID   string
	hash    [sha256.Size]byte
	expires time.Time
}

func (r *Registry) loginGrant(name string, g grant, secret []byte) (*Principal, error) {
	if r.now().After(g.expires) {
		r.grants.Delete(name)
		return nil, ErrRefused
	}
	if hash := sha256.Sum256(secret); !hmac.Equal(hash[:], g.hash[:]) {
		return nil, ErrRefused
	}
	return service("grant:"+name, store.Access{Actions: store.ActionIngest | store.ActionRead, OrgID: g.orgID}), nil
}

// Grant makes a login that publishes for every device of an organization until
// ttl has passed. It is kept in memory alone.
func (r *Registry) Grant(orgID string, ttl time.Duration) (name, secret string) {
	r.grants.Range(func(k, v any) bool {
		if r.now().After(v.(grant).expires) {
			r.grants.Delete(k)
		}
		return true
	})
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	name, secret = "grant-"+hex.EncodeToString(b[:6]), hex.EncodeToString(b[6:])
	r.grants.Store(name, grant{orgID: orgID, hash: sha256.Sum256([]byte(secret)), expires: r.now().Add(ttl)})
	return name, secret
}
