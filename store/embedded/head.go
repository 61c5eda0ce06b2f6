package embedded

import (
	"tidegate/store"
	"tidegate/store/runs"
)

// head is what is known in memory of one series in one month: the samples that
// wait for their flush, and enough of the disk to judge a reading in order
// without a look-up.
type head struct {
	series store.Series
	last   int64     // the largest ts of all, on disk or in memory; runs.NoTime: none
	disk   int64     // the largest ts on disk
	live   runs.Runs // appended since the last flush began
	frozen runs.Runs // being flushed; nobody changes them

	dirty     bool  // in its month's list of dirty ones
	leaving   bool  // in its month's list of frozen ones
	hour      int64 // of the tallies below; others are with the month
	owner     uint32
	stored    int64
	duplicate int64
	cached    []*cachedBlock // blocks looked up for late readings
}
