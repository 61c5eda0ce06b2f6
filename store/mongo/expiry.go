package mongo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Expiry answers after how long the server removes readings by itself, at any
// moment; 0: it does not. The operator may have set it with collMod.
func (s *SeriesStore) Expiry(ctx context.Context) (time.Duration, error) {
	if err := s.db.Ready(ctx); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	cur, err := s.db.db.ListCollections(ctx, bson.D{{Key: "name", Value: valuesCollection}})
	var all []struct {
		Options struct {
			ExpireAfterSeconds int64 `bson:"expireAfterSeconds"`
		} `bson:"options"`
	}
	if err == nil {
		err = cur.All(ctx, &all)
	}
	switch {
	case err != nil:
		return 0, fault(fmt.Errorf("ask when readings expire: %w", err))
	case len(all) == 0: // Ready has made it
		return 0, nil
	}
	return time.Duration(all[0].Options.ExpireAfterSeconds) * time.Second, nil
}
