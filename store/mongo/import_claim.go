package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
)

// Import names readings and a catalogue that are brought into a database.
type Import struct {
	ID   string // the same whenever it goes on
	From string // for people: host and folder
}

// importToken begins the token of a claim.
const importToken = "import "

func (im Import) token() string { return importToken + im.ID }

// claimDoc is the first change of a database that was claimed: it says that a
// catalogue is to come, so that nobody takes the database for a new one.
type claimDoc struct {
	Revision int64         `bson:"_id"`
	Token    string        `bson:"token"`
	At       bson.DateTime `bson:"at"`
	Whole    bool          `bson:"whole"`
	From     string        `bson:"from,omitempty"`
}

// BeginImport claims a database that has neither catalogue nor readings for an
// import, until AdoptImport ends it; one that was claimed by this import before
// is fine. Any other is an ErrConflict with the way out.
func BeginImport(ctx context.Context, db *Database, im Import) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	if err := db.claim(ctx, im); err != nil {
		return fmt.Errorf("begin to bring readings into %s: %w", db.place(), fault(err))
	}
	return nil
}

func (d *Database) claim(ctx context.Context, im Import) error {
	const wayOut = "Name an empty database in MONGO_URI (the end of mongodb://host/tidegate), or, if nobody needs this one, drop it with db.dropDatabase()"
	claimed := func() (there bool, err error) {
		var is claimDoc
		err = d.agreed(changesCollection).FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Decode(&is)
		switch {
		case errors.Is(err, mongo.ErrNoDocuments):
			return false, nil
		case err != nil:
			return false, err
		case is.Token == im.token():
			return true, nil
		case strings.HasPrefix(is.Token, importToken):
			return true, store.Conflict("database", d.place(), "a migration into it was begun from %s at %s, and did not end. Finish that one there. %s", is.From, timeOf(is.At).Format(time.RFC3339), wayOut)
		}
		return true, store.Conflict("database", d.place(), "it has a catalogue already. %s", wayOut)
	}
	if there, err := claimed(); err != nil || there {
		return err
	}
	switch err := d.agreed(valuesCollection).FindOne(ctx, bson.D{}).Err(); {
	case err == nil:
		return store.Conflict("database", d.place(), "it has readings already. %s", wayOut)
	case !errors.Is(err, mongo.ErrNoDocuments):
		return err
	}
	c := claimDoc{Revision: 1, Token: im.token(), At: dateOf(d.o.Now()), Whole: true, From: im.From}
	if _, err := d.db.Collection(changesCollection).InsertOne(ctx, c); err != nil && !mongo.IsDuplicateKeyError(err) {
		return err
	}
	_, err := claimed() // perhaps by somebody else, in between
	return err
}

// AdoptImport ends an import: it is AdoptCatalog for a database that BeginImport
// has claimed, and reads the catalogue back before local becomes a copy. It may
// be cut off and repeated, with the catalogue as it was.
func AdoptImport(ctx context.Context, db *Database, im Import, local store.CatalogCopy) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	_, follows, err := local.Mark(ctx)
	if err != nil {
		return err
	}
	if !follows {
		whole, err := local.Dump(ctx)
		if err != nil {
			return err
		}
		if err := db.adoptImport(ctx, im, whole); err != nil {
			return fmt.Errorf("bring the catalogue into %s: %w", db.place(), fault(err))
		}
	}
	return AdoptCatalog(ctx, db, local)
}

func (d *Database) adoptImport(ctx context.Context, im Import, whole store.CatalogChange) error {
	token, err := tokenOf(whole)
	if err != nil {
		return err
	}
	hand := bson.D{{Key: "$set", Value: bson.D{{Key: "token", Value: token}}}, {Key: "$unset", Value: bson.D{{Key: "from", Value: ""}}}}
	if _, err := d.db.Collection(changesCollection).UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "token", Value: im.token()}}, hand); err != nil {
		return err
	}
	if err := d.adopt(ctx, whole, token); err != nil {
		return err
	}
	c := &Catalog{db: d}
	back, m, err := c.read(ctx)
	if err != nil {
		return err
	}
	is, err := tokenOf(back)
	if err == nil && (is != token || m.Token != token) {
		err = store.Conflict("catalogue", d.place(), "what was written is read back as something else (%s, not %s)", is, token)
	}
	return err
}
