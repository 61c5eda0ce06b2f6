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
	return changeDoc{
		Revision: revision, Token: token, At: at,
		Organizations: docsOf(c.Organizations, revision, docOfOrganization), Users: docsOf(c.Users, revision, docOfUser),
		Devices: docsOf(c.Devices, revision, docOfDevice), Ports: docsOf(c.Ports, revision, docOfPort),
		APIKeys: docsOf(c.APIKeys, revision, docOfAPIKey), AlertRules: docsOf(c.AlertRules, revision, docOfAlertRule),
		Channels:          docsOf(c.Channels, revision, docOfChannel),
		GoneOrganizations: c.GoneOrganizations, GoneUsers: c.GoneUsers, GoneAPIKeys: c.GoneAPIKeys,
		GoneAlertRules: c.GoneAlertRules, GoneChannels: c.GoneChannels,
		GonePorts: mapped(c.GonePorts, func(p store.PortID) portRef { return portRef{p.DeviceID, int32(p.Number)} }),
	}
}

// change answers what the copy shall follow.
func (d *changeDoc) change() store.CatalogChange {
	return store.CatalogChange{
		Organizations: mapped(d.Organizations, organizationDoc.organization), Users: mapped(d.Users, userDoc.user),
		Devices: mapped(d.Devices, deviceDoc.device), Ports: mapped(d.Ports, portDoc.port),
		APIKeys: mapped(d.APIKeys, apiKeyDoc.apiKey), AlertRules: mapped(d.AlertRules, alertRuleDoc.alertRule),
		Channels:          mapped(d.Channels, channelDoc.channel),
		GoneOrganizations: d.GoneOrganizations, GoneUsers: d.GoneUsers, GoneAPIKeys: d.GoneAPIKeys,
		GoneAlertRules: d.GoneAlertRules, GoneChannels: d.GoneChannels,
		GonePorts: mapped(d.GonePorts, func(p portRef) store.PortID { return store.PortID{DeviceID: p.DeviceID, Number: uint16(p.Number)} }),
	}
}

// mapped answers fn of each; nil of none.
func mapped[S, T any](list []S, fn func(S) T) []T {
	var out []T
	for _, v := range list {
		out = append(out, fn(v))
	}
	return out
}

// docsOf answers the documents of objects that a revision leaves behind.
func docsOf[S, D any](list []S, revision int64, doc func(S, int64) D) []D {
	return mapped(list, func(v S) D { return doc(v, revision) })
}
