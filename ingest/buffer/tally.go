package buffer

import "encoding/binary"

// tally is what a run of records adds to the received-counters, each.
type tally struct {
	hour  int64
	owner uint32
	n     int64
}

// Which of a tally's fields differ from the tally before; the first one's
// predecessor is zero.
const (
	hourDiffers = 1 << iota
	ownerDiffers
	nDiffers
	tallyBits = 3
)

// appendTallies encodes the tallies of items as runs: a uvarint with the
// length of the run above three bits that say which fields differ from the
// run before, then the difference of each such field as a varint.
func appendTallies(dst []byte, items []Item) []byte {
	var was, is tally
	for i := 0; i < len(items); {
		is.hour, is.owner, is.n = items[i].Entry.Tally()
		run := 1
		for ; i+run < len(items); run++ {
			var next tally
			if next.hour, next.owner, next.n = items[i+run].Entry.Tally(); next != is {
				break
			}
		}
		var bits uint64
		if is.hour != was.hour {
			bits |= hourDiffers
		}
		if is.owner != was.owner {
			bits |= ownerDiffers
		}
		if is.n != was.n {
			bits |= nDiffers
		}
		dst = binary.AppendUvarint(dst, uint64(run)<<tallyBits|bits)
		if bits&hourDiffers != 0 {
			dst = binary.AppendVarint(dst, is.hour-was.hour)
		}
		if bits&ownerDiffers != 0 {
			dst = binary.AppendVarint(dst, int64(is.owner)-int64(was.owner))
		}
		if bits&nDiffers != 0 {
			dst = binary.AppendVarint(dst, is.n-was.n)
		}
		was = is
		i += run
	}
	return dst
}

// eachTally calls fn for what the records after < seq <= through of c add, run
// by run.
func (c *chunk) eachTally(after, through uint64, fn func(hour int64, owner uint32, n int64)) error {
	b, seq := c.tallies, c.first
	var t tally
	for len(b) > 0 {
		token, w := binary.Uvarint(b)
		run := token >> tallyBits
		if w <= 0 || run == 0 || run > c.last-seq+1 || seq > c.last {
			return damaged(c.first, "its tallies do not match its records")
		}
		b = b[w:]
		for bit := uint64(1); bit <= nDiffers; bit <<= 1 {
			if token&bit == 0 {
				continue
			}
			d, w := binary.Varint(b)
			if w <= 0 {
				return damaged(c.first, "a tally is cut off")
			}
			b = b[w:]
			switch bit {
			case hourDiffers:
				t.hour += d
			case ownerDiffers:
				t.owner = uint32(int64(t.owner) + d)
			default:
				t.n += d
			}
		}
		last := seq + run - 1
		if from, to := max(seq, after+1), min(last, through); from <= to && t.n != 0 {
			fn(t.hour, t.owner, t.n*int64(to-from+1))
		}
		seq = last + 1
	}
	if seq != c.last+1 {
		return damaged(c.first, "its tallies do not match its records")
	}
	return nil
}
