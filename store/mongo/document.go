package mongo

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// documents is a command's readings as BSON, one behind the other:
//
//	{ts, metadata: {deviceId, orgId, portNumber}, rawValue, calibratedValue,
//	 quality, ingestTs, cal[, flags][, rawPayload]}
//
// calibratedValue is what was said at ingest, cal the number of the calibration
// that said so, flags the bits of store.Flags.
//
// The bytes are a section of a wire message as they stand: a kind, a length, an
// identifier, and the documents.
type documents struct {
	bytes []byte
	ends  []int // of each document
}

const sectionHead = "\x01\x00\x00\x00\x00documents\x00"

// fill makes d the documents of c.
func (d *documents) fill(c *command) {
	d.bytes, d.ends = append(d.bytes[:0], sectionHead...), d.ends[:0]
	for i := range c.parts {
		p := &c.parts[i]
		meta := p.metadata()
		for _, run := range p.runs {
			for k := range run {
				d.bytes = p.appendDocument(d.bytes, meta, &run[k])
				d.ends = append(d.ends, len(d.bytes))
			}
		}
	}
}

func (d *documents) section() []byte {
	binary.LittleEndian.PutUint32(d.bytes[1:], uint32(len(d.bytes)-1))
	return d.bytes
}

// metadata answers the element metadata.
func (p *part) metadata() []byte {
	b := []byte{byte(bson.TypeEmbeddedDocument)}
	b = append(b, "metadata\x00"...)
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendString(b, "deviceId\x00", p.device) // in order of the keys, as the server keeps them
	b = appendString(b, "orgId\x00", p.org)
	b = appendInt32(b, "portNumber\x00", int32(p.series.Port))
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func (p *part) appendDocument(b, metadata []byte, s *store.Sample) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendDate(b, "ts\x00", s.TS)
	b = append(b, metadata...)
	b = appendDouble(b, "rawValue\x00", s.Raw)
	b = appendDouble(b, "calibratedValue\x00", p.calibrated(s))
	b = appendString(b, "quality\x00", s.Quality.String())
	b = appendDate(b, "ingestTs\x00", s.IngestTS)
	b = appendInt32(b, "cal\x00", int32(s.Calibration))
	if s.Flags != 0 {
		b = appendInt32(b, "flags\x00", int32(s.Flags))
	}
	if payload := p.payloads[s.TS]; payload != "" {
		b = appendString(b, "rawPayload\x00", payload)
	}
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// calibrated answers what was said at ingest.
func (p *part) calibrated(s *store.Sample) float64 {
	for i := range p.cals {
		if p.cals[i].Number == s.Calibration {
			return p.cals[i].Apply(s.Raw)
		}
	}
	return s.Raw
}

// text answers a document as JSON.
func (p *part) text(s *store.Sample) string {
	d := p.appendDocument(nil, p.metadata(), s)
	return bson.Raw(d).String()
}

func appendDate(b []byte, key string, ms int64) []byte {
	b = append(append(b, byte(bson.TypeDateTime)), key...)
	return binary.LittleEndian.AppendUint64(b, uint64(ms))
}

func appendDouble(b []byte, key string, v float64) []byte {
	b = append(append(b, byte(bson.TypeDouble)), key...)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func appendInt32(b []byte, key string, v int32) []byte {
	b = append(append(b, byte(bson.TypeInt32)), key...)
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}

func appendString(b []byte, key, v string) []byte {
	b = append(append(b, byte(bson.TypeString)), key...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)+1))
	return append(append(b, v...), 0)
}
