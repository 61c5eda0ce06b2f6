package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Probed is what a look at a database finds.
type Probed struct {
	Capability
	Writer  string    // who holds the lease to write readings; empty: nobody ever did
	Renewed time.Time // when its holder was last heard of, by the server's clock
}

// Probe looks at the server and makes nothing there: it is for a Database of its
// own that nobody else uses. While the server is away it is
// store.ErrUnavailable.
func (d *Database) Probe(ctx context.Context) (p Probed, err error) {
	if d.client == nil {
		if err := d.connect(); err != nil {
			return p, err
		}
	}
	if p.Capability, err = d.readCapability(ctx); err != nil {
		return p, err
	}
	var is struct {
		Name      string    `bson:"name"`
		RenewedAt time.Time `bson:"renewedAt"`
	}
	err = d.db.Collection(leasesCollection).FindOne(ctx, bson.D{{Key: "_id", Value: "values"}}).Decode(&is)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return p, fault(fmt.Errorf("read the lease to write: %w", err))
	}
	p.Writer, p.Renewed = is.Name, is.RenewedAt
	return p, nil
}
