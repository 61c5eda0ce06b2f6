package alert

import "tidegate/store"

func message(r *store.AlertRule, p *Plan, ev *store.AlertEvent) string { return r.Name }
