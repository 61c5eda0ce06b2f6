package mongo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
)

// AdoptCatalog brings the catalogue of local, an original, into a database that
// has none, device numbers included, and makes local its copy. It may be cut
// off at any moment and repeated, with the catalogue as it was; once it has
// answered nil, repeating it does nothing. A database that has another catalogue
// is an ErrConflict.
func AdoptCatalog(ctx context.Context, db *Database, local store.CatalogCopy) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	m, follows, err := local.Mark(ctx)
	if err != nil {
		return err
	}
	if follows {
		if m.Database == db.identity() {
			return nil
		}
		return store.Conflict("catalogue", db.place(), "this folder's catalogue is in another database already, %s; set MONGO_URI to it", m.Name)
	}
	whole, err := local.Dump(ctx)
	if err != nil {
		return err
	}
	token, err := tokenOf(whole)
	if err != nil {
		return err
	}
	if err := db.adopt(ctx, whole, token); err != nil {
		return fmt.Errorf("bring the catalogue into %s: %w", db.place(), fault(err))
	}
	return local.Follow(ctx, store.CatalogMark{Database: db.identity(), Name: db.place(), Revision: 1, Token: token, Form: store.CatalogForm}, store.CatalogChange{})
}

// tokenOf answers the same for the same catalogue alone.
func tokenOf(whole store.CatalogChange) (string, error) {
	h := sha256.New()
	for _, doc := range []any{docOfChange(whole, 1, "", 0), viewedNote{LastUID: int64(whole.LastUID)}} {
		// Not limited to a document's size: it is never sent.
		b, err := bson.Marshal(doc)
		if err != nil {
			return "", fmt.Errorf("encode the catalogue: %w", err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// adopt puts a whole catalogue into the collections of a database that has none.
// It begins with the first change, which is empty, and claims the database for
// this very catalogue: a second one is refused, and nobody can follow the change
// before the collections are noted to hold it, which comes last.
func (d *Database) adopt(ctx context.Context, whole store.CatalogChange, token string) error {
	claim := changeDoc{Revision: 1, Token: token, At: dateOf(d.o.Now()), Whole: true}
	_, err := d.db.Collection(changesCollection).InsertOne(ctx, claim)
	if mongo.IsDuplicateKeyError(err) {
		var first changeDoc
		err = d.agreed(changesCollection).FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Decode(&first)
		if err == nil && first.Token != token {
			return store.Conflict("catalogue", d.place(), "the database has a catalogue already, or a migration of another one was begun in it; name an empty database in MONGO_URI, or drop this one")
		}
	}
	if err != nil {
		return err
	}
	note, err := d.readViewed(ctx)
	if err != nil || note.Applied >= 1 {
		return err
	}
	c := docOfChange(whole, 1, token, 0)
	if err := d.viewDocuments(ctx, &c); err != nil {
		return err
	}
	return d.noteViewed(ctx, viewedNote{Applied: 1, LastUID: int64(whole.LastUID)})
}
