package embedded

import (
	"context"
	"fmt"
	"strings"

	"tidegate/store"
)

// CreateOrganization implements store.Organizations.
func (c *Catalog) CreateOrganization(ctx context.Context, o store.Organization) error {
	return c.update(ctx, "create organization", func(t *catalogTx) error {
		if err := o.Validate(); err != nil {
			return err
		}
		b := t.bucket(organizationBucket)
		if b.Get([]byte(o.ID)) != nil {
			return store.Conflict("organization", o.ID, "exists already; choose another id")
		}
		if hasPrefix(t.bucket(orgDeviceBucket), pair(o.ID, "")) {
			return store.Conflict("organization", o.ID, "was deleted, and its deleted devices still hold the id; choose another id")
		}
		return b.Put([]byte(o.ID), encodeRecord(organizationRecord{o.Name, kept(o.CreatedAt, t.now).UnixMilli()}))
	})
}

// UpdateOrganization implements store.Organizations.
func (c *Catalog) UpdateOrganization(ctx context.Context, o store.Organization) error {
	return c.update(ctx, "update organization", func(t *catalogTx) error {
		if err := o.Validate(); err != nil {
			return err
		}
		was, err := t.organization(o.ID)
		if err != nil {
			return err
		}
		return t.bucket(organizationBucket).Put([]byte(o.ID), encodeRecord(organizationRecord{o.Name, was.CreatedAt.UnixMilli()}))
	})
}

// Organization implements store.Organizations.
func (c *Catalog) Organization(ctx context.Context, id string) (o store.Organization, err error) {
	err = c.view(ctx, func(t *catalogTx) error { o, err = t.organization(id); return err })
	return o, err
}

func (t *catalogTx) organization(id string) (store.Organization, error) {
	b := t.bucket(organizationBucket).Get([]byte(id))
	if b == nil {
		return store.Organization{}, store.NotFound("organization", id)
	}
	return decodeOrganization(id, b)
}

// ListOrganizations implements store.Organizations.
func (c *Catalog) ListOrganizations(ctx context.Context, p store.Page) (out []store.Organization, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		cur := t.bucket(organizationBucket).Cursor()
		for k, v := seekAfter(cur, p.After); k != nil && !full(len(out), p.Limit); k, v = cur.Next() {
			o, err := decodeOrganization(string(k), v)
			if err != nil {
				return err
			}
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

// DeleteOrganization implements store.Organizations.
func (c *Catalog) DeleteOrganization(ctx context.Context, id string) error {
	return c.update(ctx, "delete organization", func(t *catalogTx) error {
		if _, err := t.organization(id); err != nil {
			return err
		}
		prefix := pair(id, "")
		cur := t.bucket(orgDeviceBucket).Cursor()
		for k, _ := cur.Seek(prefix); k != nil && len(k) > len(prefix) && string(k[:len(prefix)]) == string(prefix); k, _ = cur.Next() {
			d, err := t.device(string(k[len(prefix):]))
			if err != nil {
				return err
			}
			if d.State != store.DeviceDeleted {
				return store.Conflict("organization", id, "still has devices, such as %s; delete them first", d.ID)
			}
		}
		if hasPrefix(t.bucket(orgUserBucket), prefix) {
			return store.Conflict("organization", id, "still has users; delete them, or move them to another organization, first")
		}
		if k, _ := t.bucket(orgAPIKeyBucket).Cursor().Seek(prefix); strings.HasPrefix(string(k), string(prefix)) {
			return store.Conflict("organization", id, "still has API keys, such as %s; delete them first", k[len(prefix):])
		}
		return t.bucket(organizationBucket).Delete([]byte(id))
	})
}

// list calls take with what a bucket has, in order of id, or with what it has of
// one organization, until take has taken a page.
func (t *catalogTx) list(bucket, ofOrg []byte, orgID string, p store.Page, take func(id string, v []byte) (bool, error)) error {
	all, taken := t.bucket(bucket), 0
	if orgID == "" {
		cur := all.Cursor()
		for k, v := seekAfter(cur, p.After); k != nil && !full(taken, p.Limit); k, v = cur.Next() {
			ok, err := take(string(k), v)
			if err != nil {
				return err
			}
			if ok {
				taken++
			}
		}
		return nil
	}
	prefix := string(pair(orgID, ""))
	cur := t.bucket(ofOrg).Cursor()
	for k, _ := seekAfter(cur, prefix+p.After); k != nil && !full(taken, p.Limit); k, _ = cur.Next() {
		id, ok := strings.CutPrefix(string(k), prefix)
		if !ok || id == "" {
			break
		}
		v := all.Get([]byte(id))
		if v == nil {
			return fmt.Errorf("list %s: %q of organization %s is absent from the catalogue", bucket, id, orgID)
		}
		ok, err := take(id, v)
		if err != nil {
			return err
		}
		if ok {
			taken++
		}
	}
	return nil
}

// full reports whether n items fill a page; a limit of 0 is none.
func full(n, limit int) bool { return limit > 0 && n >= limit }

// keyCursor is the part of a bbolt cursor that seekAfter needs.
type keyCursor interface {
	Seek(key []byte) (k, v []byte)
	Next() (k, v []byte)
}

// seekAfter moves cur to the first key greater than after.
func seekAfter(cur keyCursor, after string) (k, v []byte) {
	k, v = cur.Seek([]byte(after))
	if k != nil && string(k) == after {
		k, v = cur.Next()
	}
	return k, v
}
