package mongod

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	admin = "root"
	user  = "tidegate"
)

// AdminURI names the user that may do everything.
func (s *Server) AdminURI() string {
	u := url.URL{Scheme: "mongodb", User: url.UserPassword(admin, s.secret), Host: s.addr, Path: "/admin", RawQuery: "directConnection=true"}
	return u.String()
}

// URI answers how a user logs in who has the role readWrite on one database and
// no other right. The user is made when that was not done yet.
func (s *Server) URI(ctx context.Context, database string) (string, error) {
	u := url.URL{Scheme: "mongodb", User: url.UserPassword(user, s.secret), Host: s.addr, Path: "/" + database}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[database] {
		return u.String(), nil
	}
	err := s.as(s.AdminURI(), func(c *mongo.Client) error {
		return c.Database(database).RunCommand(ctx, bson.D{
			{Key: "createUser", Value: user},
			{Key: "pwd", Value: s.secret},
			{Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "readWrite"}, {Key: "db", Value: database}}}},
		}).Err()
	})
	if err != nil {
		return "", fmt.Errorf("make a user of database %s: %w", database, err)
	}
	s.users[database] = true
	return u.String(), nil
}

// Admin calls fn with a client that may do everything.
func (s *Server) Admin(fn func(*mongo.Client) error) error { return s.as(s.AdminURI(), fn) }

func (s *Server) as(uri string, fn func(*mongo.Client) error) (err error) {
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = errors.Join(err, c.Disconnect(ctx))
	}()
	return fn(c)
}

// found makes the replica set and the admin. Both pass without a login because
// nobody exists yet and we come from the server's own machine.
func (s *Server) found(ctx context.Context) error {
	return s.as("mongodb://"+s.addr+"/?directConnection=true", func(c *mongo.Client) error {
		db := c.Database("admin")
		if !s.o.Standalone {
			members := bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: s.addr}}}
			if err := db.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{{Key: "_id", Value: "rs0"}, {Key: "members", Value: members}}}}).Err(); err != nil {
				return fmt.Errorf("make the replica set: %w", err)
			}
		}
		if err := s.writable(ctx, db); err != nil {
			return err
		}
		if err := db.RunCommand(ctx, bson.D{{Key: "createUser", Value: admin}, {Key: "pwd", Value: s.secret}, {Key: "roles", Value: bson.A{"root"}}}).Err(); err != nil {
			return fmt.Errorf("make the admin: %w", err)
		}
		return nil
	})
}

// Writable waits until it takes writes.
func (s *Server) Writable(ctx context.Context) error {
	return s.as("mongodb://"+s.addr+"/?directConnection=true", func(c *mongo.Client) error {
		return s.writable(ctx, c.Database("admin"))
	})
}

func (s *Server) writable(ctx context.Context, db *mongo.Database) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		var hello struct {
			IsWritablePrimary bool `bson:"isWritablePrimary"`
		}
		err := db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
		if err == nil && hello.IsWritablePrimary {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("mongod takes no writes (last answer: %w)\n%s", errors.Join(err, ctx.Err()), s.Tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
