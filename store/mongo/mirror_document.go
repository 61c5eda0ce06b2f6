package mongo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// The documents of a Mirror have the fields of the API's JSON, times as dates.

// letterKey orders letters as their ids do.
type letterKey struct {
	Log   string `bson:"log"`
	Seq   int64  `bson:"seq"`
	Index int64  `bson:"index"`
}

type letterDoc struct {
	Key        letterKey     `bson:"_id"`
	ID         string        `bson:"id"`
	Reason     string        `bson:"reason"`
	Detail     string        `bson:"detail"`
	OrgID      string        `bson:"orgId"`
	DeviceID   string        `bson:"deviceId"`
	Port       string        `bson:"port,omitempty"`
	Topic      string        `bson:"topic"`
	Source     string        `bson:"source"`
	Principal  string        `bson:"principal"`
	Payload    string        `bson:"payload"` // its first store.LetterPreviewBytes
	Size       int64         `bson:"payloadBytes"`
	ReceivedAt bson.DateTime `bson:"receivedAt"`
	Sum        int64         `bson:"sum"` // of the fields: whether the copy is as the letter is
}

func docOfLetter(log string, id store.LetterID, l store.DeadLetter) (letterDoc, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return letterDoc{}, fmt.Errorf("encode dead letter %s: %w", l.ID, err)
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	return letterDoc{
		Key: letterKey{log, int64(id.Seq), int64(id.Index)}, ID: l.ID, Reason: string(l.Reason), Detail: valid(l.Detail),
		OrgID: valid(l.OrgID), DeviceID: valid(l.DeviceID), Port: valid(l.Port), Topic: valid(l.Topic), Source: l.Source,
		Principal: valid(l.Principal), Payload: valid(l.Payload), Size: int64(l.Size), ReceivedAt: bson.DateTime(l.ReceivedAt),
		Sum: int64(h.Sum64()),
	}, nil
}

// valid answers s as the server takes it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// auditKey orders entries by number; two timelines of one trail both find room.
type auditKey struct {
	Trail string `bson:"trail"` // what the first entry follows
	Seq   int64  `bson:"seq"`
	Hash  string `bson:"hash"`
}

type auditDoc struct {
	Key    auditKey      `bson:"_id"`
	Seq    int64         `bson:"seq"`
	At     bson.DateTime `bson:"at"`
	Actor  string        `bson:"actor"`
	Remote string        `bson:"remote,omitempty"`
	Action string        `bson:"action"`
	Noun   string        `bson:"noun"`
	ID     string        `bson:"id"`
	Before any           `bson:"before,omitempty"`
	After  any           `bson:"after,omitempty"`
	// Omitted says that before and after are too large for a document.
	Omitted bool   `bson:"omitted,omitempty"`
	Prev    string `bson:"prev"`
	Hash    string `bson:"hash"`
}

// largestAudit bounds before and after together, in bytes of JSON: a document
// has at most 16 MB.
const largestAudit = 4 << 20

func docOfAudit(trail string, e store.AuditEntry) auditDoc {
	d := auditDoc{
		Key: auditKey{trail, int64(e.Seq), e.Hash}, Seq: int64(e.Seq), At: bson.DateTime(e.At), Actor: valid(e.Actor),
		Remote: valid(e.Remote), Action: e.Action, Noun: e.Noun, ID: valid(e.ID), Prev: e.Prev, Hash: e.Hash,
	}
	if d.Omitted = len(e.Before)+len(e.After) > largestAudit; !d.Omitted {
		d.Before, d.After = bsonOf(e.Before), bsonOf(e.After)
	}
	return d
}

// bsonOf answers JSON as BSON: objects in their order, whole numbers as such.
// What is no JSON, or too deep for the server, becomes a string.
func bsonOf(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := nextBSON(d, 0)
	if err != nil {
		return valid(string(raw))
	}
	return v
}

const deepestBSON = 50 // the server takes 100 levels, with the document around it

func nextBSON(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > deepestBSON {
		return nil, fmt.Errorf("deeper than %d levels", deepestBSON)
	}
	switch t := t.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			a := bson.A{}
			for d.More() {
				v, err := nextBSON(d, depth+1)
				if err != nil {
					return nil, err
				}
				a = append(a, v)
			}
			_, err := d.Token()
			return a, err
		}
		o := bson.D{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := nextBSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			// A key of BSON ends with its first zero byte.
			o = append(o, bson.E{Key: strings.ReplaceAll(k.(string), "\x00", "\uFFFD"), Value: v})
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil
}

// ledgerKey orders rows as the ledger does.
type ledgerKey struct {
	Log      string        `bson:"log"`
	Hour     bson.DateTime `bson:"hour"`
	DeviceID string        `bson:"deviceId"`
}

type ledgerDoc struct {
	Key       ledgerKey     `bson:"_id"`
	Hour      bson.DateTime `bson:"hour"`
	DeviceID  string        `bson:"deviceId"` // empty: no registered device
	Received  int64         `bson:"received"`
	Stored    int64         `bson:"stored"`
	Duplicate int64         `bson:"duplicate"`
	Rejected  int64         `bson:"rejected"`
	Pending   int64         `bson:"pending"`
}

func docOfHour(log string, h store.LedgerHour) ledgerDoc {
	hour := bson.DateTime(h.Hour)
	return ledgerDoc{
		Key: ledgerKey{log, hour, h.DeviceID}, Hour: hour, DeviceID: h.DeviceID, Received: int64(h.Received),
		Stored: int64(h.Stored), Duplicate: int64(h.Duplicate), Rejected: int64(h.Rejected), Pending: int64(h.Pending),
	}
}
