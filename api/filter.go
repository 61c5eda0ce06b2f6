package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// optional is a query parameter that may be left out where its zero value
// means something.
type optional[T comparable] struct {
	Value T
	Set   bool
}

// Receiver implements huma.ParamWrapper.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet implements huma.ParamReactor.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.Set = set }

// Schema implements huma.SchemaProvider.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// takes reports whether the filter, when it is given, chooses v.
func (o optional[T]) takes(v T) bool { return !o.Set || o.Value == v }

// search is a text that is looked for in several fields.
type search string

func newSearch(q string) search { return search(strings.ToLower(strings.TrimSpace(q))) }

// in reports whether one of the fields has it, whatever the case; an empty
// search is in everything.
func (q search) in(fields ...string) bool {
	for _, f := range fields {
		if strings.Contains(strings.ToLower(f), string(q)) {
			return true
		}
	}
	return q == ""
}

// Bounds of a filtered list.
const (
	listPiece  = 1000
	listLooked = 20_000 // items that one request looks at
)

// lister reads a list of the catalogue by pieces, in order of id.
type lister[T any] struct {
	piece  func(after string, n int) ([]T, error)
	id     func(T) string
	wanted func(T) bool // nil: all
}

// page answers at most limit items behind after that are wanted, and where to go
// on; empty: there are no more. When few are wanted it stops after listLooked
// ones, and the cursor says how far it has looked.
func (l lister[T]) page(after string, limit int) (items []T, next string, err error) {
	n := listPiece
	if l.wanted == nil {
		n = limit + 1
	}
	for looked := 0; ; {
		piece, err := l.piece(after, n)
		if err != nil {
			return nil, "", err
		}
		for _, it := range piece {
			if l.wanted == nil || l.wanted(it) {
				if len(items) == limit {
					return items, l.id(items[limit-1]), nil
				}
				items = append(items, it)
			}
			after = l.id(it)
		}
		if len(piece) < n {
			return items, "", nil
		}
		if looked += len(piece); looked >= listLooked {
			return items, after, nil
		}
	}
}

// listOf converts a page.
func listOf[S, T any](items []S, next string, convert func(S) T) *answer[List[T]] {
	l := List[T]{Items: make([]T, 0, len(items)), NextCursor: next}
	for _, it := range items {
		l.Items = append(l.Items, convert(it))
	}
	return &answer[List[T]]{l}
}

// shortPages is said of every list that looks at a bounded number of items.
const shortPages = "A page may have fewer items than limit, or none, and still a nextCursor: so many were looked at."
