package ingest

import (
	"fmt"
	"strings"
	"testing"
)

// telemetry is a message of n readings as devices send it.
func telemetry(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"ts":"2025-09-06T12:00:00.000Z","readings":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"port":%d,"value":%d.%d}`, i+1, 230+i, i%10)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 4, 10, 1000} {
		payload := telemetry(n)
		b.Run(fmt.Sprintf("readings=%d/bytes=%d", n, len(payload)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				d := getDecoded()
				decode(payload, d)
				if len(d.items) != n || d.reason != "" {
					b.Fatal(d.reason, d.detail)
				}
				putDecoded(d)
			}
		})
	}
}
