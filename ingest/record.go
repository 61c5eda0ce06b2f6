package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"tidegate/store"
)

// recordVersion is the format of log records that this binary writes. Older
// ones it reads; a newer one it refuses.
//
// Version 1, numbers as varints, strings with their length before them:
//
//	version, flags, source      one byte each
//	receivedAt                  signed, Unix ms
//	uid, organization, device
//	topic                       if recordTopic
//	principal                   if recordPrincipal
//	count of readings
//	size as received            if recordCut
//	replay: flags, zone, n, n × (seq − seq before, index)    if recordReplay
//	payload                     the rest
//
// Topic and principal are left out where they are the canonical ones of the
// device, so that a device's record costs about 20 bytes beyond its payload.
// The ids are kept: they must outlive the device's registration. The message's
// id is not part of it: it is the position in the log.
const recordVersion = 1

// The flags of a record.
const (
	recordUntrusted = 1 << iota // the clock was not trusted
	recordAnyTime               // no window of accepted times
	recordTopic                 // the topic is not the device's telemetry topic
	recordPrincipal             // the principal is not the device
	recordCut                   // the payload is kept in part
	recordReplay                // it brings dead letters back
	recordFlags     = 1<<iota - 1
)

// The flags of a replay.
const (
	replayUseReceivedAt = 1 << iota
	replayUnregistered
	replayFlags = 1<<iota - 1
)

var errRecordShort = errors.New("it ends early")

// AppendRecord appends the log record of m. A payload above MaxPayloadBytes is
// kept in part, its size in whole. Without decoding m counts m.count readings.
func (m *Message) AppendRecord(dst []byte) []byte {
	principal := "device:"
	flags := byte(0)
	size := max(m.size, len(m.Payload))
	payload := m.Payload
	if m.ClockUntrusted {
		flags |= recordUntrusted
	}
	if m.AnyTime {
		flags |= recordAnyTime
	}
	if m.Topic != "" && !isTelemetryTopic(m.Topic, m.OrgID, m.DeviceID) {
		flags |= recordTopic
	}
	if len(m.Principal) != len(principal)+len(m.DeviceID) || m.Principal[:len(principal)] != principal || m.Principal[len(principal):] != m.DeviceID {
		flags |= recordPrincipal
	}
	if size > MaxPayloadBytes {
		payload = payload[:min(len(payload), KeptBytes)]
	}
	if size > len(payload) {
		flags |= recordCut
	}
	if m.replay != nil {
		flags |= recordReplay
	}
	count := m.count
	if m.decoded != nil {
		count = m.decoded.count()
	}

	dst = append(dst, recordVersion, flags, byte(m.Source))
	dst = binary.AppendVarint(dst, m.ReceivedAt)
	dst = binary.AppendUvarint(dst, uint64(m.UID))
	dst = appendString(dst, m.OrgID)
	dst = appendString(dst, m.DeviceID)
	if flags&recordTopic != 0 {
		dst = appendString(dst, m.Topic)
	}
	if flags&recordPrincipal != 0 {
		dst = appendString(dst, m.Principal)
	}
	dst = binary.AppendUvarint(dst, uint64(count))
	if flags&recordCut != 0 {
		dst = binary.AppendUvarint(dst, uint64(size))
	}
	if m.replay != nil {
		dst = m.replay.append(dst)
	}
	return append(dst, payload...)
}

