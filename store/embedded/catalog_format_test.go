package embedded

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// olderCatalog makes a catalogue as the first tidegate left it, with an
// organization, a user and a device.
func olderCatalog(t *testing.T) (path string) {
	t.Helper()
	dir, ctx := t.TempDir(), t.Context()
	c := openTestCatalog(t, dir)
	err := errors.Join(c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}), c.CreateUser(ctx, store.User{ID: "u1", Email: "ann@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	_, derr := c.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme", SerialNumber: "SN1"}, nil)
	err = errors.Join(err, derr, update(c.db, func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.DeleteBucket(apiKeyBucket), tx.DeleteBucket(orgAPIKeyBucket), tx.DeleteBucket(linkBucket),
			tx.DeleteBucket(alertRuleBucket), tx.DeleteBucket(orgAlertRuleBucket),
			tx.DeleteBucket(channelBucket), tx.DeleteBucket(orgChannelBucket), tx.DeleteBucket(channelNameBucket),
			tx.Bucket(headerBucket).Put(headerFormat, binary.BigEndian.AppendUint32(nil, 1)),
		)
	}), c.Close())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "catalog.db")
}

func formatOf(t *testing.T, c *Catalog) (f uint32) {
	t.Helper()
	err := view(c.db, func(tx *bbolt.Tx) error {
		f = binary.BigEndian.Uint32(tx.Bucket(headerBucket).Get(headerFormat))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCatalogFormatRises: an older catalogue is opened and changed, and an older
// tidegate may go on with it until there is what it would do harm to.
func TestCatalogFormatRises(t *testing.T) {
	ctx := t.Context()
	name := func(c *Catalog, name string) error {
		return c.UpdateUser(ctx, store.User{ID: "u1", Name: name, Role: store.RoleViewer, OrgID: "acme", PasswordHash: "$", PasswordChangedAt: time.Unix(7, 0)})
	}
	for _, tt := range []struct {
		name   string
		change func(*Catalog) error
		want   uint32
	}{
		{"nothing", func(*Catalog) error { return nil }, 1},
		{"a change of what it had before", func(c *Catalog) error {
			_, err := c.CreateDevice(ctx, store.Device{ID: "d2", OrgID: "acme"}, nil)
			return errors.Join(err, name(c, ""), c.DeleteUser(ctx, "u1"))
		}, 1},
		{"an API key", func(c *Catalog) error {
			k := store.APIKey{ID: store.NewKeyID(), Name: "k", OrgID: "acme", Scopes: []store.Scope{store.ScopeRead}, DeviceIDs: []string{"d1"}}
			return errors.Join(c.CreateAPIKey(ctx, k), c.DeleteAPIKey(ctx, k.ID))
		}, 3},
		{"a name", func(c *Catalog) error { return name(c, "Ann") }, 3},
		{"a link", func(c *Catalog) error {
			return c.CreateUser(ctx, store.User{ID: "u2", Email: "bob@example.org", Role: store.RoleViewer, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: time.Unix(7, 0)})
		}, 3},
		{"an alert rule", func(c *Catalog) error {
			r := store.AlertRule{ID: store.NewRuleID(), Name: "r", OrgID: "acme", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondOutside}}
			return errors.Join(c.CreateAlertRule(ctx, r), c.DeleteAlertRule(ctx, r.ID))
		}, 4},
		{"a channel", func(c *Catalog) error {
			ch := store.Channel{ID: store.NewChannelID(), Name: "ops", OrgID: "acme", Type: store.ChannelEmail}
			return errors.Join(c.CreateChannel(ctx, ch), c.DeleteChannel(ctx, ch.ID))
		}, 4},
		{"a tag", func(c *Catalog) error {
			return c.UpdateDevice(ctx, store.Device{ID: "d1", SerialNumber: "SN1", State: store.DeviceActive, Tags: []string{"pump"}})
		}, 4},
		{"a change that is refused", func(c *Catalog) error {
			if err := c.CreateAPIKey(ctx, store.APIKey{ID: store.NewKeyID(), Name: "k", OrgID: "nobody", Scopes: store.Scopes()}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a key of nobody: %v", err)
			}
			return nil
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := olderCatalog(t)
			for range 2 {
				c, err := OpenCatalog(path, CatalogOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if d, err := c.Device(ctx, "d1"); err != nil || d.SerialNumber != "SN1" {
					t.Errorf("it had %+v, %v", d, err)
				}
				if err := tt.change(c); err != nil {
					t.Fatal(err)
				}
				tt.change = func(*Catalog) error { return nil }
				if got := formatOf(t, c); got != tt.want {
					t.Errorf("format %d, want %d", got, tt.want)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestCatalogFormatOfACopy: what was followed counts like what was made.
func TestCatalogFormatOfACopy(t *testing.T) {
	ctx, path := t.Context(), olderCatalog(t)
	c := openTestCopy(t, filepath.Dir(path))
	defer func() { _ = c.Close() }()
	m := store.CatalogMark{Database: "1", Revision: 3}
	if err := c.Follow(ctx, m, store.CatalogChange{}); err != nil || formatOf(t, c) != 2 {
		t.Errorf("a copy: %v, format %d", err, formatOf(t, c))
	}
	keys := []store.APIKey{{ID: store.NewKeyID(), Name: "k", Scopes: []store.Scope{store.ScopeRead}}}
	if err := c.Follow(ctx, m, store.CatalogChange{APIKeys: keys}); err != nil || formatOf(t, c) != 3 {
		t.Errorf("with a key: %v, format %d", err, formatOf(t, c))
	}
	tagged := []store.Device{{ID: "d1", UID: 1, OrgID: "acme", State: store.DeviceActive, Tags: []string{"pump"}}}
	if err := c.Follow(ctx, m, store.CatalogChange{Devices: tagged}); err != nil || formatOf(t, c) != 4 {
		t.Errorf("with a tag: %v, format %d", err, formatOf(t, c))
	}
}

// TestCatalogKeyErrors shows what people read of names that are taken.
func TestCatalogKeyErrors(t *testing.T) {
	c, ctx := openTestCatalog(t, t.TempDir()), t.Context()
	defer func() { _ = c.Close() }()
	const id = "key-0123456789abcdef"
	key := store.APIKey{ID: id, Name: "k", OrgID: "acme", Scopes: []store.Scope{store.ScopeRead}}
	if err := errors.Join(c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}), c.CreateAPIKey(ctx, key)); err != nil {
		t.Fatal(err)
	}
	device := func(id, serial string) error {
		_, err := c.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme", SerialNumber: serial}, nil)
		return err
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{device(id, ""), `device "` + id + `": the id is the id of an API key; choose another`},
		{device("d1", id), `device "` + id + `": the serial number is the id of an API key; choose another`},
		{c.CreateAPIKey(ctx, key), `API key "` + id + `": the id is taken, by another API key or by a device; choose another`},
		{c.DeleteOrganization(ctx, "acme"), `organization "acme": still has API keys, such as ` + id + `; delete them first`},
		{c.DeleteAPIKey(ctx, "key-nobody"), `API key "key-nobody": not found`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}
