package mongo

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// The documents of the catalogue. Their fields are called as in the API, but
// for what the outside never sees. rev is the change that wrote the document:
// an older one never overwrites it.

type organizationDoc struct {
	ID        string        `bson:"_id"`
	Name      string        `bson:"name"`
	CreatedAt bson.DateTime `bson:"createdAt"`
	Rev       int64         `bson:"rev"`
}

type userDoc struct {
	ID           string        `bson:"_id"`
	Email        string        `bson:"email"`
	EmailKey     string        `bson:"emailKey"` // in lower case
	Role         string        `bson:"role"`
	OrgID        string        `bson:"orgId,omitempty"`
	PasswordHash string        `bson:"passwordHash,omitempty"`
	CreatedAt    bson.DateTime `bson:"createdAt"`
	Rev          int64         `bson:"rev"`

	Name              string         `bson:"name,omitempty"`
	PasswordChangedAt *bson.DateTime `bson:"passwordChangedAt,omitempty"` // absent: not known
	LinkHash          []byte         `bson:"linkHash,omitempty"`
	LinkExpires       *bson.DateTime `bson:"linkExpires,omitempty"` // absent: there is no link
}

type deviceDoc struct {
	ID               string        `bson:"_id"`
	UID              int64         `bson:"uid"`
	OrgID            string        `bson:"orgId"`
	SerialNumber     string        `bson:"serialNumber,omitempty"`
	Name             string        `bson:"name,omitempty"`
	State            string        `bson:"state"`
	SecretHash       []byte        `bson:"secretHash,omitempty"`
	AcceptPastNanos  *int64        `bson:"acceptPastNanos,omitempty"`
	AcceptAheadNanos *int64        `bson:"acceptAheadNanos,omitempty"`
	AssumeZone       string        `bson:"assumeZone,omitempty"`
	Tags             []string      `bson:"tags,omitempty"`
	CreatedAt        bson.DateTime `bson:"createdAt"`
	Rev              int64         `bson:"rev"`
}

type portDoc struct {
	ID           string           `bson:"_id"` // device id / number
	DeviceID     string           `bson:"deviceId"`
	Number       int32            `bson:"portNumber"`
	Name         string           `bson:"name,omitempty"`
	Unit         string           `bson:"unit,omitempty"`
	Calibrations []calibrationDoc `bson:"calibrations"`
	ValidMin     *float64         `bson:"validMin,omitempty"`
	ValidMax     *float64         `bson:"validMax,omitempty"`
	Low          *float64         `bson:"low,omitempty"`
	High         *float64         `bson:"high,omitempty"`
	CreatedAt    bson.DateTime    `bson:"createdAt"`
	Rev          int64            `bson:"rev"`
}

type calibrationDoc struct {
	Number        int32          `bson:"number"`
	Scaling       float64        `bson:"scaling"`
	Offset        float64        `bson:"offset"`
	EffectiveFrom *bson.DateTime `bson:"effectiveFrom,omitempty"` // absent: since ever
	CreatedAt     bson.DateTime  `bson:"createdAt"`
}

type apiKeyDoc struct {
	ID         string         `bson:"_id"`
	Name       string         `bson:"name"`
	OrgID      string         `bson:"orgId,omitempty"` // absent: all organizations
	Scopes     []string       `bson:"scopes"`
	DeviceIDs  []string       `bson:"deviceIds,omitempty"` // absent: all of the organization
	ExpiresAt  *bson.DateTime `bson:"expiresAt,omitempty"` // absent: never
	SecretHash []byte         `bson:"secretHash,omitempty"`
	CreatedBy  string         `bson:"createdBy"`
	CreatedAt  bson.DateTime  `bson:"createdAt"`
	Rev        int64          `bson:"rev"`
}

// goneDoc is what is left for a while of what was deleted, a device excepted.
type goneDoc struct {
	ID   string        `bson:"_id"`
	Gone bson.DateTime `bson:"gone"`
	Rev  int64         `bson:"rev"`
}

func portDocID(deviceID string, number uint16) string { return fmt.Sprintf("%s/%d", deviceID, number) }

func dateOf(t time.Time) bson.DateTime { return bson.DateTime(t.UnixMilli()) }

// optionalDate answers nil for the zero time.
func optionalDate(t time.Time) *bson.DateTime {
	if t.IsZero() {
		return nil
	}
	d := dateOf(t)
	return &d
}

// optionalTime is the inverse of optionalDate.
func optionalTime(d *bson.DateTime) time.Time {
	if d == nil {
		return time.Time{}
	}
	return timeOf(*d)
}

func timeOf(d bson.DateTime) time.Time { return time.UnixMilli(int64(d)).UTC() }

func docOfOrganization(o store.Organization, rev int64) organizationDoc {
	return organizationDoc{ID: o.ID, Name: o.Name, CreatedAt: dateOf(o.CreatedAt), Rev: rev}
}

func (d organizationDoc) organization() store.Organization {
	return store.Organization{ID: d.ID, Name: d.Name, CreatedAt: timeOf(d.CreatedAt)}
}

