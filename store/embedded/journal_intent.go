package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// pieceBytes is how much of an intent is one value. Two fill a page to the last
// bytes, so that an intent is written in full single pages, and takes single
// free ones wherever they are: larger values would need runs of them. Begin
// writes 1.04 MiB for a body of 1 MiB.
const pieceBytes = (pageSize-pageHeader)/2 - pageElement - 4

// intentMeta says what the pieces of an intent make up.
type intentMeta struct {
	Through uint64 `json:"through"`
	Head    int    `json:"head"`  // bytes before the body: intentHead
	Bytes   int    `json:"bytes"` // in all
	Sum     uint32 `json:"sum"`   // CRC-32C of all
}

// Begin implements store.Journal.
func (j *Journal) Begin(ctx context.Context, i store.Intent) error {
	return j.change(ctx, "keep an intent", func(tx *bbolt.Tx, m *journalMeta) error {
		if err := m.mayReach(tx, i.Through); err != nil {
			return err
		}
		return m.keepIntent(tx, i)
	})
}

// keepIntent writes an intent in place of one that is kept.
func (m *journalMeta) keepIntent(tx *bbolt.Tx, i store.Intent) error {
	if err := dropIntent(tx, m); err != nil {
		return err
	}
	b, err := tx.CreateBucket(intentBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1 // keys ascend
	m.Import = ""
	head := intentHead(i)
	m.Intent = &intentMeta{Through: i.Through, Head: len(head), Bytes: len(head) + len(i.Body)}
	key := uint32(0)
	for _, part := range [...][]byte{head, i.Body} {
		m.Intent.Sum = crc32.Update(m.Intent.Sum, crc32.MakeTable(crc32.Castagnoli), part)
		for len(part) > 0 {
			n := min(len(part), pieceBytes)
			if err := b.Put(binary.BigEndian.AppendUint32(nil, key), part[:n]); err != nil {
				return err
			}
			part = part[n:]
			key++
		}
	}
	return nil
}

// mayReach answers why the position cannot be moved to through.
func (m *journalMeta) mayReach(tx *bbolt.Tx, through uint64) error {
	if m.Log == (store.LogID{}) {
		return fileError(store.ErrInvalid, tx.DB().Path(), "follows no log yet")
	}
	if through < m.Applied {
		return store.Invalid("position", "", "%d is behind %d, which is applied", through, m.Applied)
	}
	return nil
}

func dropIntent(tx *bbolt.Tx, m *journalMeta) error {
	m.Intent = nil
	if tx.Bucket(intentBucket) == nil {
		return nil
	}
	return tx.DeleteBucket(intentBucket)
}

// Intent implements store.Journal.
func (j *Journal) Intent(ctx context.Context) (i store.Intent, kept bool, err error) {
	if _, err := j.read(ctx); err != nil {
		return i, false, err
	}
	err = view(j.db, func(tx *bbolt.Tx) error {
		m, err := readJournalMeta(tx)
		if err != nil || m.Intent == nil {
			return err
		}
		kept = true
		if i, err = readIntent(tx, m.Intent); err != nil {
			return fileError(store.ErrInvalid, j.db.Path(), "is damaged: what it was sending up to position %d: %v; %s", m.Intent.Through, err, wayOut)
		}
		return nil
	})
	if err != nil {
		return store.Intent{}, false, fmt.Errorf("read the intent: %w", err)
	}
	return i, kept, nil
}

func readIntent(tx *bbolt.Tx, m *intentMeta) (i store.Intent, err error) {
	b := tx.Bucket(intentBucket)
	if b == nil {
		return i, errors.New("it is missing")
	}
	all := make([]byte, 0, max(0, min(m.Bytes, int(tx.Size())))) // what m says is not yet proven
	err = b.ForEach(func(_, v []byte) error {
		all = append(all, v...)
		return nil
	})
	switch {
	case err != nil:
		return i, err
	case len(all) != m.Bytes || m.Head < 0 || m.Head > m.Bytes:
		return i, fmt.Errorf("it has %d bytes of %d", len(all), m.Bytes)
	case crc32.Checksum(all, crc32.MakeTable(crc32.Castagnoli)) != m.Sum:
		return i, errors.New("its checksum does not match")
	}
	i = store.Intent{Through: m.Through, Body: all[m.Head:]}
	i.Stored, i.Duplicate, err = parseIntentHead(all[:m.Head], m.Through)
	return i, err
}

// intentHead is the position, and each hour with its counts as encodeHour.
func intentHead(i store.Intent) []byte {
	b := binary.AppendUvarint(nil, i.Through)
	for _, hour := range hoursOf(i.Stored, i.Duplicate) {
		b = binary.AppendVarint(b, hour)
		b = appendText(b, encodeHour(i.Stored[hour].AppendTo(nil), i.Duplicate[hour].AppendTo(nil)))
	}
	return b
}

func parseIntentHead(b []byte, through uint64) (stored, duplicate store.HourCounts, err error) {
	stored, duplicate = store.HourCounts{}, store.HourCounts{}
	f := fields{b: b}
	if f.number() != through {
		f.bad = true
	}
	for len(f.b) > 0 && !f.bad {
		hour := f.signed()
		s, d, err := splitHour(f.text())
		if err := errors.Join(err, decodeHour(stored, hour, s), decodeHour(duplicate, hour, d)); err != nil {
			return nil, nil, err
		}
	}
	if f.bad {
		return nil, nil, errors.New("its beginning is cut off")
	}
	return stored, duplicate, nil
}
