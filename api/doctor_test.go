package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDoctorLooksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		d := newDoctor(Options{Now: time.Now, Doctor: func(ctx context.Context) ([]Check, error) {
			looks++
			<-time.After(time.Second) // of the bubble
			return []Check{{"clock", "ok", ""}}, ctx.Err()
		}})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if r, err := d.report(t.Context()); err != nil || len(r.Items) != 1 {
					t.Errorf("%+v %v", r, err)
				}
			})
		}
		synctest.Wait() // one looks
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := d.report(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who is gone waits: %v", err)
		}
		all.Wait()
		if looks != 1 {
			t.Errorf("ten callers made it look %d times", looks)
		}
		<-time.After(doctorKept)
		if _, err := d.report(t.Context()); err != nil || looks != 2 {
			t.Errorf("an old report is answered again: %v, %d looks", err, looks)
		}
	})
}

func TestDoctorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoctor(Options{Now: time.Now, Doctor: func(ctx context.Context) ([]Check, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if _, err := d.report(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a look without end: %v", err)
		}
	})
}

func TestSettingsAndDoctorAreAbsentWithoutThem(t *testing.T) {
	b := newBox(t)
	for _, path := range []string{"/api/v1/doctor", "/api/v1/settings"} {
		if r := b.asEverybody(t, http.MethodGet, path); r.Code != http.StatusServiceUnavailable || !strings.Contains(r.Body.String(), "not at hand yet") {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
}
