package alert

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// told answers what an episode that began at 12:00 is told with at 12:05, or when
// it is resolved.
func told(t *testing.T, r store.AlertRule, e store.AlertEvent) string {
	t.Helper()
	if err := r.Condition.Validate(); err != nil {
		t.Fatal(err)
	}
	m, err := NewMessage(r)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	e.DeviceID, e.PortNumber, e.PortName, e.Kind = "kiln-7", 3, "temperature", r.Condition.Kind
	e.RuleName, e.Severity, e.Labels = r.Name, r.Severity, r.Labels
	e.StartedAt, e.FiredAt = store.Time(start), store.Time(start+60_000)
	if e.ResolvedAt != nil {
		*e.ResolvedAt += store.Time(start)
	}
	return m.Text(Facts{
		Event: &e, Device: store.Device{ID: "kiln-7", Name: "Kiln 7", SerialNumber: "SN1"},
		Plan: plan(t, r), Now: start + 300_000,
	})
}

func TestDefaultSentences(t *testing.T) {
	firing := store.AlertEvent{State: store.AlertFiring, Unit: "°C", First: number(80.5), Worst: number(93.123456789), Last: number(90)}
	over := func(end store.AlertEnd) store.AlertEvent {
		e := firing
		at := store.Time(3 * 3600 * 1000)
		e.State, e.ResolvedAt, e.End = store.AlertResolved, &at, end
		return e
	}
	minute := store.Duration(time.Minute)
	seen := map[store.ConditionKind]bool{}
	for _, c := range []struct {
		condition        store.Condition
		firing, resolved string
	}{
		{
			store.Condition{Kind: store.CondAbove, High: number(80)},
			"Kiln 7 temperature: 90 °C is above 80 °C for 5m",
			"Kiln 7 temperature: no longer above 80 °C, after 3h; the highest was 93.1235 °C",
		},
		{
			store.Condition{Kind: store.CondBelow, Low: number(100)},
			"Kiln 7 temperature: 90 °C is below 100 °C for 5m",
			"Kiln 7 temperature: no longer below 100 °C, after 3h; the lowest was 93.1235 °C",
		},
		{
			store.Condition{Kind: store.CondOutside, Low: number(-5.5), High: number(20)},
			"Kiln 7 temperature: 90 °C is outside of -5.5 to 20 °C for 5m",
			"Kiln 7 temperature: no longer outside of -5.5 to 20 °C, after 3h; the furthest was 93.1235 °C",
		},
		{
			store.Condition{Kind: store.CondOutside, High: number(20)},
			"Kiln 7 temperature: 90 °C is above 20 °C for 5m",
			"Kiln 7 temperature: no longer above 20 °C, after 3h; the highest was 93.1235 °C",
		},
		{
			store.Condition{Kind: store.CondBetween, Low: number(85), High: number(95)},
			"Kiln 7 temperature: 90 °C is within 85 to 95 °C for 5m",
			"Kiln 7 temperature: no longer within 85 to 95 °C, after 3h",
		},
		{
			store.Condition{Kind: store.CondEquals, Value: number(90)},
			"Kiln 7 temperature is 90 °C for 5m",
			"Kiln 7 temperature is no longer 90 °C, after 3h",
		},
		{
			store.Condition{Kind: store.CondChanged},
			"Kiln 7 temperature has changed to 90 °C",
			"Kiln 7 temperature stays at 90 °C, after 3h of changes",
		},
		{
			store.Condition{Kind: store.CondRate, Rise: number(2), Fall: number(0.5), Per: minute},
			"Kiln 7 temperature: 90 °C, changing faster than +2 °C or -0.5 °C per 1m for 5m",
			"Kiln 7 temperature: no longer changing faster than +2 °C or -0.5 °C per 1m, after 3h",
		},
		{
			store.Condition{Kind: store.CondRate, Rise: number(2)},
			"Kiln 7 temperature: 90 °C, changing faster than +2 °C per 1s for 5m",
			"Kiln 7 temperature: no longer changing faster than +2 °C per 1s, after 3h",
		},
		{
			store.Condition{Kind: store.CondNoData, SilentFor: minute},
			"Kiln 7 temperature: no data for 1m33s",
			"Kiln 7 temperature: data again, after 1m33s of silence",
		},
		{
			store.Condition{Kind: store.CondDeviation, Sigmas: 3, Window: minute},
			"Kiln 7 temperature: 90 °C is more than 3 standard deviations away from its mean for 5m",
			"Kiln 7 temperature: no longer more than 3 standard deviations away from its mean, after 3h",
		},
		{
			store.Condition{Kind: store.CondDeviation, Distance: 3, Window: minute},
			"Kiln 7 temperature: 90 °C is more than 3 °C away from its mean for 5m",
			"Kiln 7 temperature: no longer more than 3 °C away from its mean, after 3h",
		},
		{
			store.Condition{Kind: store.CondStuck, Window: minute},
			"Kiln 7 temperature is stuck at 90 °C: it has not moved for more than 1m",
			"Kiln 7 temperature moves again, after 3h",
		},
	} {
		seen[c.condition.Kind] = true
		r := store.AlertRule{Name: "Kiln", Condition: c.condition}
		if got := told(t, r, firing); got != c.firing {
			t.Errorf("%s\nwant %s", got, c.firing)
		}
		if got := told(t, r, over(store.EndCleared)); got != c.resolved {
			t.Errorf("%s\nwant %s", got, c.resolved)
		}
	}
	for _, k := range store.ConditionKinds() {
		if !seen[k] || DefaultMessage(k) == "" {
			t.Errorf("%s has no sentence", k)
		}
	}
	r := store.AlertRule{Name: "Kiln", Condition: store.Condition{Kind: store.CondAbove, High: number(80)}}
	for end, want := range map[store.AlertEnd]string{
		store.EndRuleChanged:   "Kiln 7 temperature: closed after 3h, because the rule was changed or is gone; the condition was above 80 °C",
		store.EndDeviceGone:    "Kiln 7 temperature: closed after 3h, because the device or the port is gone; the condition was above 80 °C",
		store.EndOutsideOfPlan: "Kiln 7 temperature: closed after 3h, because the rule's active hours are over; the condition was above 80 °C",
	} {
		if got := told(t, r, over(end)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// TestPlaceholders uses each of them.
func TestPlaceholders(t *testing.T) {
	r := store.AlertRule{
		Name: "Too hot", Severity: store.SeverityCritical, Labels: map[string]string{"site": "north"},
		Condition: store.Condition{Kind: store.CondAbove, High: number(80)},
	}
	at := store.Time(3_600_000)
	e := store.AlertEvent{
		State: store.AlertResolved, ResolvedAt: &at, End: store.EndCleared,
		First: number(81), Worst: number(99), Last: number(82.5), Unit: "°C", Flaps: 2,
	}
	want := map[string]string{
		"device": "kiln-7", "deviceName": "Kiln 7", "serial": "SN1", "port": "3", "name": "temperature", "unit": "°C",
		"value": "82.5", "reading": "82.5 °C", "first": "81", "worst": "99", "peak": "99 °C", "threshold": "80 °C", "silence": "",
		"rule": "Too hot", "condition": "above", "severity": "critical", "state": "resolved", "why": "it is over",
		"duration": "1h", "lasting": " for 1h", "start": "2026-07-01T12:00:00.000Z", "fired": "2026-07-01T12:01:00.000Z",
		"end": "2026-07-01T13:00:00.000Z", "flaps": "2", "label.*": "",
	}
	if got, want := slices.Sorted(slices.Values(Placeholders())), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("placeholders %v, want %v", got, want)
	}
	for name, v := range want {
		if PlaceholderMeaning(name) == "" {
			t.Errorf("{%s} means nothing", name)
		}
		if name == "label.*" {
			name, v = "label.site", "north"
		}
		r.Message = "[{" + name + "}]"
		at = 3_600_000
		if got := told(t, r, e); got != "["+v+"]" {
			t.Errorf("{%s} is %s, want %q", name, got, v)
		}
	}
	r.Message = "{label.floor|json}{end}"
	e.State, e.ResolvedAt, e.End = store.AlertFiring, nil, ""
	if got := told(t, r, e); got != "" {
		t.Errorf("what is absent becomes %q", got)
	}
}

func TestAPlaceholderThatIsNotKnown(t *testing.T) {
	_, err := NewMessage(store.AlertRule{Message: "{devise} is hot", Condition: store.Condition{Kind: store.CondAbove}})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "alert rule message: {devise} is not known; use {device} {deviceName}") {
		t.Errorf("%v", err)
	}
}

func TestNumbersAndTimesForPeople(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1234567.8: "1234568", 999999.9: "1000000", 0.1 + 0.2: "0.3", -12.3456789: "-12.3457", 1e15: "1e+15", 1e-9: "1e-09",
		99.99999999: "100", 0.000123: "0.000123",
	} {
		if got := numeral(v, ""); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
	for ms, want := range map[float64]string{
		0: "0ms", 999: "999ms", 1000: "1s", 59_999: "59s", 60_000: "1m", 200_000: "3m20s", 3_600_000: "1h", 3_900_000: "1h5m",
		183_600_000: "2d3h", 86_400_000: "1d",
	} {
		if got := elapsed(ms); got != want {
			t.Errorf("%g ms are written %s, want %s", ms, got, want)
		}
	}
}
