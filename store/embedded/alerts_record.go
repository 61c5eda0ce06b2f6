package embedded

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"tidegate/store"
)

// The buckets of alerts.db.
var (
	alertsMetaBucket  = []byte("alerts")        // "meta" → alertsMeta
	watchBucket       = []byte("watches")       // rule, 0, UID, port → position, body
	eventBucket       = []byte("events")        // id → head, body
	orgEventBucket    = []byte("events_org")    // organization, 0, id → head
	openEventBucket   = []byte("events_open")   // id → head
	changedBucket     = []byte("events_change") // number of the last change → id
	notifiedBucket    = []byte("notifications") // createdAt, id → head, body
	notifiedIDBucket  = []byte("notifications_id")
	eventNotifyBucket = []byte("notifications_event")  // event, 0, createdAt, id → nothing
	queuedBucket      = []byte("notifications_queued") // createdAt, id → nothing
	silenceBucket     = []byte("silences")             // id → silenceRecord

	alertsMetaKey = []byte("meta")
)

func alertsBuckets() [][]byte {
	return [][]byte{
		alertsMetaBucket, watchBucket, eventBucket, orgEventBucket, openEventBucket, changedBucket,
		notifiedBucket, notifiedIDBucket, eventNotifyBucket, queuedBucket, silenceBucket,
	}
}

func watchKey(rule string, s store.Series) []byte {
	b := make([]byte, 0, len(rule)+7)
	b = append(append(b, rule...), 0)
	b = binary.BigEndian.AppendUint32(b, s.UID)
	return binary.BigEndian.AppendUint16(b, s.Port)
}

func parseWatchKey(k []byte) (rule string, s store.Series, ok bool) {
	n := len(k) - 7
	if n < 1 || k[n] != 0 {
		return "", s, false
	}
	return string(k[:n]), store.Series{UID: binary.BigEndian.Uint32(k[n+1:]), Port: binary.BigEndian.Uint16(k[n+5:])}, true
}

// orgKey is what comes first in the keys of an organization, or of an event.
func orgKey(id string) []byte { return append([]byte(id), 0) }

// timedKey orders by time, then id.
func timedKey(at store.Time, id string) []byte { return append(hourKey(int64(at)), id...) }

// eventHead is what filters ask of an event: it is read without the rest. Its
// texts are those of the transaction.
type eventHead struct {
	org, device, rule, severity, state []byte
	acknowledged                       bool
	change                             uint64
	startedAt, endedAt                 int64 // endedAt: 0 while it is open
}

func (h *eventHead) open() bool { return string(h.state) != string(store.AlertResolved) }

const eventAcknowledged = 1 // of the marks

func appendEventHead(b []byte, e *store.AlertEvent, change uint64) []byte {
	for _, s := range [...]string{e.OrgID, e.DeviceID, e.RuleID, string(e.Severity), string(e.State)} {
		b = appendText(b, s)
	}
	marks := uint64(0)
	if e.Acknowledged != nil {
		marks |= eventAcknowledged
	}
	b = binary.AppendUvarint(b, marks)
	b = binary.AppendUvarint(b, change)
	b = binary.AppendVarint(b, int64(e.StartedAt))
	ended := store.Time(0)
	if e.ResolvedAt != nil {
		ended = *e.ResolvedAt
	}
	return binary.AppendVarint(b, int64(ended))
}

// readEventHead answers the head and what is behind it.
func readEventHead(b []byte) (h eventHead, rest []byte, err error) {
	f := fields{b: b}
	h.org, h.device, h.rule, h.severity, h.state = f.text(), f.text(), f.text(), f.text(), f.text()
	h.acknowledged = f.number()&eventAcknowledged != 0
	h.change = f.number()
	h.startedAt, h.endedAt = f.signed(), f.signed()
	if f.bad {
		return h, nil, fmt.Errorf("an alert event is damaged")
	}
	return h, f.b, nil
}

// The forms in which alerts.db keeps things; times are milliseconds.

type eventRecord struct {
	RuleName string            `json:"rule"`
	Revision uint64            `json:"rev"`
	UID      uint32            `json:"uid"`
	Port     uint16            `json:"port"`
	PortName string            `json:"portName,omitempty"`
	Unit     string            `json:"unit,omitempty"`
	Kind     string            `json:"kind"`
	Labels   map[string]string `json:"labels,omitempty"`
	FiredAt  int64             `json:"fired"`
	Resolved *int64            `json:"resolved,omitempty"`
	End      string            `json:"end,omitempty"`
	First    *anyFloat         `json:"first,omitempty"`
	Worst    *anyFloat         `json:"worst,omitempty"`
	WorstAt  *int64            `json:"worstAt,omitempty"`
	Last     *anyFloat         `json:"last,omitempty"`
	Flaps    int               `json:"flaps,omitempty"`
	Message  string            `json:"msg,omitempty"`
	Silenced string            `json:"silence,omitempty"`
	Acked    *remarkRecord     `json:"ack,omitempty"`
	Esc      bool              `json:"esc,omitempty"`
	Comments []remarkRecord    `json:"comments,omitempty"`
	Position uint64            `json:"pos,omitempty"`
}

