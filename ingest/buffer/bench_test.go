package buffer

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// written answers the bytes that the process passed to write calls.
func written(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("no /proc/self/io")
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}

// prepared has its record ready, so that the benchmark is the log's own cost.
type prepared struct {
	record []byte
	hour   int64
	owner  uint32
	wg     *sync.WaitGroup
}

func (p *prepared) AppendRecord(dst []byte) []byte  { return append(dst, p.record...) }
func (p *prepared) Size() int                       { return len(p.record) + 200 }
func (p *prepared) Tally() (int64, uint32, int64)   { return p.hour, p.owner, 4 }
func (p *prepared) Committed(seq uint64, err error) { p.wg.Done() }

// BenchmarkAppend appends from 100 goroutines with 100 in flight each, and a
// reader that releases at once and trims behind itself.
func BenchmarkAppend(b *testing.B) {
	const goroutines, inFlight = 100, 100
	o := testOptions(b)
	l := open(b, o)
	reader, err := l.Reader(0)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		trimmed := uint64(0)
		for {
			batch, err := reader.Next(b.Context())
			if err != nil {
				return
			}
			reader.Release(batch.Last)
			if batch.Last > trimmed+500_000 {
				trimmed = batch.Last
				if err := l.Trim(trimmed); err != nil {
					return
				}
			}
		}
	}()
	r := rand.New(rand.NewPCG(1, 2))
	var all [goroutines][inFlight]prepared
	var waits [goroutines]sync.WaitGroup
	for g := range all {
		for i := range all[g] {
			all[g][i] = prepared{record: payload(r, 4), hour: 480_000, owner: uint32(g), wg: &waits[g]}
		}
	}
	before := written(b)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := g; n < b.N; {
				for i := 0; i < inFlight && n < b.N; i++ {
					waits[g].Add(1)
					if err := l.Append(&all[g][i]); err != nil {
						b.Error(err)
						return
					}
					n += goroutines
				}
				waits[g].Wait()
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(written(b)-before)/float64(b.N), "written-B/record")
}

// BenchmarkRate appends at a steady rate and reports what the disk sees.
func BenchmarkRate(b *testing.B) {
	const rate, seconds = 1000, 2
	for _, linger := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
		b.Run(linger.String(), func(b *testing.B) {
			for range b.N {
				o := testOptions(b)
				o.Linger = linger
				l := open(b, o)
				r := rand.New(rand.NewPCG(1, 2))
				var wg sync.WaitGroup
				before := written(b)
				tick := time.NewTicker(time.Second / rate)
				for i := range rate * seconds {
					<-tick.C
					wg.Add(1)
					if err := l.Append(&prepared{record: payload(r, 4), hour: 480_000, owner: uint32(i % 100), wg: &wg}); err != nil {
						b.Fatal(err)
					}
				}
				wg.Wait()
				tick.Stop()
				b.ReportMetric(float64(written(b)-before)/seconds/1000, "written-kB/s")
				v, err := l.Verify(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(v.Groups)/seconds, "commits/s")
				closeLog(b, l)
			}
		})
	}
}
