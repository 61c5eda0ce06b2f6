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

var apiKeys = kind[store.APIKey]{
	"API key", apiKeyBucket, orgAPIKeyBucket,
	func(k store.APIKey) (id, orgID string) { return k.ID, k.OrgID },
	encodeAPIKey, decodeAPIKey,
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
		if err := t.checkDevices(k.OrgID, k.DeviceIDs, nil); err != nil {
			return err
		}
		k.CreatedAt = kept(k.CreatedAt, t.now)
		return t.putAPIKey(k)
	})
}

// checkDevices looks for devices of an organization, but for those that were
// listed before.
func (t *catalogTx) checkDevices(orgID string, ids, before []string) error {
	for _, id := range ids {
		if slices.Contains(before, id) {
			continue
		}
		d, err := t.device(id)
		if err != nil {
			return err
		}
		if d.OrgID != orgID || d.State == store.DeviceDeleted {
			return store.NotFound("device", id)
		}
	}
	return nil
}

func (t *catalogTx) putAPIKey(k store.APIKey) error {
	return errors.Join(apiKeys.put(t, k), t.bucket(nameBucket).Put([]byte(k.ID), []byte(k.ID)), t.needFormat(formatKeys))
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
	k, ok, err := apiKeys.find(t, id)
	if !ok {
		return err
	}
	return t.removeAPIKey(k)
}

func (t *catalogTx) removeAPIKey(k store.APIKey) error {
	return errors.Join(apiKeys.remove(t, k), t.bucket(nameBucket).Delete([]byte(k.ID)))
}

// UpdateAPIKey implements store.APIKeys.
func (c *Catalog) UpdateAPIKey(ctx context.Context, k store.APIKey) error {
	return c.update(ctx, "update API key", func(t *catalogTx) error {
		was, err := apiKeys.get(t, k.ID)
		if err != nil {
			return err
		}
		next := was
		next.Name, next.ExpiresAt, next.DeviceIDs = k.Name, k.ExpiresAt, k.DeviceIDs
		if err := next.Validate(); err != nil {
			return err
		}
		if err := t.checkDevices(next.OrgID, next.DeviceIDs, was.DeviceIDs); err != nil {
			return err
		}
		return t.putAPIKey(next)
	})
}

// APIKey implements store.APIKeys.
func (c *Catalog) APIKey(ctx context.Context, id string) (k store.APIKey, err error) {
	err = c.view(ctx, func(t *catalogTx) error { k, err = apiKeys.get(t, id); return err })
	return k, err
}

// ListAPIKeys implements store.APIKeys.
func (c *Catalog) ListAPIKeys(ctx context.Context, f store.APIKeyFilter) (out []store.APIKey, err error) {
	err = c.view(ctx, func(t *catalogTx) error { out, err = apiKeys.list(t, f.OrgID, f.Page); return err })
	return out, err
}

// DeleteAPIKey implements store.APIKeys.
func (c *Catalog) DeleteAPIKey(ctx context.Context, id string) error {
	return c.update(ctx, "delete API key", func(t *catalogTx) error {
		k, err := apiKeys.get(t, id)
		if err != nil {
			return err
		}
		return t.removeAPIKey(k)
	})
}
