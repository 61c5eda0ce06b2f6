package notify

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strconv"
	"time"

	"tidegate/store"
)

// Point is a reading of a curve.
type Point struct {
	At    int64 // Unix ms
	Value float64
}

// Curve is what a port did around an episode.
type Curve struct {
	Points []Point   // ascending by time; of a long time some that stand for the rest
	Levels []float64 // of the rule: thresholds
}

// The picture, in pixels. It is shown at 600 wide.
const (
	curveWidth, curveHeight = 600, 200
	curveLeft, curveRight   = 58, 10
	curveTop, curveBottom   = 10, 22
)

// The colours of the picture, by number. It brings its own light ground, which is
// readable in a dark mail as well.
const (
	inkGround = iota
	inkEpisode
	inkGrid
	inkText
	inkLevel
	inkLine
	inkWorst
)

func inks() color.Palette {
	return color.Palette{
		inkGround:  color.RGBA{0xfb, 0xfb, 0xfa, 0xff},
		inkEpisode: color.RGBA{0xfb, 0xe4, 0xdf, 0xff},
		inkGrid:    color.RGBA{0xdd, 0xdd, 0xdb, 0xff},
		inkText:    color.RGBA{0x4a, 0x4a, 0x4a, 0xff},
		inkLevel:   color.RGBA{0xc6, 0x28, 0x28, 0xff},
		inkLine:    color.RGBA{0x1d, 0x4f, 0x91, 0xff},
		inkWorst:   color.RGBA{0xc6, 0x28, 0x28, 0xff},
	}
}

// alt says in words what the picture shows.
func (c *Curve) alt(e *store.AlertEvent) string {
	low, high := c.extent(false)
	text := fmt.Sprintf("%s %s from %s to %s: between %s and %s", e.DeviceID, portTitle(e),
		clock(store.Time(c.Points[0].At)), clock(store.Time(c.Points[len(c.Points)-1].At)), quantity(low, e.Unit), quantity(high, e.Unit))
	for _, l := range c.Levels {
		text += ", threshold " + quantity(l, e.Unit)
	}
	return text
}

// extent answers the lowest and the highest value, with the levels when asked.
func (c *Curve) extent(levels bool) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range c.Points {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			low, high = min(low, p.Value), max(high, p.Value)
		}
	}
	if levels {
		for _, l := range c.Levels {
			low, high = min(low, l), max(high, l)
		}
	}
	return low, high
}

// plot maps time and value to pixels.
type plot struct {
	img       *image.Paletted
	from, to  int64
	low, high float64
}

func (p *plot) x(at int64) int {
	return curveLeft + int(math.Round(float64(at-p.from)/float64(p.to-p.from)*float64(curveWidth-curveLeft-curveRight-1)))
}

func (p *plot) y(v float64) int {
	return curveTop + int(math.Round((p.high-v)/(p.high-p.low)*float64(curveHeight-curveTop-curveBottom-1)))
}

