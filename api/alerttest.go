package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/ingest"
	"tidegate/ingest/alert"
	"tidegate/store"
)

// AlertTest asks what a rule would have done: one that is new, one that is
// there, or one that is there with a change, which is then compared with what it
// is.
type AlertTest struct {
	Rule   *NewAlertRule    `json:"rule,omitempty" doc:"that is new; its channels are told nothing"`
	RuleID string           `json:"ruleId,omitempty" maxLength:"64" doc:"of a rule that is there"`
	Change *AlertRuleChange `json:"change,omitempty" doc:"of the rule with ruleId: the answer has both, as it would be and as it is"`
	From   time.Time        `json:"from" doc:"inclusive"`
	To     time.Time        `json:"to" doc:"exclusive"`
	Cursor string           `json:"cursor,omitempty" maxLength:"200" doc:"nextCursor of the answer before"`
}

// AlertTested is what a rule would have done at some of its ports.
type AlertTested struct {
	Ports      int            `json:"ports" doc:"that the rule watches"`
	Tested     int            `json:"tested" doc:"of them, by this answer"`
	Readings   int            `json:"readings" doc:"that were looked at"`
	Episodes   []PastEpisode  `json:"episodes" nullable:"false" doc:"port by port, oldest first"`
	LeftOut    int            `json:"leftOut" doc:"episodes beyond 500 of a port"`
	Lasted     float64        `json:"lastedSeconds" doc:"of all episodes together"`
	Before     *AlertTestedAs `json:"before,omitempty" doc:"what the rule would have done without the change"`
	NextCursor string         `json:"nextCursor,omitempty" doc:"more ports are left: give it as cursor; absent: no"`
}

// AlertTestedAs is what the other one of two would have done.
type AlertTestedAs struct {
	Episodes []PastEpisode `json:"episodes" nullable:"false"`
	LeftOut  int           `json:"leftOut"`
	Lasted   float64       `json:"lastedSeconds"`
}

// PastEpisode is an episode that a rule would have made.
type PastEpisode struct {
	DeviceID   string         `json:"deviceId"`
	PortNumber uint16         `json:"portNumber"`
	Start      store.Time     `json:"start" doc:"the condition began to hold"`
	FiredAt    store.Time     `json:"firedAt" doc:"and had lasted long enough"`
	End        *store.Time    `json:"end,omitempty" doc:"absent: it went on at the end of the range"`
	Why        store.AlertEnd `json:"endReason,omitempty"`
	First      *float64       `json:"first,omitempty"`
	Worst      *float64       `json:"worst,omitempty" doc:"of no_data: seconds of silence"`
	WorstAt    *store.Time    `json:"worstAt,omitempty"`
	Last       *float64       `json:"last,omitempty"`
	Flaps      int            `json:"flaps,omitempty"`
	Curve      []CurvePoint   `json:"curve" nullable:"false" doc:"readings around it: at most some 200, the highest and the lowest of each stretch"`
}

// CurvePoint is one reading of a curve.
type CurvePoint struct {
	TS    store.Time `json:"ts"`
	Value float64    `json:"value"`
}

// A test goes on to the next port until it has seen so many readings, taken so
// long or found so many episodes; the caller asks on.
const (
	testReadings = 5_000_000
	testEpisodes = 1000
	testPatience = 5 * time.Second
	testsAtOnce  = 2
)

// historyPage is how many readings are read at once.
const historyPage = 20_000

// alertTester runs tests; a few at once, because each takes a core.
type alertTester struct {
	admin    *Admin
	readings store.Readings
	places   chan struct{}
}

func newAlertTester(a *Admin, r store.Readings) *alertTester {
	return &alertTester{a, r, make(chan struct{}, testsAtOnce)}
}

// rules answers what to test: one rule, or as it would be and as it is.
func (t *alertTester) rules(ctx context.Context, in AlertTest) ([]store.AlertRule, error) {
	switch {
	case (in.Rule == nil) == (in.RuleID == ""):
		return nil, store.Invalid("test", "rule", "or the ruleId of one that is there is needed, not both")
	case in.Change != nil && in.RuleID == "":
		return nil, store.Invalid("test", "change", "is of a rule that is there: give its ruleId")
	case !in.From.Before(in.To):
		return nil, store.Invalid("test", "from", "must be before to")
	}
	if in.Rule != nil {
		r := in.Rule.rule()
		r.ID = "rule-test"
		if err := t.admin.checkAlertRule(r); err != nil {
			return nil, err
		}
		_, err := t.admin.seen(ctx).organization(ctx, r.OrgID)
		return []store.AlertRule{r}, err
	}
	is, err := t.admin.seen(ctx).alertRule(ctx, in.RuleID)
	if err != nil || in.Change == nil {
		return []store.AlertRule{is}, err
	}
	would := is
	if err := in.Change.apply(&would); err != nil {
		return nil, err
	}
	return []store.AlertRule{would, is}, t.admin.checkAlertRule(would)
}

// testedPort is a port that a rule watches, or would watch.
type testedPort struct {
	device *ingest.Device
	port   *ingest.Port
	plans  []*alert.Plan // of each rule; nil: it does not watch the port
}

func (p *testedPort) cursor() string { return p.device.ID + "/" + strconv.Itoa(int(p.port.Number)) }

