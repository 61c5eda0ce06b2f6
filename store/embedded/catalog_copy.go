package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// A catalogue that follows another one keeps the mark in a bucket of its own.
var (
	followBucket = []byte("follows")
	followKey    = []byte("mark")
)

// markRecord is a store.CatalogMark as it is kept.
type markRecord struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Revision uint64 `json:"revision"`
	Token    string `json:"token,omitempty"`
	Form     int    `json:"form,omitempty"` // absent: 0
}

var _ store.CatalogCopy = (*Catalog)(nil)

// errTried ends the transaction of a Try that went well.
var errTried = errors.New("only tried")

func (t *catalogTx) mark() (m store.CatalogMark, follows bool, err error) {
	b := t.bucket(followBucket)
	if b == nil {
		return m, false, nil
	}
	v := b.Get(followKey)
	if v == nil {
		return m, false, nil
	}
	var r markRecord
	if err := decodeRecord("mark", "of the copy", v, &r); err != nil {
		return m, false, err
	}
	return store.CatalogMark(r), true, nil
}

// setMark keeps m, and the format that goes with it.
func (t *catalogTx) setMark(m store.CatalogMark) error {
	b, err := t.tx.CreateBucketIfNotExists(followBucket)
	if err != nil {
		return err
	}
	return errors.Join(b.Put(followKey, encodeRecord(markRecord(m))), t.needFormat(formatCopies))
}

// refuseCopy answers why the catalogue must not be changed here.
func (t *catalogTx) refuseCopy(path string) error {
	m, follows, err := t.mark()
	if err != nil || !follows {
		return err
	}
	return copyError(path, m)
}

func copyError(path string, m store.CatalogMark) error {
	return fileError(store.ErrConflict, path,
		"is the local copy of the catalogue in MongoDB %s. Set MONGO_URI to it, or bring everything back into this folder with `tidegate migrate --to embedded`", m.Name)
}

// Mark implements store.CatalogCopy.
func (c *Catalog) Mark(ctx context.Context) (m store.CatalogMark, follows bool, err error) {
	err = c.view(ctx, func(t *catalogTx) error { m, follows, err = t.mark(); return err })
	return m, follows, err
}

