package alert

import (
	"math"
	"strconv"
	"strings"
	"time"

	"tidegate/store"
)

// Threshold says what the plan looks for, as a sentence needs it: “80 °C”, “5 to
// 9 °C”, “2 °C per 1m”.
func (p *Plan) Threshold(unit string) string {
	switch p.kind {
	case above:
		return numeral(p.high, unit)
	case below:
		return numeral(p.low, unit)
	case outside, between:
		switch {
		case math.IsInf(p.low, -1):
			return numeral(p.high, unit)
		case math.IsInf(p.high, 1):
			return numeral(p.low, unit)
		}
		return numeral(p.low, "") + " to " + numeral(p.high, unit)
	case equals:
		return numeral(p.value, unit)
	case rate:
		c := p.condition
		var ways []string
		if c.Rise != nil {
			ways = append(ways, "+"+numeral(*c.Rise, unit))
		}
		if c.Fall != nil {
			ways = append(ways, "-"+numeral(*c.Fall, unit))
		}
		per := c.Per
		if per == 0 {
			per = store.Duration(time.Second)
		}
		return strings.Join(ways, " or ") + " per " + per.String()
	case noData:
		if p.silentFor > 0 {
			return elapsed(float64(p.silentFor))
		}
		return numeral(p.factor, "") + " times its cadence"
	case deviation:
		if p.sigmas > 0 {
			return numeral(p.sigmas, "") + " standard deviations"
		}
		return numeral(p.distance, unit)
	case stuck:
		return elapsed(float64(p.window))
	case changed:
	}
	return ""
}

func digits(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	return numeral(*v, unit)
}

// numeral writes a number with six significant digits, or all those before the
// point, and its unit.
func numeral(v float64, unit string) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	r, err := strconv.ParseFloat(s, 64)
	switch m := math.Abs(v); {
	case err != nil:
	case r == 0:
		s = "0"
	case m >= 1e6 && m < 1e15:
		s = strconv.FormatFloat(v, 'f', 0, 64)
	case m >= 1e-6 && m < 1e6:
		s = strconv.FormatFloat(r, 'f', -1, 64)
	}
	if unit != "" {
		s += " " + unit
	}
	return s
}

// elapsed writes milliseconds in at most two units: 45s, 3m20s, 1h5m, 2d3h.
func elapsed(ms float64) string {
	s := int64(ms / 1000)
	of := func(big int64, bigUnit string, small int64, smallUnit string) string {
		out := strconv.FormatInt(s/big, 10) + bigUnit
		if n := s % big / small; n > 0 {
			out += strconv.FormatInt(n, 10) + smallUnit
		}
		return out
	}
	switch {
	case ms < 1000:
		return strconv.FormatFloat(math.Trunc(ms), 'f', -1, 64) + "ms"
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return of(60, "m", 1, "s")
	case s < 86_400:
		return of(3600, "h", 60, "m")
	}
	return of(86_400, "d", 3600, "h")
}
