package gateway

import (
	"strings"
	"testing"
)

// TestDiskWarning: who looks is warned of a disk that is full within the month,
// by what the newest month has grown a day, or is nearly full whatever grows.
func TestDiskWarning(t *testing.T) {
	const mib = int64(1 << 20)
	away := newDisk(0, 10*mib, 0)
	away.remote = true
	for name, c := range map[string]struct {
		disk Disk
		days int
		says string // empty: nothing
	}{
		"roomy":             {newDisk(mib, 10_000*mib, 100*mib), 100, ""},
		"a month":           {newDisk(mib, 3000*mib, 100*mib), 30, ""},
		"within the month":  {newDisk(mib, 2950*mib, 100*mib), 29, "full in about 29 days at 100 MiB a day"},
		"nothing grows yet": {newDisk(0, 256*mib, 0), -1, ""},
		"nearly full":       {newDisk(0, 255*mib, 0), -1, "255 MiB left; a full disk stops the acks. Free some, or set store.keep_months"},
		"of a database":     {away, -1, "see why the database does not take readings"},
	} {
		if says := c.disk.warning(); c.disk.DaysLeft != c.days || (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
			t.Errorf("%s: %d days left, %q; want %d, %q", name, c.disk.DaysLeft, says, c.days, c.says)
		}
	}
}
