package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
)

// oneOf refuses a value that is not one of those that a flag takes, and names
// the nearest.
func oneOf[T ~string](flag string, value T, known []T) error {
	if slices.Contains(known, value) {
		return nil
	}
	var texts []string
	for _, k := range known {
		texts = append(texts, string(k))
	}
	return usage("--%s %s%s Use %s", flag, value, orStop(didYouMean(string(value), texts)), strings.Join(texts, ", "))
}

func didYouMean(name string, known []string) string {
	if n := config.Nearest(name, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// called is a kind of object that people call by id or by name.
type called[T any] struct {
	what string
	get  func(ctx context.Context, id string) (T, error)
	list func(ctx context.Context, p client.Page) (client.List[T], error)
	name func(T) (id, name string)
}

// find answers the one of an id, or the only one of a name.
func (k called[T]) find(ctx context.Context, idOrName string) (v T, err error) {
	v, err = k.get(ctx, idOrName)
	var problem *client.Problem
	if err == nil || !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		return v, err
	}
	all, lerr := k.all(ctx)
	if lerr != nil {
		return v, lerr
	}
	return k.among(all, idOrName, "")
}

func (k called[T]) all(ctx context.Context) (all []T, err error) {
	err = client.All(ctx, k.list, func(v T) error { all = append(all, v); return nil })
	return all, err
}

// among answers the one of all that has the id, or alone has the name; in says
// where it was looked for.
func (k called[T]) among(all []T, idOrName, in string) (v T, err error) {
	var found []T
	var known []string
	for _, v := range all {
		id, name := k.name(v)
		if id == idOrName {
			return v, nil
		}
		if name == idOrName {
			found = append(found, v)
		}
		if !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	switch len(found) {
	case 0:
		return v, fmt.Errorf("%s %q: not found%s%s", k.what, idOrName, in, didYouMean(idOrName, known))
	case 1:
		return found[0], nil
	}
	return v, fmt.Errorf("%s %q: %d are called so; give the id, or --org", k.what, idOrName, len(found))
}

// subjectByName is subject for what is called by id or by name.
func subjectByName(c *cobra.Command, id, org *string, what string) {
	subject(c, id, "id", what+", by id or name")
	c.Flags().StringVar(org, "org", "", "its organization, where several have one of that name")
}

// verbOn is a verb about one object that is called by id or by name; what is how
// help calls it.
func verbOn[T any](p *program, use, short, what string, of func(cl *client.Client, orgID string) called[T], run func(ctx context.Context, cl *client.Client, v T) error) *cobra.Command {
	var id, org string
	c := verb(use, short, func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		v, err := of(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		return run(ctx, cl, v)
	})
	subjectByName(c, &id, &org, what)
	return c
}
