package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// APIKey lets a program in, over HTTP and MQTT.
type APIKey struct {
	ID           string        `json:"id" doc:"the MQTT user name" example:"key-0123456789abcdef"`
	Name         string        `json:"name"`
	OrgID        string        `json:"orgId,omitempty" doc:"absent: all organizations"`
	Scopes       []store.Scope `json:"scopes" enum:"read,write,ingest,admin" nullable:"false"`
	DeviceIDs    []string      `json:"deviceIds,omitempty" minItems:"1" maxItems:"1000" nullable:"false" doc:"absent: all devices of the organization"`
	ExpiresAt    *store.Time   `json:"expiresAt,omitempty" doc:"absent: never"`
	Expired      bool          `json:"expired"`
	LastUsedAt   *store.Time   `json:"lastUsedAt,omitempty" doc:"on this box; after a crash up to a minute old; absent: never"`
	LastUsedFrom string        `json:"lastUsedFrom,omitempty" doc:"address, or mqtt"`
	CreatedBy    string        `json:"createdBy"`
	CreatedAt    store.Time    `json:"createdAt"`
	Key          string        `json:"key,omitempty" doc:"once, in the answer that made it: send it as Authorization: Bearer …"`
	Secret       string        `json:"secret,omitempty" doc:"once: what follows the dot, the MQTT password"`
}

// NewAPIKey is a key to be made.
type NewAPIKey struct {
	Name      string        `json:"name" example:"PLC gateway"`
	OrgID     string        `json:"orgId,omitempty" doc:"absent: all organizations"`
	Scopes    []store.Scope `json:"scopes" enum:"read,write,ingest,admin" minItems:"1" nullable:"false" example:"[\"ingest\"]"`
	DeviceIDs []string      `json:"deviceIds,omitempty" nullable:"false" doc:"absent: all devices of the organization"`
	ExpiresAt *time.Time    `json:"expiresAt,omitempty" doc:"absent: never"`
}

