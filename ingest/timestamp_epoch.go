package ingest

import "fmt"

// parseEpoch reads a JSON number as a time: milliseconds since 1970 from 1e11
// in magnitude on, seconds below, floored to the millisecond. It works on the
// decimal digits, so that .123 is 123 ms and not what a float64 makes of it.
func parseEpoch(raw []byte) timestamp {
	neg, i := false, 0
	if raw[0] == '-' {
		neg, i = true, 1
	}
	// The value is 0.d₁d₂d₃… × 10^point, with d₁ the first digit that is not 0.
	first, mantissa := -1, len(raw)
	point, seenPoint := 0, false
	for j := i; j < len(raw); j++ {
		switch c := raw[j]; {
		case c == '.':
			seenPoint = true
		case c|0x20 == 'e':
			mantissa = j
		default:
			if c != '0' && first < 0 {
				first = j
			}
			if first >= 0 && !seenPoint {
				point++
			} else if first < 0 && seenPoint {
				point--
			}
		}
		if mantissa == j {
			break
		}
	}
	if first < 0 {
		return timestamp{kind: tsKnown}
	}
	if mantissa < len(raw) {
		point += exponent(raw[mantissa+1:])
	}
	want := point // digits of the time in ms
	if point < 12 {
		want += 3
	}
	if want > 15 {
		return timestamp{kind: tsInvalid, detail: epochFault(raw, point)}
	}
	var ms int64
	rest := false // something below the millisecond is left
	for j := first; j < mantissa; j++ {
		c := raw[j]
		switch {
		case c == '.':
		case want > 0:
			ms = ms*10 + int64(c-'0')
			want--
		case c != '0':
			rest = true
		}
	}
	for ; want > 0; want-- {
		ms *= 10
	}
	if neg {
		ms = -ms
		if rest {
			ms--
		}
	}
	if ms < minTS || ms > maxTS {
		return timestamp{kind: tsInvalid, detail: epochFault(raw, point)}
	}
	return timestamp{kind: tsKnown, ms: ms}
}

// exponent answers the exponent of a JSON number. It is exact up to the size of
// a payload, and beyond that large enough.
func exponent(b []byte) int {
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	e := 0
	for _, c := range b {
		if e < MaxPayloadBytes {
			e = e*10 + int(c-'0')
		}
	}
	if neg {
		return -e
	}
	return e
}

func epochFault(raw []byte, digits int) string {
	said := fmt.Sprintf("ts %s is outside the years 0 to 9999", excerpt(raw))
	switch digits {
	case 16:
		return said + "; it looks like microseconds: divide by 1000"
	case 19:
		return said + "; it looks like nanoseconds: divide by 1000000"
	}
	return said + "; send epoch milliseconds, or seconds below 1e11"
}
