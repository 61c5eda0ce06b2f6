package mongo

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// Projections of what is asked for. A document holds more, and every field
// costs the server.
var (
	sampleFields = fields("ts", "rawValue", "quality", "ingestTs", "cal", "flags")
	valueFields  = fields("ts", "rawValue")
	ingestFields = fields("ts", "rawValue", "cal")
)

func fields(names ...string) bson.D {
	d := bson.D{{Key: "_id", Value: 0}}
	for _, n := range names {
		d = append(d, bson.E{Key: n, Value: 1})
	}
	return d
}

// withMetadata answers a projection that says whose a document is.
func withMetadata(p bson.D) bson.D {
	return append(slices.Clip(p), bson.E{Key: "metadata.deviceId", Value: 1}, bson.E{Key: "metadata.portNumber", Value: 1})
}

// document is what queries read of a document in values. The slice points into
// the document.
type document struct {
	sample   store.Sample
	metadata []byte // the value of metadata, when it was asked for
}

// malformedText is how much of a document an error shows, in bytes.
const malformedText = 512

// malformed says which document is not one of ours.
func malformed(b []byte, what string) error {
	text := bson.Raw(b).String()
	if len(text) > malformedText {
		text = text[:malformedText] + "…"
	}
	return fmt.Errorf("a document of collection %s is not as tidegate writes it: %s: %s; delete it (from MongoDB 7.0 on it can be matched by its ts)", valuesCollection, what, text)
}

// read takes b apart. It is the inner loop of every question: a look at each
// element, no allocation.
func (d *document) read(b []byte) error {
	*d = document{}
	const (
		seenTS = 1 << iota
		seenRaw
	)
	seen := 0
	for p := 4; ; {
		if p >= len(b) {
			return malformed(b, "it has no end")
		}
		kind := bson.Type(b[p])
		if kind == 0 {
			break
		}
		p++
		k := p
		for k < len(b) && b[k] != 0 {
			k++
		}
		key := b[p:min(k, len(b))]
		p = k + 1
		size := valueSize(kind, b[min(p, len(b)):])
		if size < 0 || p+size > len(b) {
			return malformed(b, "it is cut short, or holds a type that is not ours")
		}
		v := b[p : p+size]
		p += size
		switch string(key) {
		case "ts":
			if kind != bson.TypeDateTime {
				return malformed(b, "ts is not a date")
			}
			d.sample.TS = int64(binary.LittleEndian.Uint64(v))
			seen |= seenTS
		case "rawValue":
			f, ok := number(kind, v)
			if !ok {
				return malformed(b, "rawValue is not a number")
			}
			d.sample.Raw = f
			seen |= seenRaw
		case "ingestTs":
			if kind != bson.TypeDateTime {
				return malformed(b, "ingestTs is not a date")
			}
			d.sample.IngestTS = int64(binary.LittleEndian.Uint64(v))
		case "cal":
			n, ok := whole(kind, v, math.MaxUint16)
			if !ok {
				return malformed(b, "cal is not the number of a calibration")
			}
			d.sample.Calibration = uint16(n)
		case "flags":
			n, ok := whole(kind, v, math.MaxUint8)
			if !ok {
				return malformed(b, "flags is not a set of flags")
			}
			d.sample.Flags = store.Flags(n)
		case "quality":
			if kind != bson.TypeString {
				return malformed(b, "quality is not a string")
			}
			switch string(v[4 : len(v)-1]) {
			case "good":
			case "uncertain":
				d.sample.Quality = store.Uncertain
			case "bad":
				d.sample.Quality = store.Bad
			default:
				return malformed(b, "quality is none of good, uncertain and bad")
			}
		case "metadata":
			d.metadata = v
		}
	}
	if seen != seenTS|seenRaw {
		return malformed(b, "ts or rawValue is missing")
	}
	return nil
}

// valueSize answers the bytes of the value that b begins with; -1: it is none
// that values can hold.
func valueSize(kind bson.Type, b []byte) int {
	switch kind {
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeInt64:
		return 8
	case bson.TypeInt32:
		return 4
	case bson.TypeObjectID:
		return 12
	case bson.TypeBoolean:
		return 1
	case bson.TypeNull:
		return 0
	}
	if len(b) < 4 {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	switch {
	case kind == bson.TypeString && n >= 1:
		return 4 + n
	case (kind == bson.TypeEmbeddedDocument || kind == bson.TypeArray) && n >= 5:
		return n
	}
	return -1
}

func number(kind bson.Type, v []byte) (float64, bool) {
	switch kind {
	case bson.TypeDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(v)), true
	case bson.TypeInt32:
		return float64(int32(binary.LittleEndian.Uint32(v))), true
	case bson.TypeInt64:
		return float64(int64(binary.LittleEndian.Uint64(v))), true
	}
	return 0, false
}

// whole answers a number between 0 and most that has no fraction.
func whole(kind bson.Type, v []byte, most float64) (uint32, bool) {
	f, ok := number(kind, v)
	if !ok || !(f >= 0 && f <= most) || f != math.Trunc(f) {
		return 0, false
	}
	return uint32(f), true
}
