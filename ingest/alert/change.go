package alert

// Change is what happened to a watch, in order; the zero value is nothing that
// anybody needs to know.
type Change struct {
	Steps []Step
}

// Any reports whether something happened.
func (c Change) Any() bool { return len(c.Steps) > 0 }

func (c *Change) add(k StepKind, at int64, w *Watch) {
	c.Steps = append(c.Steps, Step{Kind: k, At: at, Episode: w.Episode()})
}

// Step is one thing that happened.
type Step struct {
	Kind StepKind
	At   int64 // Unix ms; of a deadline, the deadline
	// Episode is as of then. One call may end an episode and begin the next, so
	// that Watch.Episode may be a later one.
	Episode Episode
}

// StepKind is what happened.
type StepKind uint8

// The steps. Without a For a watch fires without having begun.
const (
	StepBegan      StepKind = iota + 1 // normal → pending
	StepDropped                        // pending → normal: it was over before it had lasted
	StepFired                          // → firing, a new episode
	StepRejoined                       // → firing, the last episode again
	StepRecovering                     // firing → recovering
	StepBack                           // recovering → firing
	StepResolved                       // → resolved
)

var stepNames = [...]string{"", "began", "dropped", "fired", "rejoined", "recovering", "back", "resolved"}

func (k StepKind) String() string {
	if int(k) < len(stepNames) {
		return stepNames[k]
	}
	return "unknown"
}
