package embedded

import (
	"encoding/json"
	"fmt"
	"time"

	"tidegate/store"
)

// The forms in which the catalogue is kept. They are not those of the API: what
// the outside never sees (hashes, UIDs) is here, and times are milliseconds.

type organizationRecord struct {
	Name      string `json:"name"`
	CreatedAt int64  `json:"created"`
}

type userRecord struct {
	Email        string `json:"email"`
	Role         string `json:"role"`
	OrgID        string `json:"org,omitempty"`
	PasswordHash string `json:"password,omitempty"`
	CreatedAt    int64  `json:"created"`

	Name              string `json:"name,omitempty"`
	PasswordChangedAt *int64 `json:"passwordChanged,omitempty"` // absent: not known
	LinkHash          []byte `json:"link,omitempty"`
	LinkExpires       *int64 `json:"linkExpires,omitempty"` // absent: there is no link
}

type deviceRecord struct {
	UID         uint32         `json:"uid"`
	OrgID       string         `json:"org"`
	Serial      string         `json:"serial,omitempty"`
	Name        string         `json:"name,omitempty"`
	State       string         `json:"state"`
	SecretHash  []byte         `json:"secret,omitempty"`
	AcceptPast  *time.Duration `json:"acceptPast,omitempty"`
	AcceptAhead *time.Duration `json:"acceptAhead,omitempty"`
	AssumeZone  string         `json:"zone,omitempty"`
	Tags        []string       `json:"tags,omitempty"`
	CreatedAt   int64          `json:"created"`
}

type portRecord struct {
	Name         string              `json:"name,omitempty"`
	Unit         string              `json:"unit,omitempty"`
	Calibrations []calibrationRecord `json:"cal"`
	ValidMin     *float64            `json:"min,omitempty"`
	ValidMax     *float64            `json:"max,omitempty"`
	Low          *float64            `json:"low,omitempty"`
	High         *float64            `json:"high,omitempty"`
	CreatedAt    int64               `json:"created"`
}

type calibrationRecord struct {
	Number    uint16  `json:"n"`
	Scaling   float64 `json:"s"`
	Offset    float64 `json:"o,omitempty"`
	From      *int64  `json:"from,omitempty"` // absent: since ever
	CreatedAt int64   `json:"created"`
}

func encodeRecord(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // records hold nothing that JSON cannot say: floats are validated
	}
	return b
}

func decodeRecord(noun, id string, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s %q of the catalogue: %w", noun, id, err)
	}
	return nil
}

func decodeOrganization(id string, b []byte) (store.Organization, error) {
	var r organizationRecord
	if err := decodeRecord("organization", id, b, &r); err != nil {
		return store.Organization{}, err
	}
	return store.Organization{ID: id, Name: r.Name, CreatedAt: milliTime(r.CreatedAt)}, nil
}

func encodeUser(u store.User) []byte {
	return encodeRecord(userRecord{
		Email: u.Email, Role: string(u.Role), OrgID: u.OrgID,
		PasswordHash: u.PasswordHash, CreatedAt: u.CreatedAt.UnixMilli(),
		Name: u.Name, PasswordChangedAt: millisOf(u.PasswordChangedAt), LinkHash: u.LinkHash, LinkExpires: millisOf(u.LinkExpires),
	})
}

func decodeUser(id string, b []byte) (store.User, error) {
	var r userRecord
	if err := decodeRecord("user", id, b, &r); err != nil {
		return store.User{}, err
	}
	return store.User{
		ID: id, Email: r.Email, Role: store.Role(r.Role), OrgID: r.OrgID,
		PasswordHash: r.PasswordHash, CreatedAt: milliTime(r.CreatedAt),
		Name: r.Name, PasswordChangedAt: timeOrZero(r.PasswordChangedAt), LinkHash: r.LinkHash, LinkExpires: timeOrZero(r.LinkExpires),
	}, nil
}

func encodeDevice(d store.Device) []byte {
	return encodeRecord(deviceRecord{
		UID: d.UID, OrgID: d.OrgID, Serial: d.SerialNumber, Name: d.Name,
		State: string(d.State), SecretHash: d.SecretHash, AcceptPast: d.AcceptPast, AcceptAhead: d.AcceptAhead,
		AssumeZone: d.AssumeZone, Tags: d.Tags, CreatedAt: d.CreatedAt.UnixMilli(),
	})
}

func decodeDevice(id string, b []byte) (store.Device, error) {
	var r deviceRecord
	if err := decodeRecord("device", id, b, &r); err != nil {
		return store.Device{}, err
	}
	return store.Device{
		ID: id, UID: r.UID, OrgID: r.OrgID, SerialNumber: r.Serial, Name: r.Name,
		State: store.DeviceState(r.State), SecretHash: r.SecretHash, AcceptPast: r.AcceptPast,
		AcceptAhead: r.AcceptAhead, AssumeZone: r.AssumeZone, Tags: r.Tags, CreatedAt: milliTime(r.CreatedAt),
	}, nil
}

func encodePort(p store.Port) []byte {
	r := portRecord{
		Name: p.Name, Unit: p.Unit, ValidMin: p.ValidMin, ValidMax: p.ValidMax, Low: p.Low, High: p.High,
		CreatedAt: p.CreatedAt.UnixMilli(),
	}
	for _, c := range p.Calibrations {
		cr := calibrationRecord{Number: c.Number, Scaling: c.Scaling, Offset: c.Offset, CreatedAt: c.CreatedAt.UnixMilli()}
		if !c.EffectiveFrom.IsZero() {
			ms := c.EffectiveFrom.UnixMilli()
			cr.From = &ms
		}
		r.Calibrations = append(r.Calibrations, cr)
	}
	return encodeRecord(r)
}

func decodePort(deviceID string, number uint16, b []byte) (store.Port, error) {
	var r portRecord
	if err := decodeRecord("port", fmt.Sprintf("%s/%d", deviceID, number), b, &r); err != nil {
		return store.Port{}, err
	}
	p := store.Port{
		DeviceID: deviceID, Number: number, Name: r.Name, Unit: r.Unit, ValidMin: r.ValidMin,
		ValidMax: r.ValidMax, Low: r.Low, High: r.High, CreatedAt: milliTime(r.CreatedAt),
		Calibrations: make([]store.Calibration, len(r.Calibrations)),
	}
	for i, cr := range r.Calibrations {
		c := store.Calibration{Number: cr.Number, Scaling: cr.Scaling, Offset: cr.Offset, CreatedAt: milliTime(cr.CreatedAt)}
		if cr.From != nil {
			c.EffectiveFrom = milliTime(*cr.From)
		}
		p.Calibrations[i] = c
	}
	return p, nil
}

// millisOf answers a time that may be absent.
func millisOf(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// timeOrZero is the inverse of millisOf.
func timeOrZero(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return milliTime(*ms)
}

func milliTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// kept answers t as the catalogue keeps it: to the millisecond, now when zero.
func kept(t, now time.Time) time.Time {
	if t.IsZero() {
		t = now
	}
	return milliTime(t.UnixMilli())
}
