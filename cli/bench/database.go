package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"tidegate/store/mongo/mongod"
)

const (
	databaseName     = "bench"
	valuesCollection = "values"
	bucketCollection = "system.buckets." + valuesCollection
	// databaseCache is what mongod may keep in memory, in GiB: a small box's
	// share, and many times what these loads touch.
	databaseCache = 0.5
)

// Database is a mongod under measurement: a replica set of one with a folder of
// its own, whose writes are journalled and acknowledged by its majority.
type Database struct {
	URI string // of a user with readWrite, as tidegate logs in

	dir    string
	server *mongod.Server
	client *mongo.Client // of the admin
}

// StartDatabase starts one below base. An error that wraps mongod.ErrNone says
// how to get a mongod.
func StartDatabase(ctx context.Context, base string) (*Database, error) {
	dir, err := os.MkdirTemp(base, "bench-mongod-")
	if err != nil {
		return nil, err
	}
	d := &Database{dir: dir}
	d.server, err = mongod.Start(ctx, mongod.Options{Dir: dir, CacheGB: databaseCache, Scratch: true})
	if err == nil {
		d.URI, err = d.server.URI(ctx, databaseName)
	}
	if err == nil {
		journal := true
		concern := &writeconcern.WriteConcern{W: "majority", Journal: &journal}
		d.client, err = mongo.Connect(options.Client().ApplyURI(d.server.AdminURI()).SetWriteConcern(concern))
	}
	if err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

// Remove ends the server and deletes its folder.
func (d *Database) Remove() error {
	var errs []error
	if d.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, d.client.Disconnect(ctx))
	}
	if d.server != nil {
		errs = append(errs, d.server.Kill())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// Pid answers the process's id.
func (d *Database) Pid() int { return d.server.PID() }

func (d *Database) values() *mongo.Collection {
	return d.client.Database(databaseName).Collection(valuesCollection)
}

// Count counts the readings in the collection, one by one.
func (d *Database) Count(ctx context.Context) (int64, error) {
	return d.values().CountDocuments(ctx, bson.D{})
}

// DiskBytes answers what readings and their indexes take on disk, once all is
// written down.
func (d *Database) DiskBytes(ctx context.Context) (int64, error) {
	if err := d.client.Database("admin").RunCommand(ctx, bson.D{{Key: "fsync", Value: 1}}).Err(); err != nil {
		return 0, fmt.Errorf("write everything down: %w", err)
	}
	var stats struct {
		Storage int64 `bson:"storageSize"`
		Indexes int64 `bson:"totalIndexSize"`
	}
	err := d.client.Database(databaseName).RunCommand(ctx, bson.D{{Key: "collStats", Value: bucketCollection}}).Decode(&stats)
	return stats.Storage + stats.Indexes, err
}

// definition is a time-series collection: how it was made, and its indexes.
type definition struct {
	options bson.Raw // of timeseries
	indexes []bson.Raw
}

// definition reads how the collection of readings was made.
func (d *Database) definition(ctx context.Context) (def definition, err error) {
	specs, err := d.client.Database(databaseName).ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: valuesCollection}})
	if err != nil || len(specs) != 1 {
		return def, errors.Join(err, fmt.Errorf("collection %s: %d found", valuesCollection, len(specs)))
	}
	if err := specs[0].Options.Lookup("timeseries").Unmarshal(&def.options); err != nil {
		return def, fmt.Errorf("collection %s is not a time series: %w", valuesCollection, err)
	}
	cur, err := d.values().Indexes().List(ctx)
	if err != nil {
		return def, err
	}
	return def, cur.All(ctx, &def.indexes)
}

// create makes a collection of readings as another one was made.
func (d *Database) create(ctx context.Context, def definition) (*mongo.Collection, error) {
	db := d.client.Database(databaseName)
	err := db.RunCommand(ctx, bson.D{{Key: "create", Value: valuesCollection}, {Key: "timeseries", Value: def.options}}).Err()
	if err != nil {
		return nil, err
	}
	if len(def.indexes) > 0 {
		err = db.RunCommand(ctx, bson.D{{Key: "createIndexes", Value: valuesCollection}, {Key: "indexes", Value: def.indexes}}).Err()
	}
	return d.values(), err
}

// sample answers any document of the collection.
func (d *Database) sample(ctx context.Context) (bson.Raw, error) {
	return d.values().FindOne(ctx, bson.D{}).Raw()
}
