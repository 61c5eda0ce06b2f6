package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"tidegate/store"
)

const (
	writePatience = 10 * time.Second // of one change, all its round trips together
	writeAttempts = 50               // when others change the catalogue at the same time
	sendAttempts  = 5                // of one insert without an answer
	sendPause     = 50 * time.Millisecond
	changeBytes   = 1 << 20  // after which a batch goes on in the next change
	mostBytes     = 15 << 20 // of one change; a document has at most 16 MB
)

// errOutrun says that the next number was taken by another instance.
var errOutrun = fmt.Errorf("%w: other instances change the catalogue all the time; try again", store.ErrUnavailable)

// write judges fn by the rules, on a copy that has caught up, and makes what it
// answers. fn may be called several times.
func (c *Catalog) write(ctx context.Context, doing string, fn func(store.Catalog) (store.CatalogChange, error)) error {
	caller, until := ctx, time.Now().Add(c.patience)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := c.lock(ctx)
	if err == nil {
		err = c.writeLocked(ctx, until, fn)
		c.unlock()
	}
	switch cerr := caller.Err(); {
	case err == nil, errors.As(err, new(*store.Error)):
		return err
	case cerr != nil && !errors.Is(err, cerr) && !errors.Is(err, store.ErrUncertain):
		return fmt.Errorf("%s: %w (%w)", doing, cerr, err)
	}
	return fmt.Errorf("%s: %w", doing, fault(err))
}

func (c *Catalog) writeLocked(ctx context.Context, until time.Time, fn func(store.Catalog) (store.CatalogChange, error)) error {
	if err := c.db.Ready(ctx); err != nil {
		return err
	}
	token := newToken()
	for range writeAttempts {
		// It judges by what others did, and never adds to a database that is not
		// the one of the copy, or was restored from a backup.
		if err := c.catchUp(ctx); err != nil {
			return err
		}
		var change store.CatalogChange
		if err := c.local.Try(ctx, func(draft store.Catalog) (err error) { change, err = fn(draft); return err }); err != nil {
			return err
		}
		if err := c.commit(ctx, until, change, token); !errors.Is(err, errOutrun) {
			return err
		}
	}
	return errOutrun
}

// commit makes one change of the revision that the copy has. From here on a
// caller who gives up is not heeded: what was begun has an outcome, which must
// reach the copy.
func (c *Catalog) commit(ctx context.Context, until time.Time, change store.CatalogChange, token string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	doc := docOfChange(change, int64(c.mark.Revision)+1, token, dateOf(c.o.Now()))
	raw, err := bson.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode the change: %w", err)
	}
	if len(raw) > mostBytes {
		return store.Invalid("change", "", "of %d MB is too large for MongoDB, which takes 16 at once; make it in parts", len(raw)>>20)
	}
	if err := c.send(ctx, raw, &doc); err != nil {
		return err
	}
	if err := c.follow(ctx, &doc); err != nil {
		return fmt.Errorf("%w: the change is made in the database, but not in this folder's copy yet: %w", store.ErrUncertain, err)
	}
	c.view(ctx, &doc)
	return nil
}

// send inserts a change until the server says what became of it: to insert it
// again is safe, because its number is taken once.
func (c *Catalog) send(ctx context.Context, raw []byte, doc *changeDoc) error {
	doubt := false
	for try := 1; ; try++ {
		_, err := c.db.db.Collection(changesCollection).InsertOne(ctx, bson.Raw(raw))
		if mongo.IsDuplicateKeyError(err) {
			var ours bool
			if ours, err = c.made(ctx, doc); err == nil && !ours {
				return errOutrun
			}
		}
		if err == nil {
			return nil
		}
		answer := fault(err)
		// The driver tells of no server only when it has not sent anything.
		no := !errors.Is(answer, store.ErrUnavailable) || hasCode(err, codeUnauthorized) || errors.As(err, new(topology.ServerSelectionError))
		doubt = doubt || !no
		switch {
		case !doubt:
			return answer
		case no, try == sendAttempts, c.db.Ready(ctx) != nil, pause(ctx, sendPause) != nil:
			return fmt.Errorf("%w: whether it was made is not known until the database is back: %w", store.ErrUncertain, answer)
		}
	}
}

