package mongo

import (
	"crypto/rand"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// changeDoc is one change of the catalogue in the collection changes. Its
// insert is the moment at which the change happens: the _id is the revision
// after it, so that of two instances that change the same revision one fails.
//
// An old one is emptied: it keeps its number, under which a copy from long ago
// cannot write again, and its token, by which that copy knows it.
type changeDoc struct {
	Revision int64         `bson:"_id"`
	Token    string        `bson:"token"` // of the call that made it: it knows its own again
	Emptied  bool          `bson:"emptied,omitempty"`
	At       bson.DateTime `bson:"at"`
	// Whole says that the catalogue begins here with what is in the collections;
	// see adopt.
	Whole bool `bson:"whole,omitempty"`

	Organizations []organizationDoc `bson:"organizations,omitempty"`
	Users         []userDoc         `bson:"users,omitempty"`
	Devices       []deviceDoc       `bson:"devices,omitempty"`
	Ports         []portDoc         `bson:"ports,omitempty"`
	APIKeys       []apiKeyDoc       `bson:"apiKeys,omitempty"`
	AlertRules    []alertRuleDoc    `bson:"alertRules,omitempty"`
	Channels      []channelDoc      `bson:"channels,omitempty"`

	GoneOrganizations []string  `bson:"goneOrganizations,omitempty"`
	GoneUsers         []string  `bson:"goneUsers,omitempty"`
	GonePorts         []portRef `bson:"gonePorts,omitempty"`
	GoneAPIKeys       []string  `bson:"goneApiKeys,omitempty"`
	GoneAlertRules    []string  `bson:"goneAlertRules,omitempty"`
	GoneChannels      []string  `bson:"goneChannels,omitempty"`
}

type portRef struct {
	DeviceID string `bson:"deviceId"`
	Number   int32  `bson:"portNumber"`
}

// newToken answers what nobody else answers.
func newToken() string { return rand.Text() }

func docOfChange(c store.CatalogChange, revision int64, token string, at bson.DateTime) changeDoc {
	d := changeDoc{
		Revision: revision, Token: token, At: at,
		GoneOrganizations: c.GoneOrganizations, GoneUsers: c.GoneUsers, GoneAPIKeys: c.GoneAPIKeys,
		GoneAlertRules: c.GoneAlertRules, GoneChannels: c.GoneChannels,
	}
	for _, o := range c.Organizations {
		d.Organizations = append(d.Organizations, docOfOrganization(o, revision))
	}
	for _, u := range c.Users {
		d.Users = append(d.Users, docOfUser(u, revision))
	}
	for _, v := range c.Devices {
		d.Devices = append(d.Devices, docOfDevice(v, revision))
	}
	for _, p := range c.Ports {
		d.Ports = append(d.Ports, docOfPort(p, revision))
	}
	for _, k := range c.APIKeys {
		d.APIKeys = append(d.APIKeys, docOfAPIKey(k, revision))
	}
	for _, r := range c.AlertRules {
		d.AlertRules = append(d.AlertRules, docOfAlertRule(r, revision))
	}
	for _, v := range c.Channels {
		d.Channels = append(d.Channels, docOfChannel(v, revision))
	}
	for _, p := range c.GonePorts {
		d.GonePorts = append(d.GonePorts, portRef{p.DeviceID, int32(p.Number)})
	}
	return d
}

// change answers what the copy shall follow.
func (d *changeDoc) change() store.CatalogChange {
	c := store.CatalogChange{
		GoneOrganizations: d.GoneOrganizations, GoneUsers: d.GoneUsers, GoneAPIKeys: d.GoneAPIKeys,
		GoneAlertRules: d.GoneAlertRules, GoneChannels: d.GoneChannels,
	}
	for _, o := range d.Organizations {
		c.Organizations = append(c.Organizations, o.organization())
	}
	for _, u := range d.Users {
		c.Users = append(c.Users, u.user())
	}
	for _, v := range d.Devices {
		c.Devices = append(c.Devices, v.device())
	}
	for _, p := range d.Ports {
		c.Ports = append(c.Ports, p.port())
	}
	for _, k := range d.APIKeys {
		c.APIKeys = append(c.APIKeys, k.apiKey())
	}
	for _, r := range d.AlertRules {
		c.AlertRules = append(c.AlertRules, r.alertRule())
	}
	for _, v := range d.Channels {
		c.Channels = append(c.Channels, v.channel())
	}
	for _, p := range d.GonePorts {
		c.GonePorts = append(c.GonePorts, store.PortID{DeviceID: p.DeviceID, Number: uint16(p.Number)})
	}
	return c
}
