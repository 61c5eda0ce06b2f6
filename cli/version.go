package cli

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"
)

func (p *program) versionVerb() *cobra.Command {
	return verb("version", "Show the version", func(context.Context, []string) error {
		v := struct {
			Version string `json:"version"`
			Built   string `json:"built,omitempty"`
			Go      string `json:"go"`
			OS      string `json:"os"`
			Arch    string `json:"arch"`
		}{p.Version, p.Built, runtime.Version(), runtime.GOOS, runtime.GOARCH}
		return p.object(v, field{"version", v.Version}, field{"built", v.Built}, field{"go", v.Go}, field{"platform", v.OS + "/" + v.Arch})
	})
}
