package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/store"
)

// conditionFlags are those that say what a rule looks for.
type conditionFlags struct {
	cmd *cobra.Command

	above, below, clear, hysteresis levelValue
	between, outside                spanValue
	limits, changed                 bool
	equals, rise, fall              levelValue
	sigmas, distance                levelValue
	tolerance, factor               levelValue
	per, window, silent, stuck      store.Duration
}

func addCondition(c *cobra.Command) *conditionFlags {
	f := &conditionFlags{cmd: c}
	v := func(name string, to *levelValue, what string) { c.Flags().Var(to, name, what) }
	d := func(name string, to *store.Duration, what string) { c.Flags().Var(&durationValue{d: to}, name, what) }
	v("above", &f.above, "alarm when a value is above this; with --below: outside of the two")
	v("below", &f.below, "alarm when a value is below this")
	c.Flags().Var(&f.between, "between", "alarm when a value is between these, or one of them")
	c.Flags().Var(&f.outside, "outside", "alarm when a value is not between these, nor one of them")
	c.Flags().BoolVar(&f.limits, "limits", false, "alarm when a value is beyond the port's own --low or --high; see tidegate port set")
	v("clear", &f.clear, "with --above or --below: it is over at this value (default: at the level)")
	v("hysteresis", &f.hysteresis, "it is over when a value has come back by so much")
	v("equals", &f.equals, "alarm when a value is this")
	c.Flags().BoolVar(&f.changed, "changed", false, "alarm when a value differs from the one before")
	v("rise", &f.rise, "alarm when values rise by more than this, --per so long")
	v("fall", &f.fall, "alarm when values fall by more than this, --per so long")
	d("per", &f.per, "unit of time of --rise and --fall (default 1s)")
	d("silent-for", &f.silent, "alarm when nothing came for more than this")
	v("silent-factor", &f.factor, "alarm when nothing came for so many times the port's own cadence")
	v("deviation-sigmas", &f.sigmas, "alarm when a value is so many standard deviations from the mean of --window")
	v("deviation-distance", &f.distance, "alarm when a value is so far from the mean of --window")
	d("stuck-for", &f.stuck, "alarm when values stay the same for so long, while they come")
	v("tolerance", &f.tolerance, "with --stuck-for: values this near are the same")
	d("window", &f.window, "how far back --rise, --fall (default: to the reading before) and --deviation-… look")
	return f
}

// families are the flags that each choose a kind of condition by themselves, or
// with the others of their line.
func (f *conditionFlags) families() [][]string {
	return [][]string{
		{"above", "below"},
		{"between"},
		{"outside"},
		{"limits"},
		{"equals"},
		{"changed"},
		{"rise", "fall"},
		{"silent-for", "silent-factor"},
		{"deviation-sigmas", "deviation-distance"},
		{"stuck-for"},
	}
}

func (f *conditionFlags) given(names ...string) bool {
	for _, n := range names {
		if flag := f.cmd.Flags().Lookup(n); flag.Changed && flag.Value.String() != "false" {
			return true
		}
	}
	return false
}

// changes reports whether any of the flags was given.
func (f *conditionFlags) changes() bool {
	for _, family := range f.families() {
		if f.given(family...) {
			return true
		}
	}
	return f.given("clear", "hysteresis", "per", "tolerance", "window")
}

