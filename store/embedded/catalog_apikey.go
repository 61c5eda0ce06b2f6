package embedded

import (
	"context"
	"errors"
	"slices"

	"tidegate/store"
)

type apiKeyRecord struct {
	Name       string        `json:"name"`
	OrgID      string        `json:"org,omitempty"`
	Scopes     []store.Scope `json:"scopes"`
	DeviceIDs  []string      `json:"devices,omitempty"` // absent: all of the organization
	Expires    *int64        `json:"expires,omitempty"` // absent: never
	SecretHash []byte        `json:"secret,omitempty"`
	CreatedBy  string        `json:"by,omitempty"`
	CreatedAt  int64         `json:"created"`
}

func encodeAPIKey(k store.APIKey) []byte {
	r := apiKeyRecord{
		Name: k.Name, OrgID: k.OrgID, Scopes: k.Scopes, DeviceIDs: k.DeviceIDs,
		SecretHash: k.SecretHash, CreatedBy: k.CreatedBy, CreatedAt: k.CreatedAt.UnixMilli(),
	}
	if k.ExpiresAt != nil {
		ms := k.ExpiresAt.UnixMilli()
		r.Expires = &ms
	}
	return encodeRecord(r)
}

func decodeAPIKey(id string, b []byte) (store.APIKey, error) {
	var r apiKeyRecord
	if err := decodeRecord("API key", id, b, &r); err != nil {
		return store.APIKey{}, err
	}
	k := store.APIKey{
		ID: id, Name: r.Name, OrgID: r.OrgID, Scopes: r.Scopes, DeviceIDs: r.DeviceIDs,
		SecretHash: r.SecretHash, CreatedBy: r.CreatedBy, CreatedAt: milliTime(r.CreatedAt),
	}
	if r.Expires != nil {
		at := milliTime(*r.Expires)
		k.ExpiresAt = &at
	}
	return k, nil
}

// CreateAPIKey implements store.APIKeys.
func (c *Catalog) CreateAPIKey(ctx context.Context, k store.APIKey) error {
	return c.update(ctx, "create API key", func(t *catalogTx) error {
		if err := k.Validate(); err != nil {
			return err
		}
		if t.bucket(nameBucket).Get([]byte(k.ID)) != nil {
			return store.Conflict("API key", k.ID, "the id is taken, by another API key or by a device; choose another")
		}
		if k.OrgID != "" {
			if _, err := t.organization(k.OrgID); err != nil {
				return err
			}
		}
		if err := t.checkKeyDevices(k, nil); err != nil {
			return err
		}
		k.CreatedAt = kept(k.CreatedAt, t.now)
		return t.putAPIKey(k)
	})
}

// checkKeyDevices looks for the devices that k lists, but for those that were
// listed before.
func (t *catalogTx) checkKeyDevices(k store.APIKey, before []string) error {
	for _, id := range k.DeviceIDs {
		if slices.Contains(before, id) {
			continue
		}
		d, err := t.device(id)
		if err != nil {
			return err
		}
		if d.OrgID != k.OrgID || d.State == store.DeviceDeleted {
			return store.NotFound("device", id)
		}
	}
	return nil
}

func (t *catalogTx) putAPIKey(k store.APIKey) error {
	id := []byte(k.ID)
	err := errors.Join(t.bucket(apiKeyBucket).Put(id, encodeAPIKey(k)), t.bucket(nameBucket).Put(id, id), t.needFormat(formatKeys))
	if k.OrgID != "" {
		err = errors.Join(err, t.bucket(orgAPIKeyBucket).Put(pair(k.OrgID, k.ID), nil))
	}
	return err
}

// takeAPIKey puts k in the place of the one that may be there.
func (t *catalogTx) takeAPIKey(k store.APIKey) error {
	if err := t.dropAPIKey(k.ID); err != nil {
		return err
	}
	return t.putAPIKey(k)
}

// dropAPIKey removes a key that may be there.
func (t *catalogTx) dropAPIKey(id string) error {
	k, err := t.apiKey(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.deleteAPIKey(k)
}

func (t *catalogTx) deleteAPIKey(k store.APIKey) error {
	err := errors.Join(t.bucket(apiKeyBucket).Delete([]byte(k.ID)), t.bucket(nameBucket).Delete([]byte(k.ID)))
	if k.OrgID != "" {
		err = errors.Join(err, t.bucket(orgAPIKeyBucket).Delete(pair(k.OrgID, k.ID)))
	}
	return err
}

// UpdateAPIKey implements store.APIKeys.
func (c *Catalog) UpdateAPIKey(ctx context.Context, k store.APIKey) error {
	return c.update(ctx, "update API key", func(t *catalogTx) error {
		was, err := t.apiKey(k.ID)
		if err != nil {
			return err
		}
		next := was
		next.Name, next.ExpiresAt, next.DeviceIDs = k.Name, k.ExpiresAt, k.DeviceIDs
		if err := next.Validate(); err != nil {
			return err
		}
		if err := t.checkKeyDevices(next, was.DeviceIDs); err != nil {
			return err
		}
		return t.putAPIKey(next)
	})
}

// APIKey implements store.APIKeys.
func (c *Catalog) APIKey(ctx context.Context, id string) (k store.APIKey, err error) {
	err = c.view(ctx, func(t *catalogTx) error { k, err = t.apiKey(id); return err })
	return k, err
}

func (t *catalogTx) apiKey(id string) (store.APIKey, error) {
	b := t.bucket(apiKeyBucket).Get([]byte(id))
	if b == nil {
		return store.APIKey{}, store.NotFound("API key", id)
	}
	return decodeAPIKey(id, b)
}

// ListAPIKeys implements store.APIKeys.
func (c *Catalog) ListAPIKeys(ctx context.Context, f store.APIKeyFilter) (out []store.APIKey, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		return t.list(apiKeyBucket, orgAPIKeyBucket, f.OrgID, f.Page, func(id string, v []byte) (bool, error) {
			k, err := decodeAPIKey(id, v)
			out = append(out, k)
			return true, err
		})
	})
	return out, err
}

// DeleteAPIKey implements store.APIKeys.
func (c *Catalog) DeleteAPIKey(ctx context.Context, id string) error {
	return c.update(ctx, "delete API key", func(t *catalogTx) error {
		k, err := t.apiKey(id)
		if err != nil {
			return err
		}
		return t.deleteAPIKey(k)
	})
}
