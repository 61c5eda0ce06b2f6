package gateway

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// Disk is how full the disk of the data folder is.
type Disk struct {
	Used     int64 // bytes of the data folder's readings; with a database of its files
	Free     int64 // bytes of the file system that are left to this user
	PerDay   int64 // bytes of readings a day, by the newest month; 0: not known yet
	DaysLeft int   // at that rate; -1: not known

	remote bool // the readings are in a database
}

// diskFree answers what is left on the file system of dir.
func diskFree(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask the file system of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // Bsize is 32 bits wide on some machines
}

// folderBytes answers what the files of a data folder take.
func folderBytes(dir string) (sum int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // the folder's lock is held: it is there
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum
}

func newDisk(used, free, perDay int64) Disk {
	d := Disk{Used: used, Free: free, PerDay: perDay, DaysLeft: -1}
	if perDay > 0 {
		d.DaysLeft = int(free / perDay)
	}
	return d
}

// warning answers a line when the disk will be full within the month.
func (d Disk) warning() string {
	const month = 30
	switch {
	case d.Free < 256<<20 && d.remote:
		return fmt.Sprintf("the disk has %d MiB left; a full disk stops the acks. Free some, or see why the database does not take readings", d.Free>>20)
	case d.Free < 256<<20:
		return fmt.Sprintf("the disk has %d MiB left; a full disk stops the acks. Free some, or set store.keep_months", d.Free>>20)
	case d.DaysLeft >= 0 && d.DaysLeft < month:
		return fmt.Sprintf("the disk will be full in about %d days at %d MiB a day. Free some, or set store.keep_months", d.DaysLeft, d.PerDay>>20)
	}
	return ""
}

// every calls fn at once and then each interval, until stop is closed.
func every(stop <-chan struct{}, interval time.Duration, fn func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		fn()
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
}
