package embedded

import (
	"errors"
	"fmt"
	"strings"

	"tidegate/store"
)

// kind is a kind of object that has an id and belongs to an organization, or to
// all: how it is called, where it is kept, and in which form. What else leads to
// an object is its file's.
type kind[T any] struct {
	noun   string
	bucket []byte // id → object
	ofOrg  []byte // organization 0 id → nothing
	key    func(T) (id, orgID string)
	encode func(T) []byte
	decode func(id string, b []byte) (T, error)
}

func (k kind[T]) get(t *catalogTx, id string) (v T, err error) {
	b := t.bucket(k.bucket).Get([]byte(id))
	if b == nil {
		return v, store.NotFound(k.noun, id)
	}
	return k.decode(id, b)
}

// find is get of one that may be there.
func (k kind[T]) find(t *catalogTx, id string) (v T, ok bool, err error) {
	v, err = k.get(t, id)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	return v, err == nil, err
}

// put writes v. One that is there under its id is of the same organization.
func (k kind[T]) put(t *catalogTx, v T) error {
	id, orgID := k.key(v)
	err := t.bucket(k.bucket).Put([]byte(id), k.encode(v))
	if orgID != "" {
		err = errors.Join(err, t.bucket(k.ofOrg).Put(pair(orgID, id), nil))
	}
	return err
}

func (k kind[T]) remove(t *catalogTx, v T) error {
	id, orgID := k.key(v)
	err := t.bucket(k.bucket).Delete([]byte(id))
	if orgID != "" {
		err = errors.Join(err, t.bucket(k.ofOrg).Delete(pair(orgID, id)))
	}
	return err
}

// list answers those of an organization, or all, in order of id.
func (k kind[T]) list(t *catalogTx, orgID string, p store.Page) (out []T, err error) {
	err = t.list(k.bucket, k.ofOrg, orgID, p, func(id string, b []byte) (bool, error) {
		v, err := k.decode(id, b)
		out = append(out, v)
		return true, err
	})
	return out, err
}

// list calls take with what a bucket has, in order of id, or with what it has of
// one organization, until take has taken a page.
func (t *catalogTx) list(bucket, ofOrg []byte, orgID string, p store.Page, take func(id string, v []byte) (bool, error)) error {
	all, taken := t.bucket(bucket), 0
	if orgID == "" {
		cur := all.Cursor()
		for k, v := seekAfter(cur, p.After); k != nil && !full(taken, p.Limit); k, v = cur.Next() {
			ok, err := take(string(k), v)
			if err != nil {
				return err
			}
			if ok {
				taken++
			}
		}
		return nil
	}
	prefix := string(pair(orgID, ""))
	cur := t.bucket(ofOrg).Cursor()
	for k, _ := seekAfter(cur, prefix+p.After); k != nil && !full(taken, p.Limit); k, _ = cur.Next() {
		id, ok := strings.CutPrefix(string(k), prefix)
		if !ok || id == "" {
			break
		}
		v := all.Get([]byte(id))
		if v == nil {
			return fmt.Errorf("list %s: %q of organization %s is absent from the catalogue", bucket, id, orgID)
		}
		ok, err := take(id, v)
		if err != nil {
			return err
		}
		if ok {
			taken++
		}
	}
	return nil
}

// full reports whether n items fill a page; a limit of 0 is none.
func full(n, limit int) bool { return limit > 0 && n >= limit }

// keyCursor is the part of a bbolt cursor that seekAfter needs.
type keyCursor interface {
	Seek(key []byte) (k, v []byte)
	Next() (k, v []byte)
}

// seekAfter moves cur to the first key greater than after.
func seekAfter(cur keyCursor, after string) (k, v []byte) {
	k, v = cur.Seek([]byte(after))
	if k != nil && string(k) == after {
		k, v = cur.Next()
	}
	return k, v
}
