package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"tidegate/store"
)

// Audit is an audit trail that can be closed.
type Audit interface {
	store.Audit
	Close() error
}

// RunAudit tests an audit trail. open opens that of a folder, or makes it.
func RunAudit(t *testing.T, open func(t testing.TB, dir string) Audit) {
	t.Run("model", func(t *testing.T) { testAuditModel(t, open) })
	t.Run("concurrent", func(t *testing.T) { testAuditConcurrent(t, open) })
}

// testAuditModel records by chance, over reopening and crashes: what Record
// answered is there, in order and linked.
func testAuditModel(t *testing.T, open func(testing.TB, string) Audit) {
	rnd, dir, ctx := newRand(t), t.TempDir(), t.Context()
	a := open(t, dir)
	var model []store.AuditEntry
	for step := range 600 {
		e := store.AuditEntry{At: store.Time(step + 1), Actor: "user:ann@example.org", Action: "device.update", Noun: "device", ID: fmt.Sprint("d", step)}
		if rnd.IntN(2) == 0 {
			e.Before = json.RawMessage(`{"name":"<a>&b"}`)
			e.After = json.RawMessage(fmt.Sprintf(`{"name":%q}`, fmt.Sprintf("ü %*d", []int{10, 2000, 90_000}[rnd.IntN(41)/20], step)))
			e.Remote = "127.0.0.1"
		}
		got, err := a.Record(ctx, e)
		must(t, err)
		want := e
		want.Seq, want.Hash, want.Prev = uint64(len(model)+1), got.Hash, got.Prev
		if !reflect.DeepEqual(got, want) || len(model) > 0 && got.Prev != model[len(model)-1].Hash || got.Hash == got.Prev || len(got.Hash) != 64 {
			t.Fatalf("recorded %+v\n for %+v", got, want)
		}
		model = append(model, got)
		switch rnd.IntN(60) {
		case 0:
			must(t, a.Close())
			a = open(t, dir)
		case 1:
			image := crashImage(t, dir)
			must(t, a.Close())
			dir, a = image, open(t, image)
		}
		if step%40 == 0 || step == 599 {
			compareAudit(t, a, model, uint64(rnd.IntN(len(model)+2)), 1+rnd.IntN(50))
		}
	}
	if _, err := a.ListAudit(ctx, 0, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a list without a limit: %v", err)
	}
	if _, err := a.Record(ctx, store.AuditEntry{Before: json.RawMessage("{")}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an entry that is no JSON: %v", err)
	}
	compareAudit(t, a, model, 0, len(model)+1)
	must(t, a.Close())
}

func compareAudit(t *testing.T, a Audit, model []store.AuditEntry, after uint64, limit int) {
	t.Helper()
	n, err := a.VerifyAudit(t.Context())
	must(t, err)
	if n != uint64(len(model)) {
		t.Fatalf("%d entries, want %d", n, len(model))
	}
	got, err := a.ListAudit(t.Context(), after, limit)
	must(t, err)
	want := model[min(after, uint64(len(model))):]
	want = want[:min(limit, len(want))]
	if len(got) != len(want) {
		t.Fatalf("%d entries behind %d, want %d", len(got), after, len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		sameJSON(t, &g.Before, &w.Before)
		sameJSON(t, &g.After, &w.After)
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("entry\n got %+v\nwant %+v", g, w)
		}
	}
}

// sameJSON compares documents and blanks them: their spelling may differ.
func sameJSON(t *testing.T, a, b *json.RawMessage) {
	t.Helper()
	var x, y any
	if len(*a) > 0 {
		must(t, json.Unmarshal(*a, &x))
	}
	if len(*b) > 0 {
		must(t, json.Unmarshal(*b, &y))
	}
	if !reflect.DeepEqual(x, y) {
		t.Fatalf("%s is not %s", *a, *b)
	}
	*a, *b = nil, nil
}

func testAuditConcurrent(t *testing.T, open func(testing.TB, string) Audit) {
	ctx, dir := t.Context(), t.TempDir()
	a := open(t, dir)
	const writers, each = 16, 20
	seen := make([][]store.AuditEntry, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e, err := a.Record(ctx, store.AuditEntry{Actor: fmt.Sprint(w), Action: "x", ID: fmt.Sprint(i)})
				if err != nil {
					t.Error(err)
					return
				}
				seen[w] = append(seen[w], e)
			}
		})
	}
	wg.Wait()
	if n, err := a.VerifyAudit(ctx); err != nil || n != writers*each {
		t.Fatalf("%d entries: %v", n, err)
	}
	all, err := a.ListAudit(ctx, 0, 1000)
	must(t, err)
	for w := range writers {
		last := uint64(0)
		for _, e := range seen[w] {
			if e.Seq <= last || all[e.Seq-1].Hash != e.Hash {
				t.Fatalf("entry %d of writer %d is not where it was answered", e.Seq, w)
			}
			last = e.Seq
		}
	}
	must(t, a.Close())
}
