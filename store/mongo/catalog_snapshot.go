package mongo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// snapshot is a catalogue in memory, by id.
type snapshot struct {
	organizations map[string]organizationDoc
	users         map[string]userDoc
	devices       map[string]deviceDoc
	ports         map[string]portDoc
	apiKeys       map[string]apiKeyDoc
	alertRules    map[string]alertRuleDoc
	channels      map[string]channelDoc
}

func newSnapshot() *snapshot {
	return &snapshot{
		map[string]organizationDoc{},
		map[string]userDoc{},
		map[string]deviceDoc{},
		map[string]portDoc{},
		map[string]apiKeyDoc{},
		map[string]alertRuleDoc{},
		map[string]channelDoc{},
	}
}

func (s *snapshot) read(ctx context.Context, d *Database) error {
	for _, err := range []error{
		readAll(ctx, d, organizationsCollection, func(o *organizationDoc) { s.organizations[o.ID] = *o }),
		readAll(ctx, d, usersCollection, func(u *userDoc) { s.users[u.ID] = *u }),
		readAll(ctx, d, devicesCollection, func(v *deviceDoc) { s.devices[v.ID] = *v }),
		readAll(ctx, d, portsCollection, func(p *portDoc) { s.ports[p.ID] = *p }),
		readAll(ctx, d, apiKeysCollection, func(k *apiKeyDoc) { s.apiKeys[k.ID] = *k }),
		readAll(ctx, d, alertRulesCollection, func(r *alertRuleDoc) { s.alertRules[r.ID] = *r }),
		readAll(ctx, d, channelsCollection, func(c *channelDoc) { s.channels[c.ID] = *c }),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// readAll calls take for every document that a change wrote and that is not
// gone.
func readAll[T any](ctx context.Context, d *Database, name string, take func(*T)) error {
	there := bson.D{{Key: "rev", Value: bson.D{{Key: "$gte", Value: 1}}}, {Key: "gone", Value: bson.D{{Key: "$exists", Value: false}}}}
	cur, err := d.agreed(name).Find(ctx, there)
	err = each(ctx, name, cur, err, func(v *T) error { take(v); return nil })
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// apply makes one change.
func (s *snapshot) apply(c *changeDoc) {
	for _, id := range c.GoneOrganizations {
		delete(s.organizations, id)
	}
	for _, id := range c.GoneUsers {
		delete(s.users, id)
	}
	for _, p := range c.GonePorts {
		delete(s.ports, portDocID(p.DeviceID, uint16(p.Number)))
	}
	for _, id := range c.GoneAPIKeys {
		delete(s.apiKeys, id)
	}
	for _, id := range c.GoneAlertRules {
		delete(s.alertRules, id)
	}
	for _, id := range c.GoneChannels {
		delete(s.channels, id)
	}
	for _, o := range c.Organizations {
		s.organizations[o.ID] = o
	}
	for _, u := range c.Users {
		s.users[u.ID] = u
	}
	for _, d := range c.Devices {
		s.devices[d.ID] = d
	}
	for _, p := range c.Ports {
		s.ports[p.ID] = p
	}
	for _, k := range c.APIKeys {
		s.apiKeys[k.ID] = k
	}
	for _, r := range c.AlertRules {
		s.alertRules[r.ID] = r
	}
	for _, v := range c.Channels {
		s.channels[v.ID] = v
	}
}

// whole answers it as one change, in the order of Dump.
func (s *snapshot) whole() store.CatalogChange {
	d := changeDoc{
		Organizations: slices.Collect(maps.Values(s.organizations)), Users: slices.Collect(maps.Values(s.users)),
		Devices: slices.Collect(maps.Values(s.devices)), Ports: slices.Collect(maps.Values(s.ports)), APIKeys: slices.Collect(maps.Values(s.apiKeys)),
		AlertRules: slices.Collect(maps.Values(s.alertRules)), Channels: slices.Collect(maps.Values(s.channels)),
	}
	c := d.change()
	sortWhole(&c)
	return c
}

// sortWhole brings a whole catalogue into the order of Dump.
func sortWhole(c *store.CatalogChange) {
	slices.SortFunc(c.Organizations, func(a, b store.Organization) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Users, func(a, b store.User) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Devices, func(a, b store.Device) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Ports, func(a, b store.Port) int {
		if o := cmp.Compare(a.DeviceID, b.DeviceID); o != 0 {
			return o
		}
		return cmp.Compare(a.Number, b.Number)
	})
	slices.SortFunc(c.APIKeys, func(a, b store.APIKey) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.AlertRules, func(a, b store.AlertRule) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Channels, func(a, b store.Channel) int { return cmp.Compare(a.ID, b.ID) })
}
