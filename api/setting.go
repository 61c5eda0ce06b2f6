package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Setting is a key of the configuration, what it says, and who said so.
type Setting struct {
	Key     string `json:"key" doc:"section.key; a variable of the environment that no key stands for by its name" example:"http.listen"`
	Value   string `json:"value" doc:"as it would be written; of a secret a mark, or empty"`
	Default string `json:"default"`
	Source  string `json:"source" enum:"default,file,environment,flag" doc:"who said so, the strongest of them"`
	Origin  string `json:"origin,omitempty" doc:"where it was given; absent: it is the default" example:"config.yaml line 3"`
	Secret  bool   `json:"secret" doc:"true: the value is not shown"`
}

// Settings are in force since the server began.
type Settings struct {
	Items []Setting `json:"items" nullable:"false" doc:"in the order of config.yaml"`
	// Restart is for people.
	Restart string `json:"restart" doc:"when a change takes effect, in words"`
}

const settingsRestart = "Settings are read when the server starts: a change in config.yaml, in the environment or of a flag takes effect with the next start. " +
	"The certificate and its key are the exception: the files that tls.cert and tls.key name are read again when they change, or at once with SIGHUP."

func (s *Server) routeSettings() {
	route(s, company, huma.Operation{
		OperationID: "get-settings", Method: http.MethodGet, Path: "/api/v1/settings", Tags: []string{"operation"},
		Summary: "Say what the server is configured to, and where it says so", Description: "Secrets are not shown. " + settingsRestart,
	}, func(context.Context, *none) (*answer[Settings], error) {
		if s.o.Settings == nil {
			return nil, errAbsent("settings")
		}
		return &answer[Settings]{Settings{Items: s.o.Settings(), Restart: settingsRestart}}, nil
	})
}
