package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidegate/store"
)

// apiKey is what the hot path knows of an API key: a snapshot of the catalogue
// that nobody changes.
type apiKey struct {
	store.APIKey
	access store.Access
}

func newAPIKey(k store.APIKey) *apiKey { return &apiKey{APIKey: k, access: k.Access()} }

// stands reports whether a login with was is one with k still; a nil k is none.
func (k *apiKey) stands(was *apiKey, now time.Time) bool {
	return k != nil && !k.Expired(now) && bytes.Equal(k.SecretHash, was.SecretHash) && sameAccess(k.access, was.access)
}

func sameAccess(a, b store.Access) bool {
	return a.Actions == b.Actions && a.AllOrgs == b.AllOrgs && a.OrgID == b.OrgID &&
		(a.Devices == nil) == (b.Devices == nil) && slices.Equal(a.Devices, b.Devices)
}

// RefreshKey reads one API key again after it was made, changed or deleted. Who
// logged in with it before may then be Current no more.
func (r *Registry) RefreshKey(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.catalog.APIKey(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("load API key %s: %w", id, err)
	}
	v := *r.view.Load()
	v.keys = maps.Clone(v.keys)
	if err == nil {
		v.keys[id] = newAPIKey(k)
	} else {
		delete(v.keys, id)
	}
	r.view.Store(&v)
	return nil
}