// APIKeyChange replaces what is given. Scopes and organization stay: make
// another key, and delete this one when nobody uses it any more.
type APIKeyChange struct {
	Name       *string    `json:"name,omitempty"`
	DeviceIDs  []string   `json:"deviceIds,omitempty" nullable:"false"`
	AllDevices bool       `json:"allDevices,omitempty" doc:"takes the list of devices away"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	Never      bool       `json:"neverExpires,omitempty" doc:"takes the end away"`
}

// newAPIKey answers a key with its last use.
func (a *Admin) newAPIKey(k store.APIKey) APIKey {
	out := APIKey{
		ID: k.ID, Name: k.Name, OrgID: k.OrgID, Scopes: k.Scopes, DeviceIDs: k.DeviceIDs, Expired: k.Expired(a.now()),
		CreatedBy: k.CreatedBy, CreatedAt: at(k.CreatedAt),
	}
	if k.ExpiresAt != nil {
		end := at(*k.ExpiresAt)
		out.ExpiresAt = &end
	}
	if u, ok := a.o.KeyUses.KeyUse(k.ID); ok {
		used := at(u.At)
		out.LastUsedAt, out.LastUsedFrom = &used, u.Remote
	}
	return out
}

// auditOfKey is a key as the trail shows it: without its last use.
func (a *Admin) auditOfKey(k store.APIKey) APIKey {
	out := a.newAPIKey(k)
	out.LastUsedAt, out.LastUsedFrom = nil, ""
	return out
}

// mayGive refuses a key that may do more, to more, or for longer than whoever
// gives it.
func (a *Admin) mayGive(ctx context.Context, k store.APIKey) error {
	actor, _ := actorFrom(ctx)
	has, gives := actor.Access, k.Access()
	if gives.Actions&^has.Actions != 0 {
		return errForbidden(actor, gives.Actions&^has.Actions)
	}
	if !has.AllOrgs && gives.AllOrgs || !has.AllOrgs && gives.OrgID != has.OrgID || has.Devices != nil {
		return problem(http.StatusForbidden, "forbidden", "these credentials cannot give away more than they may do themselves")
	}
	if actor.key == nil {
		return nil
	}
	id, _ := keyOf(actor.key)
	own, err := a.o.Catalog.APIKey(ctx, id)
	if err != nil {
		return err
	}
	if own.ExpiresAt != nil && (k.ExpiresAt == nil || k.ExpiresAt.After(*own.ExpiresAt)) {
		return problem(http.StatusForbidden, "forbidden", "an API key that ends gives none that ends later: on "+at(*own.ExpiresAt).String()+" or before")
	}
	return nil
}

// CreateAPIKey makes a key; the answer has its secret.
func (a *Admin) CreateAPIKey(ctx context.Context, n NewAPIKey) (APIKey, error) {
	actor, _ := actorFrom(ctx)
	secret := store.NewSecret()
	k := store.APIKey{
		ID: store.NewKeyID(), Name: n.Name, OrgID: n.OrgID, Scopes: n.Scopes, DeviceIDs: sorted(n.DeviceIDs), ExpiresAt: n.ExpiresAt,
		SecretHash: a.o.Registry.HashSecret([]byte(secret)), CreatedBy: actor.Name, CreatedAt: a.now(),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := errors.Join(a.checkEnd(n.ExpiresAt), a.checkKey(ctx, k)); err != nil {
		return APIKey{}, err
	}
	shown := a.auditOfKey(k)
	shown.Secret = blanked
	err := a.alter(ctx, change{"apikey.create", "apikey", k.ID, k.OrgID, nil, shown}, func() error {
		return a.o.Catalog.CreateAPIKey(ctx, k)
	})
	if err == nil {
		err = a.refreshKey(ctx, k.ID)
	}
	out := a.newAPIKey(k)
	out.Key, out.Secret = store.KeyText(k.ID, secret), secret
	return out, err
}

func sorted(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// checkEnd refuses an end that a key is given and that has passed.
func (a *Admin) checkEnd(end *time.Time) error {
	if end != nil && !end.After(a.now()) {
		return store.Invalid("API key", "expiresAt", "is over already")
	}
	return nil
}

// checkKey refuses what is wrong, and what the actor may not give.
func (a *Admin) checkKey(ctx context.Context, k store.APIKey) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if k.OrgID != "" {
		if _, err := a.seen(ctx).organization(ctx, k.OrgID); err != nil {
			return err
		}
	}
	return a.mayGive(ctx, k)
}

// UpdateAPIKey changes a key. Whoever has logged in with it is disconnected.
func (a *Admin) UpdateAPIKey(ctx context.Context, id string, ch APIKeyChange) (APIKey, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.seen(ctx).apiKey(ctx, id)
	if err != nil {
		return APIKey{}, err
	}
	k := was
	if ch.Name != nil {
		k.Name = *ch.Name
	}
	switch {
	case ch.AllDevices && ch.DeviceIDs != nil:
		return APIKey{}, store.Invalid("API key", "deviceIds", "do not go with allDevices; give one of them")
	case ch.AllDevices:
		k.DeviceIDs = nil
	case ch.DeviceIDs != nil:
		k.DeviceIDs = sorted(ch.DeviceIDs)
	}
	switch {
	case ch.Never && ch.ExpiresAt != nil:
		return APIKey{}, store.Invalid("API key", "expiresAt", "does not go with neverExpires; give one of them")
	case ch.Never:
		k.ExpiresAt = nil
	case ch.ExpiresAt != nil:
		k.ExpiresAt = ch.ExpiresAt
	}
	if err := errors.Join(a.checkEnd(ch.ExpiresAt), a.checkKey(ctx, k)); err != nil {
		return APIKey{}, err
	}
	err = a.alter(ctx, change{"apikey.update", "apikey", k.ID, k.OrgID, a.auditOfKey(was), a.auditOfKey(k)}, func() error {
		return a.o.Catalog.UpdateAPIKey(ctx, k)
	})
	if err != nil {
		return APIKey{}, err
	}
	err = a.refreshKey(ctx, k.ID)
	if !slices.Equal(was.DeviceIDs, k.DeviceIDs) {
		a.o.DisconnectKey(k.ID, "key_changed")
	}
	return a.newAPIKey(k), err
}

// DeleteAPIKey deletes a key and disconnects whoever has logged in with it.
func (a *Admin) DeleteAPIKey(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, err := a.seen(ctx).apiKey(ctx, id)
	if err != nil {
		return err
	}
	err = a.alter(ctx, change{"apikey.delete", "apikey", k.ID, k.OrgID, a.auditOfKey(k), nil}, func() error {
		return a.o.Catalog.DeleteAPIKey(ctx, k.ID)
	})
	if err != nil {
		return err
	}
	err = a.refreshKey(ctx, k.ID)
	a.o.DisconnectKey(k.ID, "key_deleted")
	a.o.KeyUses.ForgetKey(k.ID)
	return err
}

// refreshKey makes a change of a key known, also to those who watch with it.
func (a *Admin) refreshKey(ctx context.Context, id string) error {
	err := a.o.Registry.RefreshKey(context.WithoutCancel(ctx), id)
	a.keysMu.Lock()
	close(a.keysChanged)
	a.keysChanged = make(chan struct{})
	a.keysMu.Unlock()
	return err
}

// keysChange answers what is closed with the next change of any key.
func (a *Admin) keysChange() <-chan struct{} {
	a.keysMu.Lock()
	defer a.keysMu.Unlock()
	return a.keysChanged
}

func (s *Server) routeAPIKeys() {
	tags := []string{"api keys"}
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, admins, huma.Operation{
		OperationID: "list-api-keys", Method: http.MethodGet, Path: "/api/v1/api-keys", Tags: tags,
		Summary: "List API keys in order of id",
	}, func(ctx context.Context, in *struct {
		PageInput
		OrgID string `query:"orgId"`
	},
	) (*answer[List[APIKey]], error) {
		keys, err := s.admin.seen(ctx).listAPIKeys(ctx, store.APIKeyFilter{OrgID: in.OrgID, Page: store.Page{After: in.Cursor, Limit: in.Limit + 1}})
		if err != nil {
			return nil, err
		}
		return &answer[List[APIKey]]{page(keys, in.Limit, func(k store.APIKey) string { return k.ID }, s.admin.newAPIKey)}, nil
	})
	route(s, admins, huma.Operation{
		OperationID: "create-api-key", Method: http.MethodPost, Path: "/api/v1/api-keys", Tags: tags,
		Summary:       "Make an API key",
		Description:   "It may do no more than whoever makes it. Its secret is answered once. To replace a key make another, and delete the old one.",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewAPIKey }) (*answer[APIKey], error) {
		k, err := s.admin.CreateAPIKey(ctx, in.Body)
		return &answer[APIKey]{k}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "get-api-key", Method: http.MethodGet, Path: "/api/v1/api-keys/{id}", Tags: tags,
		Summary: "Get an API key",
	}, func(ctx context.Context, in *IDInput) (*answer[APIKey], error) {
		k, err := s.admin.seen(ctx).apiKey(ctx, in.ID)
		return &answer[APIKey]{s.admin.newAPIKey(k)}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "update-api-key", Method: http.MethodPatch, Path: "/api/v1/api-keys/{id}", Tags: tags,
		Summary: "Change an API key's name, end or devices",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body APIKeyChange
	},
	) (*answer[APIKey], error) {
		k, err := s.admin.UpdateAPIKey(ctx, in.ID, in.Body)
		return &answer[APIKey]{k}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "delete-api-key", Method: http.MethodDelete, Path: "/api/v1/api-keys/{id}", Tags: tags,
		Summary: "Delete an API key and end its connections", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteAPIKey(ctx, in.ID)
	})
}
