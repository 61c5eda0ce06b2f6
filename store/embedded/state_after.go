package embedded

import (
	"context"
	"math"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// DeadLettersAfter answers letters as they are on disk, in ascending order of
// id, at most limit behind after. A payload above store.LetterPreviewBytes is
// cut there. What waits for a commit is not in it yet: so a copy of what it
// answers holds nothing that a crash could take back.
func (s *State) DeadLettersAfter(ctx context.Context, after store.LetterID, limit int) ([]store.DeadLetter, error) {
	if limit < 1 {
		return nil, store.Invalid("dead letter", "limit", "must be at least 1")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []store.DeadLetter
	err := s.read(func(tx *bbolt.Tx, _ overlay) error {
		messages := tx.Bucket(messageBucket)
		cur := tx.Bucket(letterBucket).Cursor()
		var m message
		for k, v := seekBehind(cur, after); k != nil && len(out) < limit; k, v = cur.Next() {
			id := parseLetterKey(k)
			if m.seq != id.Seq || len(out) == 0 {
				var err error
				key := beKey(id.Seq)
				if m, err = decodeMessage(key, messages.Get(key)); err != nil {
					return err
				}
			}
			l, err := decodeLetter(id, v)
			if err != nil {
				return err
			}
			out = append(out, m.letter(l, store.LetterPreviewBytes))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CountDeadLettersAfter answers how many letters on disk are behind after.
func (s *State) CountDeadLettersAfter(ctx context.Context, after store.LetterID) (n int64, err error) {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		err := s.read(func(tx *bbolt.Tx, _ overlay) error {
			cur := tx.Bucket(letterBucket).Cursor()
			k, _ := seekBehind(cur, after)
			for steps := 0; k != nil && steps < lettersPerRead; steps++ {
				after = parseLetterKey(k)
				n++
				k, _ = cur.Next()
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// seekBehind answers the first letter behind an id.
func seekBehind(cur *bbolt.Cursor, after store.LetterID) (k, v []byte) {
	if after.Index == math.MaxUint32 {
		after.Seq++
		after.Index = 0
		return cur.Seek(letterKey(after))
	}
	after.Index++
	return cur.Seek(letterKey(after))
}
