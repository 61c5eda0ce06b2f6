package mongo

import (
	"context"

	"tidegate/store"
)

// CreateAlertRule implements store.AlertRules.
func (c *Catalog) CreateAlertRule(ctx context.Context, r store.AlertRule) error {
	return c.write(ctx, "create alert rule", func(draft store.Catalog) (store.CatalogChange, error) {
		return alertRuleChange(ctx, draft, r.ID, draft.CreateAlertRule(ctx, r))
	})
}

// UpdateAlertRule implements store.AlertRules.
func (c *Catalog) UpdateAlertRule(ctx context.Context, r store.AlertRule) error {
	return c.write(ctx, "update alert rule", func(draft store.Catalog) (store.CatalogChange, error) {
		return alertRuleChange(ctx, draft, r.ID, draft.UpdateAlertRule(ctx, r))
	})
}

func alertRuleChange(ctx context.Context, draft store.Catalog, id string, err error) (store.CatalogChange, error) {
	if err != nil {
		return store.CatalogChange{}, err
	}
	r, err := draft.AlertRule(ctx, id)
	return store.CatalogChange{AlertRules: []store.AlertRule{r}}, err
}

// DeleteAlertRule implements store.AlertRules.
func (c *Catalog) DeleteAlertRule(ctx context.Context, id string) error {
	return c.write(ctx, "delete alert rule", func(draft store.Catalog) (store.CatalogChange, error) {
		return store.CatalogChange{GoneAlertRules: []string{id}}, draft.DeleteAlertRule(ctx, id)
	})
}

// CreateChannel implements store.Channels.
func (c *Catalog) CreateChannel(ctx context.Context, ch store.Channel) error {
	return c.write(ctx, "create channel", func(draft store.Catalog) (store.CatalogChange, error) {
		return channelChange(ctx, draft, ch.ID, draft.CreateChannel(ctx, ch))
	})
}

// UpdateChannel implements store.Channels.
func (c *Catalog) UpdateChannel(ctx context.Context, ch store.Channel) error {
	return c.write(ctx, "update channel", func(draft store.Catalog) (store.CatalogChange, error) {
		return channelChange(ctx, draft, ch.ID, draft.UpdateChannel(ctx, ch))
	})
}

func channelChange(ctx context.Context, draft store.Catalog, id string, err error) (store.CatalogChange, error) {
	if err != nil {
		return store.CatalogChange{}, err
	}
	ch, err := draft.Channel(ctx, id)
	return store.CatalogChange{Channels: []store.Channel{ch}}, err
}

// DeleteChannel implements store.Channels.
func (c *Catalog) DeleteChannel(ctx context.Context, id string) error {
	return c.write(ctx, "delete channel", func(draft store.Catalog) (store.CatalogChange, error) {
		return store.CatalogChange{GoneChannels: []string{id}}, draft.DeleteChannel(ctx, id)
	})
}
