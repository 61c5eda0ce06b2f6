package runs

import (
	"math/bits"

	"tidegate/store"
)

// Pool gives out the memory of runs and takes it back. The store's lock
// guards it.
type Pool struct {
	Shared func() bool // needed: whether a reader may hold any of it

	free  [7][][]store.Sample // by size: 16, 32, … 1024
	idle  int                 // bytes in free
	bytes int64               // bytes given out
}

const (
	least   = 16 // samples of the smallest run
	maxIdle = 16 << 20
)

// Bytes answers how much memory is given out.
func (p *Pool) Bytes() int64 { return p.bytes }

// get answers an empty run for about n samples.
func (p *Pool) get(n int) []store.Sample {
	n = min(max(n, least), Max)
	class := bits.Len(uint(n-1)) - 4
	size := least << class
	p.bytes += int64(size * SampleBytes)
	if f := p.free[class]; len(f) > 0 {
		run := f[len(f)-1]
		f[len(f)-1] = nil
		p.free[class] = f[:len(f)-1]
		p.idle -= size * SampleBytes
		return run
	}
	return make([]store.Sample, 0, size)
}

func (p *Pool) put(run []store.Sample) {
	size := cap(run)
	p.bytes -= int64(size * SampleBytes)
	if p.Shared() || p.idle+size*SampleBytes > maxIdle {
		return // left to the garbage collector
	}
	class := bits.Len(uint(size-1)) - 4
	p.free[class] = append(p.free[class], run[:0])
	p.idle += size * SampleBytes
}
