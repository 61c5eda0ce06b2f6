package embedded

import (
	"context"
	"errors"
	"strings"

	"tidegate/store"
)

// CreateUser implements store.Users.
func (c *Catalog) CreateUser(ctx context.Context, u store.User) error {
	return c.update(ctx, "create user", func(t *catalogTx) error {
		if err := u.Validate(); err != nil {
			return err
		}
		if u.ID == "" {
			return store.Invalid("user", "id", "must be given")
		}
		if t.bucket(userBucket).Get([]byte(u.ID)) != nil {
			return store.Conflict("user", u.ID, "exists already")
		}
		if t.bucket(emailBucket).Get(emailKey(u.Email)) != nil {
			return store.Conflict("user", u.Email, "the address is taken; set that user, or choose another address")
		}
		if err := t.checkUserOrg(u); err != nil {
			return err
		}
		u.CreatedAt = kept(u.CreatedAt, t.now)
		return errors.Join(
			t.bucket(userBucket).Put([]byte(u.ID), encodeUser(u)),
			t.bucket(emailBucket).Put(emailKey(u.Email), []byte(u.ID)),
			t.linkUser(u),
		)
	})
}

// emailKey makes addresses equal that differ in case alone.
func emailKey(email string) []byte { return []byte(strings.ToLower(email)) }

func (t *catalogTx) checkUserOrg(u store.User) error {
	if u.OrgID == "" {
		return nil
	}
	_, err := t.organization(u.OrgID)
	return err
}

func (t *catalogTx) linkUser(u store.User) error {
	if u.OrgID == "" {
		return nil
	}
	return t.bucket(orgUserBucket).Put(pair(u.OrgID, u.ID), nil)
}

func (t *catalogTx) unlinkUser(u store.User) error {
	if u.OrgID == "" {
		return nil
	}
	return t.bucket(orgUserBucket).Delete(pair(u.OrgID, u.ID))
}

// UpdateUser implements store.Users.
func (c *Catalog) UpdateUser(ctx context.Context, u store.User) error {
	return c.update(ctx, "update user", func(t *catalogTx) error {
		was, err := t.user(u.ID)
		if err != nil {
			return err
		}
		next := was
		next.Role, next.OrgID, next.PasswordHash = u.Role, u.OrgID, u.PasswordHash
		if err := next.Validate(); err != nil {
			return err
		}
		if err := t.checkUserOrg(next); err != nil {
			return err
		}
		return errors.Join(
			t.unlinkUser(was),
			t.bucket(userBucket).Put([]byte(u.ID), encodeUser(next)),
			t.linkUser(next),
		)
	})
}

// User implements store.Users.
func (c *Catalog) User(ctx context.Context, id string) (u store.User, err error) {
	err = c.view(ctx, func(t *catalogTx) error { u, err = t.user(id); return err })
	return u, err
}

func (t *catalogTx) user(id string) (store.User, error) {
	b := t.bucket(userBucket).Get([]byte(id))
	if b == nil {
		return store.User{}, store.NotFound("user", id)
	}
	return decodeUser(id, b)
}

// UserByEmail implements store.Users.
func (c *Catalog) UserByEmail(ctx context.Context, email string) (u store.User, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		id := t.bucket(emailBucket).Get(emailKey(email))
		if id == nil {
			return store.NotFound("user", email)
		}
		u, err = t.user(string(id))
		return err
	})
	return u, err
}

// ListUsers implements store.Users.
func (c *Catalog) ListUsers(ctx context.Context, p store.Page) (out []store.User, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		cur := t.bucket(userBucket).Cursor()
		for k, v := seekAfter(cur, p.After); k != nil && !full(len(out), p.Limit); k, v = cur.Next() {
			u, err := decodeUser(string(k), v)
			if err != nil {
				return err
			}
			out = append(out, u)
		}
		return nil
	})
	return out, err
}

// DeleteUser implements store.Users.
func (c *Catalog) DeleteUser(ctx context.Context, id string) error {
	return c.update(ctx, "delete user", func(t *catalogTx) error {
		u, err := t.user(id)
		if err != nil {
			return err
		}
		return errors.Join(
			t.bucket(userBucket).Delete([]byte(id)),
			t.bucket(emailBucket).Delete(emailKey(u.Email)),
			t.unlinkUser(u),
		)
	})
}
