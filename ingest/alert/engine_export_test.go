package alert

import "context"

// Pass lets pass what is due by now, as the clock does.
func (e *Engine) Pass() { e.pass() }

// Commit makes durable what is pending.
func (e *Engine) Commit(ctx context.Context) error { return e.commit(ctx, false) }