// made asks whether the change of a number that is taken is doc. The server has
// answered after a majority had whatever took it.
func (c *Catalog) made(ctx context.Context, doc *changeDoc) (bool, error) {
	var is struct {
		Token string `bson:"token"`
	}
	err := c.db.agreed(changesCollection).FindOne(ctx, bson.D{{Key: "_id", Value: doc.Revision}}).Decode(&is)
	if err != nil {
		return false, fmt.Errorf("%w: ask whose change %d is: %w", store.ErrUnavailable, doc.Revision, redacted{err})
	}
	return is.Token == doc.Token, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow brings a change into the copy.
func (c *Catalog) follow(ctx context.Context, doc *changeDoc) error {
	m := c.markOf(doc.Revision, doc.Token)
	if err := c.local.Follow(context.WithoutCancel(ctx), m, doc.change()); err != nil {
		return err
	}
	c.mark, c.follows = m, true
	return nil
}

func (c *Catalog) markOf(revision int64, token string) store.CatalogMark {
	return store.CatalogMark{Database: c.db.identity(), Name: c.db.place(), Revision: uint64(revision), Token: token, Form: store.CatalogForm}
}

// CreateOrganization implements store.Organizations.
func (c *Catalog) CreateOrganization(ctx context.Context, o store.Organization) error {
	return c.write(ctx, "create organization", func(draft store.Catalog) (store.CatalogChange, error) {
		return organizationChange(ctx, draft, o.ID, draft.CreateOrganization(ctx, o))
	})
}

// UpdateOrganization implements store.Organizations.
func (c *Catalog) UpdateOrganization(ctx context.Context, o store.Organization) error {
	return c.write(ctx, "update organization", func(draft store.Catalog) (store.CatalogChange, error) {
		return organizationChange(ctx, draft, o.ID, draft.UpdateOrganization(ctx, o))
	})
}

func organizationChange(ctx context.Context, draft store.Catalog, id string, err error) (store.CatalogChange, error) {
	if err != nil {
		return store.CatalogChange{}, err
	}
	o, err := draft.Organization(ctx, id)
	return store.CatalogChange{Organizations: []store.Organization{o}}, err
}

// DeleteOrganization implements store.Organizations.
func (c *Catalog) DeleteOrganization(ctx context.Context, id string) error {
	return c.write(ctx, "delete organization", func(draft store.Catalog) (store.CatalogChange, error) {
		change := store.CatalogChange{GoneOrganizations: []string{id}}
		rules, err := draft.ListAlertRules(ctx, store.AlertRuleFilter{OrgID: id})
		if err != nil {
			return change, err
		}
		channels, err := draft.ListChannels(ctx, store.ChannelFilter{OrgID: id})
		if err != nil {
			return change, err
		}
		for _, r := range rules {
			change.GoneAlertRules = append(change.GoneAlertRules, r.ID)
		}
		for _, ch := range channels {
			change.GoneChannels = append(change.GoneChannels, ch.ID)
		}
		return change, draft.DeleteOrganization(ctx, id)
	})
}

// CreateUser implements store.Users.
func (c *Catalog) CreateUser(ctx context.Context, u store.User) error {
	return c.write(ctx, "create user", func(draft store.Catalog) (store.CatalogChange, error) {
		return userChange(ctx, draft, u.ID, draft.CreateUser(ctx, u))
	})
}

// UpdateUser implements store.Users.
func (c *Catalog) UpdateUser(ctx context.Context, u store.User) error {
	return c.write(ctx, "update user", func(draft store.Catalog) (store.CatalogChange, error) {
		return userChange(ctx, draft, u.ID, draft.UpdateUser(ctx, u))
	})
}

func userChange(ctx context.Context, draft store.Catalog, id string, err error) (store.CatalogChange, error) {
	if err != nil {
		return store.CatalogChange{}, err
	}
	u, err := draft.User(ctx, id)
	return store.CatalogChange{Users: []store.User{u}}, err
}

// DeleteUser implements store.Users.
func (c *Catalog) DeleteUser(ctx context.Context, id string) error {
	return c.write(ctx, "delete user", func(draft store.Catalog) (store.CatalogChange, error) {
		return store.CatalogChange{GoneUsers: []string{id}}, draft.DeleteUser(ctx, id)
	})
}

// CreateDevice implements store.Devices.
func (c *Catalog) CreateDevice(ctx context.Context, d store.Device, ports []store.Port) (made store.Device, err error) {
	err = c.write(ctx, "create device", func(draft store.Catalog) (change store.CatalogChange, err error) {
		made, change, err = deviceChange(ctx, draft, d, ports)
		return change, err
	})
	if err != nil {
		return store.Device{}, err
	}
	return made, nil
}

func deviceChange(ctx context.Context, draft store.Catalog, d store.Device, ports []store.Port) (store.Device, store.CatalogChange, error) {
	made, err := draft.CreateDevice(ctx, d, ports)
	if err != nil {
		return store.Device{}, store.CatalogChange{}, err
	}
	kept, err := draft.ListPorts(ctx, made.ID)
	return made, store.CatalogChange{Devices: []store.Device{made}, Ports: kept}, err
}

// UpdateDevice implements store.Devices.
func (c *Catalog) UpdateDevice(ctx context.Context, d store.Device) error {
	return c.write(ctx, "update device", func(draft store.Catalog) (store.CatalogChange, error) {
		if err := draft.UpdateDevice(ctx, d); err != nil {
			return store.CatalogChange{}, err
		}
		is, err := draft.Device(ctx, d.ID)
		return store.CatalogChange{Devices: []store.Device{is}}, err
	})
}

// PutPort implements store.Ports.
func (c *Catalog) PutPort(ctx context.Context, p store.Port) error {
	return c.write(ctx, "put port", func(draft store.Catalog) (store.CatalogChange, error) {
		if err := draft.PutPort(ctx, p); err != nil {
			return store.CatalogChange{}, err
		}
		is, err := draft.Port(ctx, p.DeviceID, p.Number)
		return store.CatalogChange{Ports: []store.Port{is}}, err
	})
}

// DeletePort implements store.Ports.
func (c *Catalog) DeletePort(ctx context.Context, deviceID string, number uint16) error {
	return c.write(ctx, "delete port", func(draft store.Catalog) (store.CatalogChange, error) {
		return store.CatalogChange{GonePorts: []store.PortID{{DeviceID: deviceID, Number: number}}}, draft.DeletePort(ctx, deviceID, number)
	})
}

// CreateAPIKey implements store.APIKeys.
func (c *Catalog) CreateAPIKey(ctx context.Context, k store.APIKey) error {
	return c.write(ctx, "create API key", func(draft store.Catalog) (store.CatalogChange, error) {
		return apiKeyChange(ctx, draft, k.ID, draft.CreateAPIKey(ctx, k))
	})
}

// UpdateAPIKey implements store.APIKeys.
func (c *Catalog) UpdateAPIKey(ctx context.Context, k store.APIKey) error {
	return c.write(ctx, "update API key", func(draft store.Catalog) (store.CatalogChange, error) {
		return apiKeyChange(ctx, draft, k.ID, draft.UpdateAPIKey(ctx, k))
	})
}

func apiKeyChange(ctx context.Context, draft store.Catalog, id string, err error) (store.CatalogChange, error) {
	if err != nil {
		return store.CatalogChange{}, err
	}
	k, err := draft.APIKey(ctx, id)
	return store.CatalogChange{APIKeys: []store.APIKey{k}}, err
}

// DeleteAPIKey implements store.APIKeys.
func (c *Catalog) DeleteAPIKey(ctx context.Context, id string) error {
	return c.write(ctx, "delete API key", func(draft store.Catalog) (store.CatalogChange, error) {
		return store.CatalogChange{GoneAPIKeys: []string{id}}, draft.DeleteAPIKey(ctx, id)
	})
}
