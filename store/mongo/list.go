package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

var _ store.Lister = (*SeriesStore)(nil)

// group is what the server says of one series.
type group struct {
	ID struct {
		Org    string `bson:"orgId"`
		Device string `bson:"deviceId"`
		Port   int64  `bson:"portNumber"`
	} `bson:"_id"`
	First bson.DateTime `bson:"first"`
	Last  bson.DateTime `bson:"last"`
	Count int64         `bson:"count"`
}

// ListSeries implements store.Lister. The server reads all it has for it, which
// may take minutes: only ctx ends it. It needs SeriesOptions.Number.
func (s *SeriesStore) ListSeries(ctx context.Context) ([]store.Extent, error) {
	if s.o.Number == nil {
		return nil, errors.New("list series: nobody knows the numbers of devices")
	}
	if err := s.db.Ready(ctx); err != nil {
		return nil, fmt.Errorf("list series: %w", err)
	}
	groups, err := s.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list series: %w", s.fault(ctx, err))
	}
	out := make([]store.Extent, 0, len(groups))
	for _, g := range groups {
		uid, known := s.o.Number(g.ID.Org, g.ID.Device)
		if !known || g.ID.Port < 0 || g.ID.Port > 1<<16-1 {
			return nil, store.Conflict("database", s.db.place(),
				"it has %d readings of device %q in organization %q, port %d, which its catalogue does not know. Restore the catalogue that knows it, or delete them there, with "+
					`db.values.deleteMany({"metadata.orgId": %q, "metadata.deviceId": %q, "metadata.portNumber": %d})`,
				g.Count, g.ID.Device, g.ID.Org, g.ID.Port, g.ID.Org, g.ID.Device, g.ID.Port)
		}
		out = append(out, store.Extent{
			Series: store.Series{UID: uid, Port: uint16(g.ID.Port)},
			First:  int64(g.First), Last: int64(g.Last), Count: uint64(g.Count),
		})
	}
	slices.SortFunc(out, func(a, b store.Extent) int {
		return cmp.Or(cmp.Compare(a.Series.UID, b.Series.UID), cmp.Compare(a.Series.Port, b.Series.Port))
	})
	return out, nil
}

func (s *SeriesStore) groups(ctx context.Context) (all []group, err error) {
	pipeline := mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: bson.D{
			{Key: "orgId", Value: "$metadata.orgId"}, {Key: "deviceId", Value: "$metadata.deviceId"}, {Key: "portNumber", Value: "$metadata.portNumber"},
		}},
		{Key: "first", Value: bson.D{{Key: "$min", Value: "$ts"}}},
		{Key: "last", Value: bson.D{{Key: "$max", Value: "$ts"}}},
		{Key: "count", Value: bson.D{{Key: "$sum", Value: int64(1)}}},
	}}}}
	cur, err := s.db.db.Collection(valuesCollection).Aggregate(ctx, pipeline, options.Aggregate().SetAllowDiskUse(true))
	if err != nil {
		return nil, err
	}
	err = cur.All(ctx, &all)
	return all, err
}
