package ingest_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// keyed is a box with API keys, whose clock can be put forward.
type keyed struct {
	*box
	ahead atomic.Int64 // ns
}

func newKeyed(t *testing.T) *keyed {
	k := &keyed{box: newBox(t)}
	k.close()
	k.now = func() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }
	k.open()
	k.device("d1", 1)
	k.device("d2", 1)
	return k
}

func keyID(n int) string { return fmt.Sprintf("key-%016d", n) }

// key makes an API key with the secret "s" and its number.
func (b *keyed) key(n int, change func(*store.APIKey)) {
	b.t.Helper()
	k := store.APIKey{ID: keyID(n), Name: "k", OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest}}
	k.SecretHash = b.devices.HashSecret(fmt.Append(nil, "s", n))
	change(&k)
	if err := b.catalog.CreateAPIKey(b.t.Context(), k); err != nil {
		b.t.Fatal(err)
	}
}

func (b *keyed) refreshKey(n int) {
	b.t.Helper()
	if err := b.devices.RefreshKey(b.t.Context(), keyID(n)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *keyed) login(n int) (*ingest.Principal, error) {
	return b.devices.Login(keyID(n), fmt.Append(nil, "s", n))
}

func TestLoginWithAKey(t *testing.T) {
	b := newKeyed(t)
	end := b.now().Add(time.Hour)
	b.key(0, func(k *store.APIKey) { k.ExpiresAt = &end })
	if _, err := b.login(0); !errors.Is(err, ingest.ErrRefused) {
		t.Errorf("before it is known: %v", err)
	}
	b.refreshKey(0)
	for secret, want := range map[string]error{
		"s0":                                nil,
		store.KeyText(keyID(0), "s0"):       nil,
		"":                                  ingest.ErrRefused,
		"s1":                                ingest.ErrRefused,
		"s0 ":                               ingest.ErrRefused,
		store.KeyText(keyID(1), "s0"):       ingest.ErrRefused,
		store.KeyText(keyID(0), ""):         ingest.ErrRefused,
		store.KeyText(keyID(0), "s0 "):      ingest.ErrRefused,
		" " + store.KeyText(keyID(0), "s0"): ingest.ErrRefused,
	} {
		if _, err := b.devices.Login(keyID(0), []byte(secret)); !errors.Is(err, want) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	b.key(1, func(k *store.APIKey) { k.SecretHash = nil })
	b.refreshKey(1)
	for _, secret := range []string{"", "s1"} {
		if _, err := b.devices.Login(keyID(1), []byte(secret)); !errors.Is(err, ingest.ErrRefused) {
			t.Errorf("one without a hash, with %q: %v", secret, err)
		}
	}
	b.ahead.Store(int64(time.Hour - time.Minute))
	p, err := b.login(0)
	if err != nil || !b.devices.Current(p) {
		t.Errorf("a minute before its end: %v", err)
	}
	b.ahead.Store(int64(time.Hour + time.Minute))
	if _, err := b.login(0); !errors.Is(err, ingest.ErrRefused) || b.devices.Current(p) {
		t.Errorf("after its end: %v", err)
	}
}

// TestPrincipal: what whoever logs in may do.
func TestPrincipal(t *testing.T) {
	b := newKeyed(t)
	b.key(0, func(k *store.APIKey) { k.Scopes = append(k.Scopes, store.ScopeRead) })
	b.key(1, func(k *store.APIKey) { k.OrgID, k.Scopes = "", []store.Scope{store.ScopeRead} })
	b.key(2, func(k *store.APIKey) { k.DeviceIDs = []string{"d1"} })
	if _, err := b.devices.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := b.catalog.Device(t.Context(), "d1")
	if err == nil {
		d.SecretHash = b.devices.HashSecret([]byte("s"))
		err = b.catalog.UpdateDevice(t.Context(), d)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.refresh("d1")
	name, secret := b.devices.Grant("acme", time.Minute)
	for _, tt := range []struct {
		name, secret string
		want         ingest.Principal
	}{
		{keyID(0), "s0", ingest.Principal{
			Name: "apikey:" + keyID(0), OrgID: "acme",
			Access: store.Access{Actions: store.ActionIngest | store.ActionRead, OrgID: "acme"},
		}},
		{keyID(1), "s1", ingest.Principal{Name: "apikey:" + keyID(1), Access: store.Access{Actions: store.ActionRead, AllOrgs: true}}},
		{keyID(2), "s2", ingest.Principal{
			Name: "apikey:" + keyID(2), OrgID: "acme",
			Access: store.Access{Actions: store.ActionIngest, OrgID: "acme", Devices: []string{"d1"}},
		}},
		{name, secret, ingest.Principal{
			Name: "grant:" + name, OrgID: "acme",
			Access: store.Access{Actions: store.ActionIngest | store.ActionRead, OrgID: "acme"},
		}},
		{"d1", "s", ingest.Principal{Name: "device:d1", OrgID: "acme", Device: b.devices.ByID("d1")}},
	} {
		p, err := b.devices.Login(tt.name, []byte(tt.secret))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := ingest.Principal{Name: p.Name, Device: p.Device, OrgID: p.OrgID, Access: p.Access}
		if !reflect.DeepEqual(got, tt.want) || !b.devices.Current(p) {
			t.Errorf("%s logs in as %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestKeysThatChange: a login of before stands as long as it would be the same
// now, whether the key is read again alone or with everything.
func TestKeysThatChange(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC()
	update := func(change func(*store.APIKey)) func(*keyed, int) error {
		return func(b *keyed, n int) error {
			k, err := b.catalog.APIKey(b.t.Context(), keyID(n))
			change(&k)
			return errors.Join(err, b.catalog.UpdateAPIKey(b.t.Context(), k))
		}
	}
	changes := []struct {
		name   string
		change func(*keyed, int) error
		stands bool
	}{
		{"nothing", func(*keyed, int) error { return nil }, true},
		{"its name", update(func(k *store.APIKey) { k.Name = "another" }), true},
		{"a later end", update(func(k *store.APIKey) { k.ExpiresAt = nil }), true},
		{"an end that is past", update(func(k *store.APIKey) { k.ExpiresAt = new(time.Time) }), false},
		{"fewer devices", update(func(k *store.APIKey) { k.DeviceIDs = []string{"d1"} }), false},
		{"all devices", update(func(k *store.APIKey) { k.DeviceIDs = nil }), false},
		{"deleted", func(b *keyed, n int) error { return b.catalog.DeleteAPIKey(b.t.Context(), keyID(n)) }, false},
	}
	for _, whole := range []bool{false, true} {
		b := newKeyed(t)
		before := make([]*ingest.Principal, len(changes))
		for n := range changes {
			b.key(n, func(k *store.APIKey) { k.ExpiresAt, k.DeviceIDs = &soon, []string{"d1", "d2"} })
			b.refreshKey(n)
			var err error
			if before[n], err = b.login(n); err != nil {
				t.Fatal(err)
			}
		}
		var want []string
		for n, c := range changes {
			if err := c.change(b, n); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if !whole {
				b.refreshKey(n)
			}
			if !c.stands {
				want = append(want, keyID(n))
			}
		}
		if whole {
			cut, err := b.devices.Reload(t.Context())
			if err != nil || !reflect.DeepEqual(cut, ingest.Cut{APIKeys: want}) {
				t.Errorf("to be cut: %+v, %v; want %v", cut, err, want)
			}
		}
		for n, c := range changes {
			if got := b.devices.Current(before[n]); got != c.stands {
				t.Errorf("%s, all read again %v: stands %v", c.name, whole, got)
			}
		}
		cut, err := b.devices.Reload(t.Context())
		if err != nil || !reflect.DeepEqual(cut, ingest.Cut{}) {
			t.Errorf("nothing changed, to be cut: %+v, %v", cut, err)
		}
	}
}
