package mongo

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store/mongo/mongotest"
)

// TestExpiry: what the operator has set is found.
func TestExpiry(t *testing.T) {
	server, name := mongotest.Shared(t, mongotest.ReplicaSet), mongotest.Database(t)
	box := openBox(t, server.URI(t, name), t.TempDir(), SeriesOptions{})
	defer box.Close()
	if d, err := box.Expiry(t.Context()); d != 0 || err != nil {
		t.Errorf("a new collection: %v, %v", d, err)
	}
	server.Admin(t, func(c *mongo.Client) error {
		return c.Database(name).RunCommand(t.Context(), bson.D{{Key: "collMod", Value: valuesCollection}, {Key: "expireAfterSeconds", Value: 31_536_000}}).Err()
	})
	if d, err := box.Expiry(t.Context()); d != 365*24*time.Hour || err != nil {
		t.Errorf("a year: %v, %v", d, err)
	}
}