func docOfUser(u store.User, rev int64) userDoc {
	return userDoc{
		ID: u.ID, Email: u.Email, EmailKey: strings.ToLower(u.Email), Role: string(u.Role), OrgID: u.OrgID,
		PasswordHash: u.PasswordHash, CreatedAt: dateOf(u.CreatedAt), Rev: rev,
		Name: u.Name, PasswordChangedAt: optionalDate(u.PasswordChangedAt), LinkHash: u.LinkHash, LinkExpires: optionalDate(u.LinkExpires),
	}
}

func (d userDoc) user() store.User {
	return store.User{
		ID: d.ID, Email: d.Email, Role: store.Role(d.Role), OrgID: d.OrgID,
		PasswordHash: d.PasswordHash, CreatedAt: timeOf(d.CreatedAt),
		Name: d.Name, PasswordChangedAt: optionalTime(d.PasswordChangedAt), LinkHash: d.LinkHash, LinkExpires: optionalTime(d.LinkExpires),
	}
}

func docOfDevice(d store.Device, rev int64) deviceDoc {
	return deviceDoc{
		ID: d.ID, UID: int64(d.UID), OrgID: d.OrgID, SerialNumber: d.SerialNumber, Name: d.Name, State: string(d.State),
		SecretHash: d.SecretHash, AcceptPastNanos: (*int64)(d.AcceptPast), AcceptAheadNanos: (*int64)(d.AcceptAhead),
		AssumeZone: d.AssumeZone, Tags: d.Tags, CreatedAt: dateOf(d.CreatedAt), Rev: rev,
	}
}

func (d deviceDoc) device() store.Device {
	return store.Device{
		ID: d.ID, UID: uint32(d.UID), OrgID: d.OrgID, SerialNumber: d.SerialNumber, Name: d.Name, State: store.DeviceState(d.State),
		SecretHash: d.SecretHash, AcceptPast: (*time.Duration)(d.AcceptPastNanos), AcceptAhead: (*time.Duration)(d.AcceptAheadNanos),
		AssumeZone: d.AssumeZone, Tags: d.Tags, CreatedAt: timeOf(d.CreatedAt),
	}
}

func docOfPort(p store.Port, rev int64) portDoc {
	d := portDoc{
		ID: portDocID(p.DeviceID, p.Number), DeviceID: p.DeviceID, Number: int32(p.Number), Name: p.Name, Unit: p.Unit,
		Calibrations: make([]calibrationDoc, len(p.Calibrations)),
		ValidMin:     p.ValidMin, ValidMax: p.ValidMax, Low: p.Low, High: p.High, CreatedAt: dateOf(p.CreatedAt), Rev: rev,
	}
	for i, c := range p.Calibrations {
		cd := calibrationDoc{Number: int32(c.Number), Scaling: c.Scaling, Offset: c.Offset, CreatedAt: dateOf(c.CreatedAt)}
		if !c.EffectiveFrom.IsZero() {
			from := dateOf(c.EffectiveFrom)
			cd.EffectiveFrom = &from
		}
		d.Calibrations[i] = cd
	}
	return d
}

func (d portDoc) port() store.Port {
	p := store.Port{
		DeviceID: d.DeviceID, Number: uint16(d.Number), Name: d.Name, Unit: d.Unit,
		Calibrations: make([]store.Calibration, len(d.Calibrations)),
		ValidMin:     d.ValidMin, ValidMax: d.ValidMax, Low: d.Low, High: d.High, CreatedAt: timeOf(d.CreatedAt),
	}
	for i, cd := range d.Calibrations {
		c := store.Calibration{Number: uint16(cd.Number), Scaling: cd.Scaling, Offset: cd.Offset, CreatedAt: timeOf(cd.CreatedAt)}
		if cd.EffectiveFrom != nil {
			c.EffectiveFrom = timeOf(*cd.EffectiveFrom)
		}
		p.Calibrations[i] = c
	}
	return p
}

func docOfAPIKey(k store.APIKey, rev int64) apiKeyDoc {
	d := apiKeyDoc{
		ID: k.ID, Name: k.Name, OrgID: k.OrgID, Scopes: make([]string, len(k.Scopes)), DeviceIDs: k.DeviceIDs,
		SecretHash: k.SecretHash, CreatedBy: k.CreatedBy, CreatedAt: dateOf(k.CreatedAt), Rev: rev,
	}
	for i, s := range k.Scopes {
		d.Scopes[i] = string(s)
	}
	if k.ExpiresAt != nil {
		at := dateOf(*k.ExpiresAt)
		d.ExpiresAt = &at
	}
	return d
}

func (d apiKeyDoc) apiKey() store.APIKey {
	k := store.APIKey{
		ID: d.ID, Name: d.Name, OrgID: d.OrgID, Scopes: make([]store.Scope, len(d.Scopes)), DeviceIDs: d.DeviceIDs,
		SecretHash: d.SecretHash, CreatedBy: d.CreatedBy, CreatedAt: timeOf(d.CreatedAt),
	}
	for i, s := range d.Scopes {
		k.Scopes[i] = store.Scope(s)
	}
	if d.ExpiresAt != nil {
		at := timeOf(*d.ExpiresAt)
		k.ExpiresAt = &at
	}
	return k
}
