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
		if err := t.checkUser(u); err != nil {
			return err
		}
		u.CreatedAt = kept(u.CreatedAt, t.now)
		return errors.Join(t.putUser(u), t.bucket(emailBucket).Put(emailKey(u.Email), []byte(u.ID)))
	})
}

// emailKey makes addresses equal that differ in case alone.
func emailKey(email string) []byte { return []byte(strings.ToLower(email)) }

// checkUser looks for what u refers to, and for who else has its link.
func (t *catalogTx) checkUser(u store.User) error {
	if u.OrgID != "" {
		if _, err := t.organization(u.OrgID); err != nil {
			return err
		}
	}
	if len(u.LinkHash) > 0 {
		if holder := t.bucket(linkBucket).Get(u.LinkHash); holder != nil && string(holder) != u.ID {
			return store.Conflict("user", u.ID, "the link is another user's; make a new one")
		}
	}
	return nil
}

// putUser writes u, and what leads to it but the address.
func (t *catalogTx) putUser(u store.User) error {
	err := t.bucket(userBucket).Put([]byte(u.ID), encodeUser(u))
	if u.OrgID != "" {
		err = errors.Join(err, t.bucket(orgUserBucket).Put(pair(u.OrgID, u.ID), nil))
	}
	if len(u.LinkHash) > 0 {
		err = errors.Join(err, t.bucket(linkBucket).Put(u.LinkHash, []byte(u.ID)))
	}
	if u.Name != "" || len(u.LinkHash) > 0 {
		err = errors.Join(err, t.needFormat(formatKeys))
	}
	return err
}

// unlinkUser removes what putUser made to lead to u. In a copy a link may be
// another's by now.
func (t *catalogTx) unlinkUser(u store.User) (err error) {
	if u.OrgID != "" {
		err = t.bucket(orgUserBucket).Delete(pair(u.OrgID, u.ID))
	}
	if links := t.bucket(linkBucket); len(u.LinkHash) > 0 && string(links.Get(u.LinkHash)) == u.ID {
		err = errors.Join(err, links.Delete(u.LinkHash))
	}
	return err
}

// UpdateUser implements store.Users.
func (c *Catalog) UpdateUser(ctx context.Context, u store.User) error {
	return c.update(ctx, "update user", func(t *catalogTx) error {
		was, err := t.user(u.ID)
		if err != nil {
			return err
		}
		u.Email, u.CreatedAt = was.Email, was.CreatedAt
		if err := u.Validate(); err != nil {
			return err
		}
		if err := t.checkUser(u); err != nil {
			return err
		}
		return errors.Join(t.unlinkUser(was), t.putUser(u))
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

// UserByLink implements store.Users.
func (c *Catalog) UserByLink(ctx context.Context, hash []byte) (u store.User, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		if len(hash) == 0 {
			return store.NotFound("user", "")
		}
		id := t.bucket(linkBucket).Get(hash)
		if id == nil {
			return store.NotFound("user", "")
		}
		u, err = t.user(string(id))
		return err
	})
	return u, err
}

// ListUsers implements store.Users.
func (c *Catalog) ListUsers(ctx context.Context, f store.UserFilter) (out []store.User, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		return t.list(userBucket, orgUserBucket, f.OrgID, f.Page, func(id string, v []byte) (bool, error) {
			u, err := decodeUser(id, v)
			out = append(out, u)
			return true, err
		})
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
