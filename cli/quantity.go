package cli

import (
	"math"
	"math/rand/v2"
	"time"
)

// quantity is a plausible quantity: a mean, a daily swing, a slow wander and
// noise, rounded as a sensor would.
type quantity struct {
	name, unit string
	mean       float64
	daily      float64 // amplitude of a day's swing, warmest at 15:00 UTC
	wander     float64 // size of the slow part
	noise      float64 // standard deviation
	step       float64 // resolution
	min, max   float64 // physical limits
	walk       float64 // state of the slow part, -1 to 1
}

// plantQuantities is what a small cabinet in a plant measures.
func plantQuantities() []quantity {
	return []quantity{
		{name: "Voltage", unit: "V", mean: 230, daily: 1.5, wander: 2, noise: 0.3, step: 0.1, min: 200, max: 260},
		{name: "Current", unit: "A", mean: 8, daily: 4, wander: 3, noise: 0.2, step: 0.01, min: 0, max: 32},
		{name: "Temperature", unit: "°C", mean: 24, daily: 4, wander: 1.5, noise: 0.05, step: 0.1, min: -20, max: 80},
		{name: "Humidity", unit: "%", mean: 48, daily: -8, wander: 5, noise: 0.3, step: 0.5, min: 0, max: 100},
	}
}

// next answers the value at t. Its steps are those of one call a second.
func (s *quantity) next(t time.Time, rng *rand.Rand) float64 {
	s.walk = s.walk*0.998 + rng.NormFloat64()*0.03 // reverts to the mean within minutes
	s.walk = min(1, max(-1, s.walk))
	day := float64(t.UTC().Sub(t.UTC().Truncate(24*time.Hour))) / float64(24*time.Hour)
	v := s.mean + s.daily*math.Cos(2*math.Pi*(day-15.0/24)) + s.wander*s.walk + s.noise*rng.NormFloat64()
	v = min(s.max, max(s.min, v))
	per := math.Round(1 / s.step)
	return math.Round(v*per) / per
}
