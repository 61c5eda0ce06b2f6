package embedded

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Month is a month of UTC: the months since January of the year 0. The
// readings of each are a file of their own.
type Month int64

// MonthOf answers the month of a time in Unix milliseconds.
func MonthOf(ts int64) Month {
	y, m, _ := time.UnixMilli(ts).UTC().Date()
	return Month(int64(y)*12 + int64(m) - 1)
}

// Start answers the month's first millisecond.
func (m Month) Start() int64 {
	year, month := floorDiv(int64(m), 12), int64(m)-12*floorDiv(int64(m), 12)
	return time.Date(int(year), time.Month(month+1), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
}

// End answers the first millisecond of the next month.
func (m Month) End() int64 { return (m + 1).Start() }

func (m Month) String() string {
	year := floorDiv(int64(m), 12)
	return fmt.Sprintf("%04d-%02d", year, int64(m)-12*year+1)
}

// file answers the month's path in dir.
func (m Month) file(dir string) string { return filepath.Join(dir, "series-"+m.String()+".db") }

// monthFileName answers the month whose file has the name.
func monthFileName(name string) (Month, bool) {
	parts := regexp.MustCompile(`^series-(-?\d{3,})-(\d\d)\.db$`).FindStringSubmatch(name)
	if parts == nil {
		return 0, false
	}
	year, err1 := strconv.ParseInt(parts[1], 10, 48)
	month, err2 := strconv.ParseInt(parts[2], 10, 48)
	m := Month(year*12 + month - 1)
	return m, err1 == nil && err2 == nil && m.file("") == name
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
