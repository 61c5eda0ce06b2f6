package mongo

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

const (
	chunkSeries  = 1000 // of one cursor; 64 bytes a device id: far below the 16 MB of a command
	chunkClauses = 100  // a plan of its own each
)

// place is a series as the documents name it.
type place struct {
	org, device string
	port        uint16
	index       int // the first with it in the question
}

// named says of an error in whose documents it was met.
func (p *place) named(err error) error {
	return fmt.Errorf("port %d of device %s: %w", p.port, p.device, err)
}

// chunk is a set of series that one cursor reads.
type chunk struct {
	places []place
	filter bson.D // of metadata
	names  map[name]int
}

// named says of an error in whose documents it was met, where they do not.
func (c *chunk) named(err error) error {
	if len(c.places) == 1 {
		return c.places[0].named(err)
	}
	return err
}

// projection answers p, and whose a document is where that is not known.
func (c *chunk) projection(p bson.D) bson.D {
	if len(c.places) == 1 {
		return p
	}
	return withMetadata(p)
}

// name is a series within a chunk. Devices' ids are unique in a box.
type name struct {
	device string
	port   int64
}

// places answers where the series of a question are kept, and for each series
// the next one that is the same, or -1. A series that names does not know was
// never registered and has nothing in the database.
func (q *queries) places(series []store.Series) (places []place, twin []int) {
	twin = make([]int, len(series))
	last := make(map[store.Series]int, len(series))
	for i, sr := range series {
		twin[i] = -1
		if j, again := last[sr]; again {
			last[sr], twin[j] = i, i
			continue
		}
		last[sr] = i
		if org, device, ok := q.names(sr.UID); ok {
			places = append(places, place{org: org, device: device, port: sr.Port, index: i})
		}
	}
	return places, twin
}

// subject is what a question is about.
type subject struct {
	series []store.Series
	places []place
	twin   []int // for each series the next one that is the same, or -1
}

func (q *queries) subject(series []store.Series) subject {
	places, twin := q.places(series)
	return subject{series, places, twin}
}

// held answers what memory holds of each series; of one that is asked for twice
// it is the same.
func (q *queries) held(u subject, from, to int64) [][]store.Sample {
	all := make([][]store.Sample, len(u.series))
	seen := make([]bool, len(u.series))
	for i, sr := range u.series {
		if seen[i] {
			continue
		}
		m := q.waiting.memory(sr, from, to)
		for k := i; k >= 0; k = u.twin[k] {
			all[k], seen[k] = m, true
		}
	}
	return all
}

// filter answers the filter of one series.
func (p place) filter() bson.D {
	return bson.D{
		{Key: "metadata.deviceId", Value: p.device},
		{Key: "metadata.portNumber", Value: int32(p.port)},
		{Key: "metadata.orgId", Value: p.org},
	}
}

// chunks cuts places into sets that are said briefly: devices with the same
// ports share a clause.
func chunks(places []place) []chunk {
	type device struct {
		org, id string
		ports   []place
		key     string
	}
	byDevice := map[[2]string]*device{}
	var devices []*device
	for _, p := range places {
		k := [2]string{p.org, p.device}
		d := byDevice[k]
		if d == nil {
			d = &device{org: p.org, id: p.device}
			byDevice[k] = d
			devices = append(devices, d)
		}
		d.ports = append(d.ports, p)
	}
	for _, d := range devices {
		slices.SortFunc(d.ports, func(a, b place) int { return cmp.Compare(a.port, b.port) })
		var key strings.Builder
		key.WriteString(d.org)
		for _, p := range d.ports {
			fmt.Fprintf(&key, " %d", p.port)
		}
		d.key = key.String()
	}
	slices.SortStableFunc(devices, func(a, b *device) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })

	var out []chunk
	var now []place
	var clauses bson.A
	var ids, ports bson.A
	clause := func(org string) {
		if len(ids) > 0 {
			clauses = append(clauses, bson.D{
				{Key: "metadata.deviceId", Value: bson.D{{Key: "$in", Value: ids}}},
				{Key: "metadata.portNumber", Value: bson.D{{Key: "$in", Value: ports}}},
				{Key: "metadata.orgId", Value: org},
			})
		}
		ids, ports = nil, nil
	}
	flush := func() {
		switch len(clauses) {
		case 0:
		case 1:
			out = append(out, newChunk(now, clauses[0].(bson.D)))
		default:
			out = append(out, newChunk(now, bson.D{{Key: "$or", Value: clauses}}))
		}
		now, clauses = nil, nil
	}
	for i, d := range devices {
		if len(ids) == 0 {
			for _, p := range d.ports {
				ports = append(ports, int32(p.port))
			}
		}
		ids = append(ids, d.id)
		now = append(now, d.ports...)
		full := len(now) >= chunkSeries
		if last := i == len(devices)-1; last || full || devices[i+1].key != d.key {
			clause(d.org)
			if last || full || len(clauses) >= chunkClauses {
				flush()
			}
		}
	}
	return out
}

func newChunk(places []place, filter bson.D) chunk {
	c := chunk{places: places, filter: filter, names: make(map[name]int, len(places))}
	for i, p := range places {
		c.names[name{p.device, int64(p.port)}] = i
	}
	return c
}

// finder finds the series of documents, which come in runs of the same one.
type finder struct {
	c     *chunk
	last  []byte // metadata of the document before
	place *place
}

// find answers whose document it is that has this metadata; nil: nobody's that
// was asked for. A chunk of one series needs no metadata.
func (f *finder) find(metadata []byte) *place {
	if len(f.c.places) == 1 {
		return &f.c.places[0]
	}
	if f.place != nil && bytes.Equal(metadata, f.last) {
		return f.place
	}
	f.last = append(f.last[:0], metadata...)
	m := bson.Raw(metadata)
	device, _ := m.Lookup("deviceId").StringValueOK()
	port, _ := m.Lookup("portNumber").AsInt64OK()
	i, ok := f.c.names[name{device, port}]
	if !ok {
		f.place = nil
		return nil
	}
	f.place = &f.c.places[i]
	return f.place
}
