package ingest

import (
	"strings"
	"time"
)

// timestamp is the ts of a message or a reading as it was sent.
type timestamp struct {
	kind   tsKind
	ms     int64  // tsKnown
	local  string // tsLocal: a time without zone, as sent
	detail string // tsInvalid
}

type tsKind uint8

const (
	tsAbsent tsKind = iota // none, or null
	tsKnown
	tsLocal
	tsInvalid
)

// The times that the store can say: years 0 to 9999 in UTC.
const (
	minTS = -62_167_219_200_000
	maxTS = 253_402_300_799_999
)

// parseTime reads a time in RFC 3339, floored to the millisecond. As the RFC
// allows, a space may stand for the T, and t and z may be small; a second of 60
// is accepted where a leap second can be, at the end of a month in UTC, and
// taken as the first second of the next. A time without zone is tsLocal and
// stays a part of s.
func parseTime(s []byte) timestamp {
	ms, leap, n := parseCivil(s)
	if n == 0 {
		return timestamp{kind: tsInvalid, detail: timeFault(alias(s))}
	}
	zone := s[n:]
	switch {
	case len(zone) == 0:
		return timestamp{kind: tsLocal, local: alias(s)}
	case len(zone) == 1 && zone[0]|0x20 == 'z':
	case len(zone) == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':':
		h, m := two(zone[1:]), two(zone[4:])
		if h > 23 || m > 59 {
			return timestamp{kind: tsInvalid, detail: timeFault(alias(s))}
		}
		offset := int64(h*60+m) * 60_000
		if zone[0] == '+' {
			offset = -offset
		}
		ms += offset
	default:
		return timestamp{kind: tsInvalid, detail: timeFault(alias(s))}
	}
	if leap && !leapSecond(ms) {
		return timestamp{kind: tsInvalid, detail: "ts " + quote(s) + ": a second of 60 is only at the end of a month in UTC"}
	}
	if ms < minTS || ms > maxTS {
		return timestamp{kind: tsInvalid, detail: "ts " + quote(s) + " is outside the years 0 to 9999"}
	}
	return timestamp{kind: tsKnown, ms: ms}
}

// parseCivil reads date and time of day at the start of s as if they were UTC
// and answers their length, 0 when they are not there.
func parseCivil(s []byte) (ms int64, leap bool, n int) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		return 0, false, 0
	}
	if c := s[10]; c != 'T' && c != 't' && c != ' ' {
		return 0, false, 0
	}
	y1, y2, month, day := two(s), two(s[2:]), two(s[5:]), two(s[8:])
	h, m, sec := two(s[11:]), two(s[14:]), two(s[17:])
	if y1 > 99 || y2 > 99 || month < 1 || month > 12 || day < 1 || h > 23 || m > 59 || sec > 60 {
		return 0, false, 0
	}
	year := y1*100 + y2
	if day > daysIn(year, month) {
		return 0, false, 0
	}
	ms = (daysBefore(year, month, day)*86_400 + int64(h*3600+m*60+sec)) * 1000
	n = 19
	if n < len(s) && s[n] == '.' {
		end := digits(s, n+1)
		if end == n+1 {
			return 0, false, 0
		}
		for i, unit := n+1, int64(100); i < end && unit > 0; i, unit = i+1, unit/10 {
			ms += int64(s[i]-'0') * unit
		}
		n = end
	}
	return ms, sec == 60, n
}

// two answers the two digits at the start of s as a number; 100 or more when
// they are none.
func two(s []byte) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return 100
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// daysBefore answers the days from 1970-01-01 to a date of the Gregorian
// calendar.
//
// Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms,
// days_from_civil.
func daysBefore(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = -1
	}
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	return int64(era)*146_097 + int64(yoe*365+yoe/4-yoe/100+doy) - 719_468
}

// leapSecond reports whether the time behind a second of 60 begins a month.
func leapSecond(ms int64) bool {
	t := time.UnixMilli(ms).UTC()
	return t.Day() == 1 && t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0
}

// inZone reads a tsLocal time as one of loc. Where clocks were set back and a
// time happened twice, it is the first; where they were set forward and it
// never happened, it is as much later as they were set.
func inZone(local string, loc *time.Location) (ms int64, ok bool) {
	civil, leap, n := parseCivil([]byte(local))
	if n == 0 || n != len(local) {
		return 0, false
	}
	// Zones keep their offset for longer than two days, so that the offsets of
	// the day before and the day behind are the only two in question.
	before, behind := offsetAt(civil-dayMs, loc), offsetAt(civil+dayMs, loc)
	ms = civil - before
	if offsetAt(ms, loc) != before && offsetAt(civil-behind, loc) == behind {
		ms = civil - behind
	}
	if leap && !leapSecond(ms) || ms < minTS || ms > maxTS {
		return 0, false
	}
	return ms, true
}

const dayMs = 24 * 60 * 60 * 1000

func offsetAt(ms int64, loc *time.Location) int64 {
	_, offset := time.UnixMilli(ms).In(loc).Zone()
	return int64(offset) * 1000
}

// timeFault says what is wrong with a string that is no RFC 3339 time.
func timeFault(s string) string {
	b := []byte(s)
	said := "ts " + quote(b)
	switch _, _, n := parseCivil(b); {
	case s == "":
		return "ts is empty; send a time such as 2025-09-06T12:00:00Z, or leave ts out"
	case isNumber(b):
		return said + " is a number in quotes; take the quotes off"
	case n > 0 && strings.HasPrefix(s[n:], ","):
		return said + ": write the fraction of the second with a point"
	case n > 0 && (s[n] == '+' || s[n] == '-'):
		return said + ": write the offset with hours and minutes, such as +02:00"
	case n > 0:
		return said + ": expected Z or an offset such as +02:00 behind the time"
	case len(s) == len("2006-01-02") && dateOnly(b):
		return said + " has no time of day; send one such as 2025-09-06T12:00:00Z"
	case len(s) >= len("2006-01-02T15:04") && dateOnly(b[:10]) && (len(s) == 16 || s[16] != ':'):
		return said + " has no seconds; send a time such as 2025-09-06T12:00:00Z"
	case len(s) >= 19 && s[4] == '-' && s[7] == '-' && s[13] == ':' && s[16] == ':':
		return said + " is no day or time of the calendar"
	}
	return said + " is not a time; send RFC 3339 such as 2025-09-06T12:00:00Z, or epoch milliseconds as a number"
}

func dateOnly(b []byte) bool {
	_, _, n := parseCivil(append(append([]byte{}, b...), "T00:00:00"...))
	return n == 19
}
