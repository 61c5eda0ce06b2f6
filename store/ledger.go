package store

// Ledger accounts for every reading: Received = Stored + Duplicate + Rejected
// + Pending at every moment. None of the five is derived from the others.
type Ledger struct {
	Received  uint64 `json:"received"`  // counted at the log
	Stored    uint64 `json:"stored"`    // answered by queries, or dropped by retention since
	Duplicate uint64 `json:"duplicate"` // the same reading again
	Rejected  uint64 `json:"rejected"`  // dead letters, deleted ones included
	Pending   uint64 `json:"pending"`   // acked, behind the writer's cursor
	Shed      uint64 `json:"shed"`      // QoS 0 readings dropped before the log since the start; outside the sum
}

// LedgerHour is the ledger of one device in one hour of receipt.
type LedgerHour struct {
	Hour     Time   `json:"hour"`
	DeviceID string `json:"deviceId"` // empty: no registered device
	Ledger
}