type remarkRecord struct {
	By   string `json:"by"`
	At   int64  `json:"at"`
	Text string `json:"text,omitempty"`
}

// anyFloat is a float64 that JSON can say whatever it is.
type anyFloat float64

func (f anyFloat) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Appendf(nil, "%q", strconv.FormatFloat(v, 'g', -1, 64)), nil
	}
	return json.Marshal(float64(f))
}

func (f *anyFloat) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*f = anyFloat(v)
	return err
}

// encodeEvent writes the head, and the rest as JSON.
func encodeEvent(e *store.AlertEvent, change uint64) []byte {
	r := eventRecord{
		RuleName: e.RuleName, Revision: e.Revision, UID: e.UID, Port: e.PortNumber, PortName: e.PortName, Unit: e.Unit,
		Kind: string(e.Kind), Labels: e.Labels, FiredAt: int64(e.FiredAt), Resolved: (*int64)(e.ResolvedAt), End: string(e.End),
		First: (*anyFloat)(e.First), Worst: (*anyFloat)(e.Worst), WorstAt: (*int64)(e.WorstAt), Last: (*anyFloat)(e.Last),
		Flaps: e.Flaps, Message: e.Message, Silenced: e.Silenced, Esc: e.Escalated, Position: e.Position,
	}
	if a := e.Acknowledged; a != nil {
		r.Acked = &remarkRecord{a.By, int64(a.At), a.Comment}
	}
	for _, c := range e.Comments {
		r.Comments = append(r.Comments, remarkRecord{c.By, int64(c.At), c.Text})
	}
	return append(appendEventHead(nil, e, change), encodeRecord(r)...)
}

func decodeEvent(id string, b []byte) (store.AlertEvent, error) {
	h, rest, err := readEventHead(b)
	var r eventRecord
	if err == nil {
		err = json.Unmarshal(rest, &r)
	}
	if err != nil {
		return store.AlertEvent{}, fmt.Errorf("alert event %q is damaged: %w", id, err)
	}
	e := store.AlertEvent{
		ID: id, RuleID: string(h.rule), RuleName: r.RuleName, Revision: r.Revision, OrgID: string(h.org), DeviceID: string(h.device),
		UID: r.UID, PortNumber: r.Port, PortName: r.PortName, Unit: r.Unit, Kind: store.ConditionKind(r.Kind),
		Severity: store.Severity(h.severity), Labels: r.Labels, State: store.AlertState(h.state), StartedAt: store.Time(h.startedAt),
		FiredAt: store.Time(r.FiredAt), ResolvedAt: (*store.Time)(r.Resolved), End: store.AlertEnd(r.End),
		First: (*float64)(r.First), Worst: (*float64)(r.Worst), WorstAt: (*store.Time)(r.WorstAt), Last: (*float64)(r.Last),
		Flaps: r.Flaps, Message: r.Message, Silenced: r.Silenced, Escalated: r.Esc, Position: r.Position,
	}
	if a := r.Acked; a != nil {
		e.Acknowledged = &store.Acknowledgement{By: a.By, At: store.Time(a.At), Comment: a.Text}
	}
	for _, c := range r.Comments {
		e.Comments = append(e.Comments, store.Comment{By: c.By, At: store.Time(c.At), Text: c.Text})
	}
	return e, nil
}

// checkEvent answers why the file could not find e again.
func checkEvent(e *store.AlertEvent) error {
	switch {
	case len(e.ID) > maxAlertID || !strings.HasPrefix(e.ID, store.AlertEventIDPrefix(int64(e.StartedAt))):
		return store.Invalid("alert event", "id", "%q is not of an episode that began at %s", e.ID, e.StartedAt)
	case !store.ValidID(e.OrgID):
		return store.Invalid("alert event", "orgId", "%q is not an id", e.OrgID)
	case e.State != store.AlertFiring && e.State != store.AlertRecovering && e.State != store.AlertResolved:
		return store.Invalid("alert event", "state", "%q is unknown", e.State)
	}
	return nil
}

// maxAlertID bounds ids in bytes: a key of the file has at most 32,768.
const maxAlertID = 1000
