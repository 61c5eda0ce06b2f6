package embedded

import (
	"context"
	"errors"

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
		if err := t.checkEmpty(id); err != nil {
			return err
		}
		return errors.Join(t.dropAlerts(id), t.bucket(organizationBucket).Delete([]byte(id)))
	})
}

// checkEmpty reports what keeps an organization from being deleted.
func (t *catalogTx) checkEmpty(id string) error {
	err := t.list(deviceBucket, orgDeviceBucket, id, store.Page{}, func(deviceID string, v []byte) (bool, error) {
		d, err := decodeDevice(deviceID, v)
		if err == nil && d.State != store.DeviceDeleted {
			err = store.Conflict("organization", id, "still has devices, such as %s; delete them first", d.ID)
		}
		return false, err
	})
	if err != nil {
		return err
	}
	if hasPrefix(t.bucket(orgUserBucket), pair(id, "")) {
		return store.Conflict("organization", id, "still has users; delete them, or move them to another organization, first")
	}
	keys, err := apiKeys.list(t, id, store.Page{Limit: 1})
	if err == nil && len(keys) > 0 {
		err = store.Conflict("organization", id, "still has API keys, such as %s; delete them first", keys[0].ID)
	}
	return err
}

// dropAlerts removes the alert rules and the channels of an organization.
func (t *catalogTx) dropAlerts(orgID string) error {
	rules, err := alertRules.list(t, orgID, store.Page{})
	if err != nil {
		return err
	}
	channels, err := channels.list(t, orgID, store.Page{})
	if err != nil {
		return err
	}
	for _, r := range rules {
		err = errors.Join(err, alertRules.remove(t, r))
	}
	for _, c := range channels {
		err = errors.Join(err, t.removeChannel(c))
	}
	return err
}