// draw makes a PNG of some kilobytes: the curve, its thresholds dashed, the time
// of the episode shaded, the worst reading dotted.
func (c *Curve) draw(e *store.AlertEvent) ([]byte, error) {
	low, high := c.extent(true)
	if math.IsInf(low, 0) {
		return nil, nil // there is no number in it
	}
	from, to := c.Points[0].At, c.Points[len(c.Points)-1].At
	if to <= from {
		return nil, nil
	}
	low, high, step := scale(low, high)
	p := &plot{image.NewPaletted(image.Rect(0, 0, curveWidth, curveHeight), inks()), from, to, low, high}
	p.shade(e)
	for v := math.Ceil(low/step) * step; v <= high+step/1e6; v += step {
		y := p.y(v)
		p.horizontal(y, inkGrid, 0)
		text := label(v, step)
		p.write(curveLeft-6-6*len(text), y-3, text, inkText)
	}
	p.times()
	for _, l := range c.Levels {
		p.horizontal(p.y(l), inkLevel, 6)
	}
	was := -1
	for i, q := range c.Points {
		if math.IsNaN(q.Value) || math.IsInf(q.Value, 0) {
			was = -1
			continue
		}
		x, y := p.x(q.At), p.y(q.Value)
		if was >= 0 {
			p.line(p.x(c.Points[was].At), p.y(c.Points[was].Value), x, y)
		}
		p.dot(x, y, 0, inkLine)
		was = i
	}
	if e.Worst != nil && e.WorstAt != nil && int64(*e.WorstAt) >= from && int64(*e.WorstAt) <= to && *e.Worst >= low && *e.Worst <= high {
		p.dot(p.x(int64(*e.WorstAt)), p.y(*e.Worst), 3, inkWorst)
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.DefaultCompression}
	if err := enc.Encode(&b, p.img); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// scale widens a range to round numbers, and answers the distance of its lines.
func scale(low, high float64) (float64, float64, float64) {
	if high-low < 1e-9*max(1, math.Abs(high)) {
		pad := max(1, math.Abs(high)/10)
		low, high = low-pad, high+pad
	}
	rough := (high - low) / 4
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, f := range []float64{1, 2, 5, 10} {
		if step*f >= rough {
			step *= f
			break
		}
	}
	return math.Floor(low/step) * step, math.Ceil(high/step) * step, step
}

// label writes a value of the axis in at most eight characters.
func label(v, step float64) string {
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	if s := strconv.FormatFloat(v, 'f', decimals, 64); len(s) <= 8 {
		if s == "-0" {
			return "0"
		}
		return s
	}
	return strconv.FormatFloat(v, 'e', 1, 64)
}

// shade marks the time of the episode.
func (p *plot) shade(e *store.AlertEvent) {
	from, to := max(int64(e.StartedAt), p.from), p.to
	if e.ResolvedAt != nil {
		to = min(int64(*e.ResolvedAt), p.to)
	}
	if to < from {
		return
	}
	for x := p.x(from); x <= p.x(to); x++ {
		for y := curveTop; y < curveHeight-curveBottom; y++ {
			p.img.SetColorIndex(x, y, inkEpisode)
		}
	}
}

// times writes the time at the bottom, in UTC.
func (p *plot) times() {
	format := "15:04"
	switch d := time.Duration(p.to-p.from) * time.Millisecond; {
	case d > 48*time.Hour:
		format = "01-02"
	case d < 5*time.Minute:
		format = "15:04:05"
	}
	for i := range 5 {
		at := p.from + (p.to-p.from)*int64(i)/4
		text := time.UnixMilli(at).UTC().Format(format)
		x := min(max(p.x(at)-3*len(text), curveLeft), curveWidth-6*len(text)-2)
		p.write(x, curveHeight-curveBottom+8, text, inkText)
		p.img.SetColorIndex(p.x(at), curveHeight-curveBottom, inkText)
	}
}

// horizontal draws across, dashed when dash is above 0.
func (p *plot) horizontal(y int, ink uint8, dash int) {
	for x := curveLeft; x < curveWidth-curveRight; x++ {
		if dash == 0 || x/dash%2 == 0 {
			p.img.SetColorIndex(x, y, ink)
		}
	}
}

func (p *plot) dot(x, y, r int, ink uint8) {
	for dy := -r; dy <= r; dy++ {
		for dx := -r; dx <= r; dx++ {
			if dx*dx+dy*dy <= r*r+1 {
				p.img.SetColorIndex(x+dx, y+dy, ink)
			}
		}
	}
}

// line draws by Bresenham's algorithm, two pixels thick.
func (p *plot) line(x0, y0, x1, y1 int) {
	dx, dy := abs(x1-x0), -abs(y1-y0)
	sx, sy := sign1(x1-x0), sign1(y1-y0)
	for e := dx + dy; ; {
		p.img.SetColorIndex(x0, y0, inkLine)
		p.img.SetColorIndex(x0, y0+1, inkLine)
		if x0 == x1 && y0 == y1 {
			return
		}
		e2 := 2 * e
		if e2 >= dy {
			e += dy
			x0 += sx
		}
		if e2 <= dx {
			e += dx
			y0 += sy
		}
	}
}

func abs(n int) int { return max(n, -n) }

func sign1(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}
