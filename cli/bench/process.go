package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what the kernel says a process has used.
type Usage struct {
	CPU     time.Duration // user and system
	RssAnon int64         // bytes; mapped files are not memory
	Written int64         // bytes passed to write calls on files and sockets: see wchar, and storage: write_bytes
	Storage int64         // bytes sent to storage
}

// clockTick is the unit of /proc/PID/stat; 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// ReadUsage reads /proc for a process.
func ReadUsage(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	for _, i := range []int{11, 12} {
		n, err := strconv.ParseInt(string(f[i]), 10, 64)
		if err != nil {
			return u, fmt.Errorf("parse /proc/%d/stat: %w", pid, err)
		}
		u.CPU += time.Duration(n) * clockTick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	u.RssAnon = 1024 * procField(status, "RssAnon:")
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, err
	}
	u.Written = procField(io, "wchar:")
	u.Storage = procField(io, "write_bytes:")
	return u, nil
}

func procField(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, _ := strconv.ParseInt(f[0], 10, 64)
				return n
			}
		}
	}
	return 0
}

// Spread is the smallest, the median and the largest of some runs.
type Spread struct{ Min, Median, Max float64 }

// NewSpread answers the spread of at least one figure.
func NewSpread(v []float64) Spread {
	s := append([]float64(nil), v...)
	for i := range s {
		for j := i; j > 0 && s[j] < s[j-1]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
	return Spread{s[0], s[len(s)/2], s[len(s)-1]}
}

func (s Spread) String() string {
	return fmt.Sprintf("%s / %s / %s", short(s.Min), short(s.Median), short(s.Max))
}

func short(v float64) string {
	switch {
	case v >= 100_000:
		return fmt.Sprintf("%.0fk", v/1000)
	case v >= 10_000:
		return fmt.Sprintf("%.1fk", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