func (r *replay) append(dst []byte) []byte {
	flags := byte(0)
	if r.useReceivedAt {
		flags |= replayUseReceivedAt
	}
	if r.unregistered {
		flags |= replayUnregistered
	}
	dst = append(dst, flags)
	dst = appendString(dst, r.zone)
	dst = binary.AppendUvarint(dst, uint64(len(r.letters)))
	seq := uint64(0)
	for _, id := range r.letters {
		dst = binary.AppendVarint(dst, int64(id.Seq-seq))
		dst = binary.AppendUvarint(dst, uint64(id.Index))
		seq = id.Seq
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// isTelemetryTopic is topic == TelemetryTopic(org, device) without making one.
func isTelemetryTopic(topic, org, device string) bool {
	const a, b, c = "org/", "/device/", "/telemetry"
	if len(topic) != len(a)+len(org)+len(b)+len(device)+len(c) {
		return false
	}
	i := len(a) + len(org)
	j := i + len(b) + len(device)
	return topic[:len(a)] == a && topic[len(a):i] == org && topic[i:i+len(b)] == b && topic[i+len(b):j] == device && topic[j:] == c
}

// parseRecord is the inverse of AppendRecord, but for a canonical topic, which
// comes back empty. The payload is a part of b: from then on nobody may change
// b. Ack, Done, seq and log are the caller's to set.
func parseRecord(b []byte) (*Message, error) {
	if len(b) == 0 {
		return nil, errors.New("log record: it is empty")
	}
	if b[0] > recordVersion {
		return nil, fmt.Errorf("log record: version %d is newer than this binary, which reads up to %d: start the newer one", b[0], recordVersion)
	}
	if b[0] == 0 {
		return nil, errors.New("log record: version 0 never was")
	}
	r := recordReader{b: b[1:]}
	flags, source := r.byte(), r.byte()
	m := &Message{
		Source:     Source(source),
		ReceivedAt: r.varint(),
		UID:        uint32(r.uvarint(math.MaxUint32)),
		OrgID:      r.string(),
		DeviceID:   r.string(),

		ClockUntrusted: flags&recordUntrusted != 0,
		AnyTime:        flags&recordAnyTime != 0,
	}
	if flags&recordTopic != 0 {
		m.Topic = r.string()
	}
	if flags&recordPrincipal != 0 {
		m.Principal = r.string()
	} else {
		m.Principal = "device:" + m.DeviceID
	}
	m.count = int(r.uvarint(math.MaxInt32))
	if flags&recordCut != 0 {
		m.size = int(r.uvarint(math.MaxInt32))
	}
	if flags&recordReplay != 0 {
		m.replay = r.replay()
	}
	m.Payload = r.b
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("log record: %w", r.err)
	case flags&^byte(recordFlags) != 0:
		return nil, fmt.Errorf("log record: flags %#02x are not of version %d", flags, recordVersion)
	case int(source) >= len(sourceNames):
		return nil, fmt.Errorf("log record: source %d is unknown", source)
	case flags&recordCut == 0:
		m.size = len(m.Payload)
	case m.size <= len(m.Payload):
		return nil, fmt.Errorf("log record: a payload of %d bytes keeps %d", m.size, len(m.Payload))
	}
	return m, nil
}

// recordReader reads the fields of a record; after the first error it answers
// zeros.
type recordReader struct {
	b   []byte
	err error
}

func (r *recordReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *recordReader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errRecordShort)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errRecordShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail(errRecordShort)
		return 0
	case v > limit:
		r.fail(fmt.Errorf("number %d is above %d", v, limit))
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) string() string {
	n := r.uvarint(math.MaxInt32)
	if n > uint64(len(r.b)) {
		r.fail(errRecordShort)
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *recordReader) replay() *replay {
	flags := r.byte()
	if flags&^replayFlags != 0 {
		r.fail(fmt.Errorf("replay flags %#02x are not of version %d", flags, recordVersion))
	}
	p := &replay{useReceivedAt: flags&replayUseReceivedAt != 0, unregistered: flags&replayUnregistered != 0, zone: r.string()}
	n := r.uvarint(MaxReadings)
	if n > uint64(len(r.b))/2 { // a letter takes two bytes or more
		r.fail(errRecordShort)
		return p
	}
	p.letters = make([]store.LetterID, n)
	seq := uint64(0)
	for i := range p.letters {
		seq += uint64(r.varint())
		p.letters[i] = store.LetterID{Seq: seq, Index: uint32(r.uvarint(math.MaxUint32))}
	}
	return p
}
