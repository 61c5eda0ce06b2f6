package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// shardCommands answers what spreads the readings over the shards of a cluster:
// a device's are together, so that a query asks one shard.
//
// Time-series collections can be sharded from 5.1 on. Their key may hold parts
// of the metaField and, last, the timeField: it lets a port's history be split.
// From 8.0 on the timeField is deprecated there.
func shardCommands(database string, c Capability) []bson.D {
	if !c.AtLeast(5, 1) {
		return nil
	}
	key := keys("metadata.deviceId", "metadata.portNumber", "ts")
	if c.AtLeast(8, 0) {
		key = key[:2]
	}
	var out []bson.D
	if !c.AtLeast(6, 0) { // from then on every database may be sharded
		out = append(out, bson.D{{Key: "enableSharding", Value: database}})
	}
	return append(out, bson.D{
		{Key: "shardCollection", Value: database + "." + valuesCollection},
		{Key: "key", Value: key},
		{Key: "timeseries", Value: bson.D{
			{Key: "timeField", Value: "ts"}, {Key: "metaField", Value: "metadata"}, {Key: "granularity", Value: "seconds"},
		}},
	})
}

// shardValues shards the readings where that is possible. Where it is not ours
// to do it says how an administrator does it: readings in one shard are correct,
// if slower. A collection that is sharded by another key stays so.
func (d *Database) shardValues(ctx context.Context, c Capability) error {
	commands := shardCommands(d.uri.database, c)
	if commands == nil {
		d.o.Logger.Warn("MongoDB shards time-series from 5.1 on: all readings stay in one shard", "version", c.Version)
	}
	for _, cmd := range commands {
		err := d.client.Database("admin").RunCommand(ctx, cmd).Err()
		passing := fault(err)
		switch {
		case err == nil:
		case hasCode(err, codeAlreadyInitialized):
			d.o.Logger.Info("the readings are sharded by another key, which stays", "error", err.Error())
		case !hasCode(err, codeUnauthorized) && errors.Is(passing, store.ErrUnavailable):
			return fmt.Errorf("shard %s.%s: %w", d.uri.database, valuesCollection, passing)
		default:
			text, jerr := bson.MarshalExtJSON(cmd, false, false)
			if jerr != nil {
				return fmt.Errorf("shard the readings: %w", jerr)
			}
			d.o.Logger.Warn("the readings could not be sharded: all stay in one shard until an administrator runs this command on the database admin", "command", string(text), "error", err.Error())
			return nil
		}
	}
	return nil
}
