package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// readsPerCount bounds the letters that one count looks at, to as many times
// lettersPerRead.
const readsPerCount = 10

// CountChosen implements store.DeadLetters.
func (s *State) CountChosen(ctx context.Context, f store.LetterFilter) (n int64, more bool, err error) {
	if f.Limit < 1 {
		return 0, false, store.Invalid("dead letter", "limit", "must be at least 1")
	}
	if f.OrgID == "" && f.DeviceID == "" && f.Devices == nil && f.From == 0 && f.To == 0 {
		reasons, err := s.CountDeadLetters(ctx)
		for r, k := range reasons {
			if f.Reason == "" || f.Reason == r {
				n += k
			}
		}
		return n, false, err
	}
	limit := f.Limit
	f.Limit++ // one more says that there are others
	scan := letterScan{f: f, count: true}
	for reads := 0; !scan.done && reads < readsPerCount; reads++ {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		err := s.read(func(tx *bbolt.Tx, o overlay) error {
			scan.waiting(o)
			return scan.file(tx, o)
		})
		if err != nil {
			return 0, false, err
		}
	}
	return int64(min(scan.n, limit)), scan.n > limit || !scan.done, nil
}
