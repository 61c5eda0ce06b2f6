package ingest

import "tidegate/store"

// decoded is a payload after its one decoding. What depends on the catalogue
// (names of ports, assumed zones, accepted times) is left to validation, so
// that it can be decoded before the log, by the connection that received it.
type decoded struct {
	// reason, when not empty, rejects the whole message as one reading.
	reason store.Reason
	detail string
	items  []item // at least one when reason is empty
}

// item is one reading of a payload, in the payload's order. It is kept small:
// at full load a hundred thousand of them are on their way.
type item struct {
	ts       int64 // Unix ms
	value    float64
	portName string  // when the port was given by name; else empty
	odd      *oddity // what few readings have; nil: nothing of it
	port     uint16
	hasPort  bool // it named a port, or something in place of one
	hasTS    bool
	quality  store.Quality
}

// oddity is what few readings have.
type oddity struct {
	verdict
	zoneless string // an RFC 3339 time without zone, to be read in the device's zone; ts is not set then
}

// verdict answers why the payload alone rejects the reading.
func (it *item) verdict() verdict {
	if it.odd == nil {
		return verdict{}
	}
	return it.odd.verdict
}

// rejected reports whether the payload alone rejects the reading.
func (it *item) rejected() bool { return it.odd != nil && it.odd.reason != "" }

// zoneless answers the reading's time when that carries no zone; else empty.
func (it *item) zoneless() string {
	if it.odd == nil {
		return ""
	}
	return it.odd.zoneless
}

// oddly answers what few readings have, to be filled in.
func (it *item) oddly() *oddity {
	if it.odd == nil {
		it.odd = new(oddity)
	}
	return it.odd
}

// count answers how many readings the message counts in the ledger: an
// undecodable one counts one.
func (d *decoded) count() int {
	if d.reason != "" {
		return 1
	}
	return len(d.items)
}
