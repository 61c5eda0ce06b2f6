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

// item is one reading of a payload, in the payload's order.
type item struct {
	reason store.Reason // when not empty the reading is rejected
	detail string

	port     uint16
	portName string // when the port was given by name; else empty
	hasPort  bool   // it named a port, or something in place of one
	hasTS    bool
	ts       int64  // Unix ms
	zoneless string // an RFC 3339 time without zone, to be read in the device's zone; ts is not set then
	value    float64
	quality  store.Quality
}

// count answers how many readings the message counts in the ledger: an
// undecodable one counts one.
func (d *decoded) count() int {
	if d.reason != "" {
		return 1
	}
	return len(d.items)
}
