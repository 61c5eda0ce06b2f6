package bench

import (
	"runtime"
	"testing"
)

// TestClientsAreSmall: a load of many clients must not be busy with its own
// memory while it connects them; the machine that is measured is its own.
func TestClientsAreSmall(t *testing.T) {
	l := &Load{InFlight: 100}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	clients := make([]*client, 1000)
	for i := range clients {
		clients[i] = newClient(l, i, nil)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(clients)); each > 4<<10 {
		t.Errorf("a client takes %d bytes before it sends anything", each)
	}
	runtime.KeepAlive(clients)
}

// TestLeft: of all messages that may be in flight, no two that are measured
// share a place.
func TestLeft(t *testing.T) {
	for _, inFlight := range []int{1, 15, 16, 17, 100, 1000} {
		c := newClient(&Load{InFlight: inFlight}, 0, nil)
		for first := range 3000 {
			places := map[any]int{}
			for i := first; i < first+inFlight; i++ {
				if i%sampled != 0 {
					continue
				}
				if other, taken := places[c.left(i)]; taken {
					t.Fatalf("with %d in flight messages %d and %d share a place", inFlight, other, i)
				}
				places[c.left(i)] = i
			}
		}
	}
}
