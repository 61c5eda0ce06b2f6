package embedded

import (
	"encoding/binary"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

func letterKey(id store.LetterID) []byte {
	return binary.BigEndian.AppendUint32(beKey(id.Seq), id.Index)
}

func parseLetterKey(k []byte) store.LetterID {
	if len(k) != 12 {
		return store.LetterID{}
	}
	return store.LetterID{Seq: binary.BigEndian.Uint64(k), Index: binary.BigEndian.Uint32(k[8:])}
}

// encodeLetter writes reason, detail and port, each behind its length.
func encodeLetter(l store.Letter) []byte {
	b := make([]byte, 0, len(l.Reason)+len(l.Detail)+len(l.Port)+6)
	b = appendText(b, string(l.Reason))
	b = appendText(b, l.Detail)
	return appendText(b, l.Port)
}

func decodeLetter(id store.LetterID, b []byte) (store.Letter, error) {
	f := fields{b: b}
	l := store.Letter{Index: id.Index, Reason: store.Reason(f.text()), Detail: string(f.text()), Port: string(f.text())}
	if f.bad {
		return l, fmt.Errorf("dead letter %s is damaged", id)
	}
	return l, nil
}

// message is what the letters of a message share. Its slices are those of the
// transaction, or of a rejection that waits.
type message struct {
	seq                                       uint64
	receivedAt                                int64
	uid                                       uint32
	untrusted                                 bool // the clock at receipt
	org, device, topic, source, sender, bytes []byte
	size                                      int
}

// messageUntrusted marks a message whose time of receipt is not to be trusted.
const messageUntrusted = 1

// encodeMessage writes time, uid, marks, the texts behind their lengths, the size as
// received, and the payload to the end.
func encodeMessage(r *store.Rejection) []byte {
	b := make([]byte, 0, len(r.Payload)+len(r.OrgID)+len(r.DeviceID)+len(r.Topic)+len(r.Source)+len(r.Principal)+40)
	b = binary.AppendVarint(b, r.ReceivedAt)
	b = binary.AppendUvarint(b, uint64(r.UID))
	marks := uint64(0)
	if r.ClockUntrusted {
		marks |= messageUntrusted
	}
	b = binary.AppendUvarint(b, marks)
	for _, s := range []string{r.OrgID, r.DeviceID, r.Topic, r.Source, r.Principal} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(r.Size))
	return append(b, r.Payload...)
}

func decodeMessage(k, b []byte) (message, error) {
	m := message{}
	if len(k) == 8 {
		m.seq = binary.BigEndian.Uint64(k)
	}
	f := fields{b: b, bad: len(k) != 8}
	m.receivedAt = f.signed()
	m.uid = uint32(f.number())
	m.untrusted = f.number()&messageUntrusted != 0
	m.org, m.device, m.topic, m.source, m.sender = f.text(), f.text(), f.text(), f.text(), f.text()
	m.size = int(f.number())
	m.bytes = f.b
	if f.bad {
		return m, fmt.Errorf("the message of dead letters %d-… is damaged", m.seq)
	}
	return m, nil
}

func messageOf(r *store.Rejection) message {
	return message{
		seq: r.Seq, receivedAt: r.ReceivedAt, uid: r.UID, untrusted: r.ClockUntrusted, org: []byte(r.OrgID), device: []byte(r.DeviceID),
		topic: []byte(r.Topic), source: []byte(r.Source), sender: []byte(r.Principal), bytes: r.Payload, size: r.Size,
	}
}

// letter answers l as the outside sees it, with at most limit bytes of payload.
func (m message) letter(l store.Letter, limit int) store.DeadLetter {
	p := m.bytes
	if len(p) > limit {
		p = p[:limit]
	}
	return store.DeadLetter{
		ID: store.LetterID{Seq: m.seq, Index: l.Index}.String(), Reason: l.Reason, Detail: l.Detail, Port: l.Port,
		OrgID: string(m.org), DeviceID: string(m.device), Topic: string(m.topic), Source: string(m.source),
		Principal: string(m.sender), Payload: strings.ToValidUTF8(string(p), "\uFFFD"), Size: m.size,
		ReceivedAt: store.Time(m.receivedAt), ClockUntrusted: m.untrusted, UID: m.uid,
	}
}

// lookup finds a letter in the file or among what waits.
func (o overlay) lookup(tx *bbolt.Tx, id store.LetterID) (m message, l store.Letter, ok bool, err error) {
	if r := o.waiting(id.Seq); r != nil {
		for _, l := range r.Letters {
			if l.Index == id.Index {
				l, ok = o.apply(id, l)
				return messageOf(r), l, ok, nil
			}
		}
		return m, l, false, nil
	}
	b := tx.Bucket(letterBucket).Get(letterKey(id))
	if b == nil {
		return m, l, false, nil
	}
	if l, err = decodeLetter(id, b); err != nil {
		return m, l, false, err
	}
	key := beKey(id.Seq)
	if m, err = decodeMessage(key, tx.Bucket(messageBucket).Get(key)); err != nil {
		return m, l, false, err
	}
	l, ok = o.apply(id, l)
	return m, l, ok, nil
}

// waiting answers the rejection at the public position, if it waits.
func (o overlay) waiting(seq uint64) *store.Rejection {
	for i := len(o.rejections) - 1; i >= 0 && o.rejections[i].Seq >= seq; i-- {
		if o.rejections[i].Seq == seq {
			return &o.rejections[i]
		}
	}
	return nil
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// fields reads what append… wrote; bad stays set once something is cut off.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) number() uint64 {
	v, n := binary.Uvarint(f.b)
	return take(f, v, n)
}

func (f *fields) signed() int64 {
	v, n := binary.Varint(f.b)
	return take(f, v, n)
}

func take[T uint64 | int64](f *fields, v T, n int) T {
	if n <= 0 || f.bad {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) text() []byte {
	n := f.number()
	if f.bad || n > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	s := f.b[:n:n]
	f.b = f.b[n:]
	return s
}