// condition answers what was asked for, beginning with was; nil: with nothing.
// What a kind does not take is refused.
func (f *conditionFlags) condition(was *store.Condition) (store.Condition, error) {
	var chosen []string
	for _, family := range f.families() {
		if f.given(family...) {
			chosen = append(chosen, "--"+strings.Join(family, "/--"))
		}
	}
	switch {
	case len(chosen) > 1:
		return store.Condition{}, usage("%s are several conditions: make a rule for each", strings.Join(chosen, " and "))
	case len(chosen) == 0 && was == nil:
		return store.Condition{}, usage("what is an alarm? Give --above, --below, --between, --outside, --limits, --equals, --changed, --rise, --fall, --silent-for, --deviation-sigmas, --deviation-distance or --stuck-for")
	}
	c, err := f.kind(was)
	if err != nil {
		return c, err
	}
	if f.clear.given {
		c.Clear = f.clear.v
	}
	for _, v := range []struct {
		from *levelValue
		to   *float64
	}{{&f.hysteresis, &c.Hysteresis}, {&f.tolerance, &c.Tolerance}} {
		if v.from.given {
			*v.to = valueOr(v.from.v)
		}
	}
	if f.given("per") {
		c.Per = f.per
	}
	if f.given("window") {
		c.Window = f.window
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// kind answers the condition without what may go along with it.
func (f *conditionFlags) kind(was *store.Condition) (store.Condition, error) {
	// base is was where the kind stays, so that what is not given stays too.
	base := func(kind store.ConditionKind) store.Condition {
		if was != nil && was.Kind == kind {
			return *was
		}
		return store.Condition{Kind: kind}
	}
	var c store.Condition
	switch {
	case f.given("above", "below"):
		return f.levels(was)
	case f.given("between"):
		c = base(store.CondBetween)
		c.Low, c.High = &f.between.low, &f.between.high
	case f.given("outside"):
		c = base(store.CondOutside)
		c.Low, c.High = &f.outside.low, &f.outside.high
	case f.given("limits"):
		c = base(store.CondOutside)
		c.Low, c.High = nil, nil
	case f.given("equals"):
		c = base(store.CondEquals)
		c.Value = f.equals.v
	case f.given("changed"):
		c = base(store.CondChanged)
	case f.given("rise", "fall"):
		c = base(store.CondRate)
		if f.rise.given {
			c.Rise = f.rise.v
		}
		if f.fall.given {
			c.Fall = f.fall.v
		}
	case f.given("silent-for") && f.given("silent-factor"):
		return c, usage("--silent-for and --silent-factor: give one of them")
	case f.given("silent-for", "silent-factor"):
		c = base(store.CondNoData)
		c.SilentFor, c.Factor = f.silent, valueOr(f.factor.v)
	case f.given("deviation-sigmas", "deviation-distance"):
		c = base(store.CondDeviation)
		c.Sigmas, c.Distance = valueOr(f.sigmas.v), valueOr(f.distance.v)
	case f.given("stuck-for"):
		c = base(store.CondStuck)
		c.Window = f.stuck
	default:
		c = *was
	}
	return c, nil
}

// levels answers above, below, or outside of both; one that was there stays
// unless none is given for it.
func (f *conditionFlags) levels(was *store.Condition) (store.Condition, error) {
	var c store.Condition
	if was != nil && (was.Kind == store.CondAbove || was.Kind == store.CondBelow || was.Kind == store.CondOutside) {
		c = *was
	}
	if f.above.given {
		c.High = f.above.v
	}
	if f.below.given {
		c.Low = f.below.v
	}
	kind := c.Kind
	switch {
	case c.High != nil && c.Low != nil && *c.Low > *c.High:
		return c, usage("--below %g is higher than --above %g: every value would be an alarm. For those from %[2]g to %[1]g write --between %[2]g:%[1]g", *c.Low, *c.High)
	case c.High != nil && c.Low != nil:
		c.Kind = store.CondOutside
	case c.High != nil:
		c.Kind = store.CondAbove
	case c.Low != nil:
		c.Kind = store.CondBelow
	default:
		return c, usage("no level would be left; delete the rule, or disable it")
	}
	if c.Kind != kind {
		c.Clear = nil // it was of another level
	}
	return c, nil
}

func valueOr(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// describeCondition shows a condition in a few words.
func describeCondition(c store.Condition) string {
	level := func(v *float64, own string) string {
		if v == nil {
			return "the port's " + own
		}
		return fmt.Sprintf("%g", *v)
	}
	var s string
	switch c.Kind {
	case store.CondAbove:
		s = "above " + level(c.High, "high")
	case store.CondBelow:
		s = "below " + level(c.Low, "low")
	case store.CondBetween:
		s = "between " + level(c.Low, "low") + " and " + level(c.High, "high")
	case store.CondOutside:
		s = "outside " + level(c.Low, "low") + " to " + level(c.High, "high")
		if c.Low == nil && c.High == nil {
			s = "beyond the port's low or high"
		}
	case store.CondEquals:
		s = "equals " + level(c.Value, "value")
	case store.CondRate:
		s = describeRate(c)
	case store.CondNoData:
		s = "silent for " + c.SilentFor.String()
		if c.SilentFor == 0 {
			factor := c.Factor
			if factor == 0 {
				factor = store.DefaultSilenceFactor
			}
			s = fmt.Sprintf("silent for %g times its cadence", factor)
		}
	case store.CondDeviation:
		s = fmt.Sprintf("%g sigmas from the mean of %s", c.Sigmas, c.Window)
		if c.Distance != 0 {
			s = fmt.Sprintf("%g from the mean of %s", c.Distance, c.Window)
		}
	case store.CondStuck:
		s = "stuck for " + c.Window.String()
		if c.Tolerance != 0 {
			s += fmt.Sprintf(", within %g", c.Tolerance)
		}
	default:
		s = string(c.Kind)
	}
	if c.Clear != nil {
		s += fmt.Sprintf(", clear at %g", *c.Clear)
	}
	if c.Hysteresis != 0 {
		s += fmt.Sprintf(", hysteresis %g", c.Hysteresis)
	}
	return s
}

func describeRate(c store.Condition) string {
	var parts []string
	if c.Rise != nil {
		parts = append(parts, fmt.Sprintf("rises by %g", *c.Rise))
	}
	if c.Fall != nil {
		parts = append(parts, fmt.Sprintf("falls by %g", *c.Fall))
	}
	per := c.Per
	if per == 0 {
		per = store.Duration(1e9)
	}
	s := strings.Join(parts, " or ") + " in " + per.String()
	if c.Window != 0 {
		s += ", over " + c.Window.String()
	}
	return s
}
