package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// SetPresence implements store.State. It never waits for the disk.
func (s *State) SetPresence(uid uint32, p store.Presence) {
	s.presenceMu.Lock()
	defer s.presenceMu.Unlock()
	p.LastSeen = milliTime(p.LastSeen.UnixMilli())
	s.presence[uid] = p
	s.seen[uid] = struct{}{}
}

// AllPresence implements store.State. Times are kept to the millisecond.
func (s *State) AllPresence(ctx context.Context) (map[uint32]store.Presence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.presenceMu.Lock()
	defer s.presenceMu.Unlock()
	return maps.Clone(s.presence), nil
}

// takeSeen answers the presence that the file does not have.
func (s *State) takeSeen() map[uint32]store.Presence {
	s.presenceMu.Lock()
	defer s.presenceMu.Unlock()
	seen := make(map[uint32]store.Presence, len(s.seen))
	for uid := range s.seen {
		seen[uid] = s.presence[uid]
	}
	clear(s.seen)
	return seen
}

// returnSeen gives back what could not be written.
func (s *State) returnSeen(seen map[uint32]store.Presence) {
	s.presenceMu.Lock()
	defer s.presenceMu.Unlock()
	for uid := range seen {
		s.seen[uid] = struct{}{}
	}
}

func putPresence(tx *bbolt.Tx, uid uint32, p store.Presence) error {
	v := make([]byte, 1, 9)
	if p.Online {
		v[0] = 1
	}
	v = binary.BigEndian.AppendUint64(v, uint64(p.LastSeen.UnixMilli()))
	return tx.Bucket(presenceBucket).Put(binary.BigEndian.AppendUint32(nil, uid), v)
}

func decodePresence(k, v []byte) (uint32, store.Presence, error) {
	if len(k) != 4 || len(v) != 9 {
		return 0, store.Presence{}, errors.New("presence is damaged")
	}
	return binary.BigEndian.Uint32(k), store.Presence{Online: v[0] == 1, LastSeen: milliTime(int64(binary.BigEndian.Uint64(v[1:])))}, nil
}
