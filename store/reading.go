package store

// Quality is what the device says of a value.
type Quality uint8

// The qualities.
const (
	Good Quality = iota
	Uncertain
	Bad
)

func (q Quality) String() string {
	switch q {
	case Good:
		return "good"
	case Uncertain:
		return "uncertain"
	case Bad:
		return "bad"
	}
	return "unknown"
}

// ParseQuality is the inverse of String.
func ParseQuality(s string) (Quality, bool) {
	switch s {
	case "good":
		return Good, true
	case "uncertain":
		return Uncertain, true
	case "bad":
		return Bad, true
	}
	return 0, false
}

// Flags is what tidegate says of a reading.
type Flags uint8

// The flags.
const (
	FlagOutOfRange    Flags = 1 << iota // outside the port's valid range
	FlagServerTS                        // it carried no ts: the time is that of receipt
	FlagClockUnsynced                   // the box's clock was not trusted at receipt
)

var flagNames = [...]string{"out_of_range", "server_ts", "clock_unsynced"}

// Names lists the flags that are set, in a fixed order.
func (f Flags) Names() []string {
	names := []string{}
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// Series is one port of one device, by its internal number. Series order is
// (UID, Port); the order of the public contract is by device id, which queries
// impose themselves.
type Series struct {
	UID  uint32
	Port uint16
}

// Sample is a reading as it is stored. Times are Unix milliseconds.
type Sample struct {
	TS          int64
	Raw         float64
	IngestTS    int64  // receivedAt of its message
	Calibration uint16 // number of the calibration in force at TS when it was ingested
	Quality     Quality
	Flags       Flags
}

// Reading is a sample as the outside sees it.
type Reading struct {
	TS              Time     `json:"ts"`
	DeviceID        string   `json:"deviceId"`
	PortNumber      uint16   `json:"portNumber"`
	RawValue        float64  `json:"rawValue"`
	CalibratedValue float64  `json:"calibratedValue"`
	Quality         string   `json:"quality"`
	Flags           []string `json:"flags"`
	IngestTS        Time     `json:"ingestTs"`
}

// ReadingWriter writes readings as one file of some format.
type ReadingWriter interface {
	// Write adds readings, and keeps none of them. After an error the file is of
	// no use.
	Write(readings []Reading) error
	// Close ends the file: without it, what was written is not one.
	Close() error
}