// Try implements store.CatalogCopy.
func (c *Catalog) Try(ctx context.Context, fn func(store.Catalog) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := update(c.db, func(tx *bbolt.Tx) error {
		if err := fn(&Catalog{db: c.db, now: c.now, trying: tx}); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// Follow implements store.CatalogCopy.
func (c *Catalog) Follow(ctx context.Context, m store.CatalogMark, change store.CatalogChange) error {
	return c.change(ctx, "follow the catalogue", func(t *catalogTx) error {
		return errors.Join(t.take(change), t.setMark(m))
	})
}

// Replace implements store.CatalogCopy.
func (c *Catalog) Replace(ctx context.Context, m store.CatalogMark, whole store.CatalogChange) error {
	return c.change(ctx, "replace the catalogue", func(t *catalogTx) error {
		last := t.bucket(deviceBucket).Sequence()
		for _, name := range catalogBuckets() {
			if err := t.tx.DeleteBucket(name); err != nil {
				return err
			}
			if _, err := t.tx.CreateBucket(name); err != nil {
				return err
			}
		}
		// A number that was given once is never given again, also not when the
		// other catalogue has forgotten it.
		return errors.Join(t.bucket(deviceBucket).SetSequence(last), t.take(whole), t.setMark(m))
	})
}

// take makes a change without asking whether it is allowed.
func (t *catalogTx) take(c store.CatalogChange) error {
	for _, id := range c.GoneOrganizations {
		if err := t.bucket(organizationBucket).Delete([]byte(id)); err != nil {
			return err
		}
	}
	for _, id := range c.GoneUsers {
		if err := t.dropUser(id); err != nil {
			return err
		}
	}
	for _, p := range c.GonePorts {
		if err := t.dropPort(p.DeviceID, p.Number); err != nil {
			return err
		}
	}
	for _, id := range c.GoneAPIKeys {
		if err := t.dropAPIKey(id); err != nil {
			return err
		}
	}
	for _, id := range c.GoneAlertRules {
		if err := t.dropAlertRule(id); err != nil {
			return err
		}
	}
	for _, id := range c.GoneChannels {
		if err := t.dropChannel(id); err != nil {
			return err
		}
	}
	for _, o := range c.Organizations {
		if err := t.bucket(organizationBucket).Put([]byte(o.ID), encodeRecord(organizationRecord{o.Name, o.CreatedAt.UnixMilli()})); err != nil {
			return err
		}
	}
	for _, u := range c.Users {
		if err := t.takeUser(u); err != nil {
			return err
		}
	}
	for _, d := range c.Devices {
		if err := t.takeDevice(d); err != nil {
			return err
		}
	}
	for _, p := range c.Ports {
		if err := t.takePort(p); err != nil {
			return err
		}
	}
	for _, k := range c.APIKeys {
		if err := t.takeAPIKey(k); err != nil {
			return err
		}
	}
	for _, r := range c.AlertRules {
		if err := t.takeAlertRule(r); err != nil {
			return err
		}
	}
	for _, ch := range c.Channels {
		if err := t.takeChannel(ch); err != nil {
			return err
		}
	}
	if devices := t.bucket(deviceBucket); uint64(c.LastUID) > devices.Sequence() {
		return devices.SetSequence(uint64(c.LastUID))
	}
	return nil
}

func (t *catalogTx) takeUser(u store.User) error {
	if err := t.dropUser(u.ID); err != nil {
		return err
	}
	return errors.Join(t.putUser(u), t.bucket(emailBucket).Put(emailKey(u.Email), []byte(u.ID)))
}

// dropUser removes a user that may be there.
func (t *catalogTx) dropUser(id string) error {
	u, err := t.user(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(t.bucket(userBucket).Delete([]byte(id)), t.unlinkUser(u)); err != nil {
		return err
	}
	if emails := t.bucket(emailBucket); string(emails.Get(emailKey(u.Email))) == id {
		return emails.Delete(emailKey(u.Email))
	}
	return nil
}

func (t *catalogTx) takeDevice(d store.Device) error {
	names, devices := t.bucket(nameBucket), t.bucket(deviceBucket)
	was, err := t.device(d.ID)
	switch {
	case err == nil:
		err = t.bucket(orgDeviceBucket).Delete(pair(was.OrgID, d.ID))
		if s := was.SerialNumber; s != "" && s != d.ID && string(names.Get([]byte(s))) == d.ID {
			err = errors.Join(err, names.Delete([]byte(s)))
		}
	case errors.Is(err, store.ErrNotFound):
		err = nil
	}
	if err != nil {
		return err
	}
	err = errors.Join(
		t.putDevice(d),
		names.Put([]byte(d.ID), []byte(d.ID)),
		t.bucket(orgDeviceBucket).Put(pair(d.OrgID, d.ID), nil),
	)
	if d.SerialNumber != "" {
		err = errors.Join(err, names.Put([]byte(d.SerialNumber), []byte(d.ID)))
	}
	if uint64(d.UID) > devices.Sequence() {
		err = errors.Join(err, devices.SetSequence(uint64(d.UID)))
	}
	return err
}

// takePort gives a name to p that another port may have lost in the same change.
func (t *catalogTx) takePort(p store.Port) error {
	return errors.Join(t.dropPort(p.DeviceID, p.Number), t.putPort(p, nil))
}

// dropPort removes a port that may be there.
func (t *catalogTx) dropPort(deviceID string, number uint16) error {
	p, err := t.port(deviceID, number)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	names := t.bucket(portNameBucket)
	if b := names.Get(pair(deviceID, p.Name)); len(b) == 2 && binary.BigEndian.Uint16(b) == number {
		err = names.Delete(pair(deviceID, p.Name))
	}
	return errors.Join(err, t.bucket(portBucket).Delete(portKey(deviceID, number)))
}

// Dump implements store.CatalogCopy.
func (c *Catalog) Dump(ctx context.Context) (all store.CatalogChange, err error) {
	err = c.view(ctx, func(t *catalogTx) (err error) {
		all = store.CatalogChange{LastUID: uint32(t.bucket(deviceBucket).Sequence())}
		err = errors.Join(
			t.bucket(organizationBucket).ForEach(func(k, v []byte) error {
				o, err := decodeOrganization(string(k), v)
				all.Organizations = append(all.Organizations, o)
				return err
			}),
			t.bucket(userBucket).ForEach(func(k, v []byte) error {
				u, err := decodeUser(string(k), v)
				all.Users = append(all.Users, u)
				return err
			}),
			t.bucket(deviceBucket).ForEach(func(k, v []byte) error {
				d, err := decodeDevice(string(k), v)
				all.Devices = append(all.Devices, d)
				if err != nil {
					return err
				}
				return t.eachPort(d.ID, func(p store.Port) error { all.Ports = append(all.Ports, p); return nil })
			}),
		)
		if err != nil {
			return err
		}
		if all.APIKeys, err = apiKeys.list(t, "", store.Page{}); err != nil {
			return err
		}
		if all.AlertRules, err = alertRules.list(t, "", store.Page{}); err != nil {
			return err
		}
		all.Channels, err = channels.list(t, "", store.Page{})
		return err
	})
	if err != nil {
		return store.CatalogChange{}, fmt.Errorf("read the whole catalogue: %w", err)
	}
	return all, nil
}

// Detach implements store.CatalogCopy.
func (c *Catalog) Detach(ctx context.Context) error {
	return c.change(ctx, "make the copy an original", func(t *catalogTx) error {
		if t.bucket(followBucket) == nil {
			return nil
		}
		return t.tx.DeleteBucket(followBucket)
	})
}