// ports answers them in order of device and number.
func (t *alertTester) ports(ctx context.Context, rules []store.AlertRule) []testedPort {
	planners := make([]*alert.Planner, len(rules))
	for i := range rules {
		planners[i] = alert.NewPlanner(rules[i])
	}
	var out []testedPort
	for _, d := range t.admin.seen(ctx).allKnown() {
		if d.OrgID != rules[0].OrgID || d.State != store.DeviceActive {
			continue
		}
		of := store.Device{ID: d.ID, UID: d.UID, OrgID: d.OrgID, State: d.State, Tags: d.Tags}
		for i := range d.Ports() {
			p := testedPort{d, &d.Ports()[i], make([]*alert.Plan, len(rules))}
			watched := false
			for k := range rules {
				if !rules[k].Selection.Matches(of, p.port.Port) {
					continue
				}
				if plan, ok := planners[k].Plan(p.port.Port); ok {
					p.plans[k], watched = plan, true
				}
			}
			if watched {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b testedPort) int {
		return cmp.Or(strings.Compare(a.device.ID, b.device.ID), cmp.Compare(a.port.Number, b.port.Number))
	})
	return out
}

// run tests.
func (t *alertTester) run(ctx context.Context, in AlertTest) (AlertTested, error) {
	rules, err := t.rules(ctx, in)
	if err != nil {
		return AlertTested{}, err
	}
	ports := t.ports(ctx, rules)
	begin := 0
	if in.Cursor != "" {
		begin = slices.IndexFunc(ports, func(p testedPort) bool { return p.cursor() == in.Cursor }) + 1
		if begin == 0 {
			return AlertTested{}, store.Invalid("test", "cursor", "is not of an answer to such a question")
		}
	}
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	case <-ctx.Done():
		return AlertTested{}, ctx.Err()
	}
	out := AlertTested{Ports: len(ports), Episodes: []PastEpisode{}}
	if len(rules) == 2 {
		out.Before = &AlertTestedAs{Episodes: []PastEpisode{}}
	}
	began := time.Now()
	for i := begin; i < len(ports); i++ {
		if err := t.port(ctx, in, &ports[i], &out); err != nil {
			return AlertTested{}, err
		}
		out.Tested++
		enough := out.Readings >= testReadings || len(out.Episodes) >= testEpisodes || time.Since(began) > testPatience
		if enough && i+1 < len(ports) {
			out.NextCursor = ports[i].cursor()
			break
		}
	}
	return out, nil
}

// port tests one port and adds to out what came of it.
func (t *alertTester) port(ctx context.Context, in AlertTest, p *testedPort, out *AlertTested) error {
	o := alert.BacktestOptions{
		Source: &alert.History{
			Readings: t.readings, Series: store.Series{UID: p.device.UID, Port: p.port.Number}, Port: p.port.Port, PageLength: historyPage,
		},
		From: in.From.UnixMilli(), To: in.To.UnixMilli(),
	}
	var of []int // rule of each plan
	for i, plan := range p.plans {
		if plan != nil {
			o.Plans, of = append(o.Plans, plan), append(of, i)
		}
	}
	tested, err := alert.Backtest(ctx, o)
	if err != nil {
		return err
	}
	out.Readings += tested.Readings
	for i, r := range tested.Plans {
		episodes, leftOut, lasted := &out.Episodes, &out.LeftOut, &out.Lasted
		if of[i] == 1 {
			episodes, leftOut, lasted = &out.Before.Episodes, &out.Before.LeftOut, &out.Before.Lasted
		}
		for k := range r.Episodes {
			*episodes = append(*episodes, pastEpisode(p, &r.Episodes[k]))
		}
		*leftOut += r.LeftOut
		*lasted += float64(r.Lasted) / 1000
	}
	return nil
}

func pastEpisode(p *testedPort, e *alert.PastEpisode) PastEpisode {
	var ev store.AlertEvent
	e.Put(&ev)
	out := PastEpisode{
		DeviceID: p.device.ID, PortNumber: p.port.Number, Start: ev.StartedAt, FiredAt: ev.FiredAt, End: ev.ResolvedAt, Why: ev.End,
		First: ev.First, Worst: ev.Worst, WorstAt: ev.WorstAt, Last: ev.Last, Flaps: ev.Flaps, Curve: make([]CurvePoint, 0, len(e.Curve)),
	}
	for _, c := range e.Curve {
		out.Curve = append(out.Curve, CurvePoint{store.Time(c.TS), c.Value})
	}
	return out
}

func (s *Server) routeAlertTest() {
	t := newAlertTester(s.admin, s.o.Readings)
	route(s, reads, huma.Operation{
		OperationID: "test-alert-rule", Method: http.MethodPost, Path: "/api/v1/alert-rules/test", Tags: []string{"alert rules"},
		Summary: "What a rule would have done",
		Description: "Runs the rule over stored readings, as if each had come at its time; nobody is told anything. With the id of a rule and a change it answers both, " +
			"as it would be and as it is. Long tests answer some ports at a time: ask on with nextCursor.",
	}, func(ctx context.Context, in *struct{ Body AlertTest }) (*answer[AlertTested], error) {
		out, err := t.run(ctx, in.Body)
		return &answer[AlertTested]{out}, err
	})
}
