package notify

import "tidegate/store"

// teamsMessage is what the workflow "when a Teams webhook request is received"
// takes: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
// with a card of https://adaptivecards.io/explorer/AdaptiveCard.html
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"`
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string         `json:"$schema"`
	Type    string         `json:"type"`
	Version string         `json:"version"`
	Body    []teamsElement `json:"body"`
	Actions []teamsAction  `json:"actions,omitempty"`
	Teams   struct {
		Width string `json:"width"`
	} `json:"msteams"`
}

// teamsElement is a RichTextBlock: unlike a TextBlock it takes a text as it is,
// without Markdown.
type teamsElement struct {
	Type    string     `json:"type"`
	Inlines []teamsRun `json:"inlines"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Color  string `json:"color,omitempty"`
}

type teamsAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func checkTeams(d *Dispatcher, c *store.Channel) error {
	return d.checkURL(c.URL, "https://prod-00.westeurope.logic.azure.com/workflows/…")
}

func teamsPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	n := s.weighty
	color := "Default"
	switch {
	case n.Cause == store.CauseResolved || n.Cause == store.CauseAcknowledged:
		color = "Good"
	case n.Event.Severity == store.SeverityCritical:
		color = "Attention"
	case n.Event.Severity == store.SeverityWarning:
		color = "Warning"
	}
	card := teamsCard{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Body: []teamsElement{
		{"RichTextBlock", []teamsRun{{Type: "TextRun", Text: s.title(), Weight: "Bolder", Size: "Medium", Color: color}}},
		{"RichTextBlock", []teamsRun{{Type: "TextRun", Text: s.under(8000, 20)}}}, // a message has 28 KB at most
	}}
	card.Teams.Width = "Full"
	if l := s.link(n); l != "" {
		card.Actions = []teamsAction{{"Action.OpenUrl", "Open in tidegate", l}}
	}
	p, err := d.postJSON(c, m.id, c.URL, teamsMessage{"message", []teamsAttachment{{"application/vnd.microsoft.card.adaptive", nil, card}}})
	if err != nil {
		return nil, err
	}
	p.secrets = append(p.secrets, addressSecret(c.URL))
	return []recipient{{post: p}}, nil
}
