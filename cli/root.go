package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/cli/config"
)

// root answers the tree of verbs.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tidegate",
		Short: "An IoT backend on one small box: devices in, readings out",
		Long: "tidegate takes telemetry over MQTT and HTTP, keeps it, and answers for every reading.\n\n" +
			"  tidegate init --data ./data --admin-email you@example.org --sample\n" +
			"  tidegate serve --data ./data\n\n" +
			"The other verbs talk to the server that serves the folder.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              noSuchVerb,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.started = true
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"table", "json", "csv"}, p.output) {
				return fmt.Errorf("-o %s: use table, json or csv", p.output)
			}
			if p.server != "" && slices.Contains(onTheBox, cmd.Name()) {
				return fmt.Errorf("%s works on the box itself; leave out --server", cmd.CommandPath())
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&p.dir, "data", "./data", "data folder")
	root.PersistentFlags().StringVar(&p.server, "server", "", "a server elsewhere, such as https://box:8443, instead of the one that serves the folder; needs an API key in "+keyVariable)
	root.PersistentFlags().StringVar(&p.caFile, "ca", "", "who signed that server's certificate, in PEM")
	root.PersistentFlags().StringVarP(&p.output, "output", "o", "table", "table, json or csv")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		p.serveVerb(), p.initVerb(), p.orgNoun(), p.userNoun(), p.apikeyNoun(), p.deviceNoun(), p.portNoun(), p.ruleNoun(), p.channelNoun(),
		p.calibrationNoun(), p.commandNoun(), p.readingsNoun(), p.replayVerb(), p.simulateVerb(), p.tailVerb(),
		p.eventsNoun(), p.silenceNoun(), p.notificationNoun(),
		p.deadletterNoun(), p.ledgerVerb(), p.auditNoun(), p.backupVerb(), p.restoreVerb(),
		p.retentionNoun(), p.migrateVerb(), p.doctorVerb(), p.statusVerb(), p.versionVerb(), p.demoVerb(), p.benchVerb(),
	)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.InitDefaultCompletionCmd()
	markStarted(p, root)
	return root
}

// onTheBox are the verbs that talk to no server.
var onTheBox = []string{"serve", "init", "restore", "migrate", "doctor", "demo", "bench", "version", "completion"}

// markStarted notes for each verb that its arguments were understood: what
// fails before that is a fault of usage.
func markStarted(p *program, cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if run := c.RunE; run != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				p.started = true
				return run(cmd, args)
			}
		}
		markStarted(p, c)
	}
}

// noun answers a command that only holds verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noSuchVerb}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return usage("%s what? One of: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
	}
	c.AddCommand(verbs...)
	return c
}

// verb answers a command that does something.
func verb(use, short string, run func(ctx context.Context, args []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs}
	c.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args) }
	c.Flags().SortFlags = false
	return c
}

// required marks flags without which a verb cannot run.
func required(c *cobra.Command, names ...string) {
	for _, n := range names {
		if err := c.MarkFlagRequired(n); err != nil {
			panic(err) // the flag is declared a line above
		}
	}
}

// subject lets the object be named as an argument or by a flag.
func subject(c *cobra.Command, id *string, flag, what string) {
	c.Use += " [" + strings.ToUpper(flag) + "]"
	c.Flags().StringVar(id, flag, "", what)
	c.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("one %s at a time, not %s", flag, strings.Join(args, " "))
		case len(args) == 1 && *id != "" && *id != args[0]:
			return fmt.Errorf("%s or --%s %s? Give one", args[0], flag, *id)
		case len(args) == 1:
			*id = args[0]
		case *id == "":
			return fmt.Errorf("which one? Give its %s", flag)
		}
		return nil
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func noSuchVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s has no verb %q%s Verbs: %s", cmd.CommandPath(), args[0], orStop(didYouMean(args[0], names(cmd))), strings.Join(names(cmd), ", "))
}

// orStop ends a sentence that has no hint.
func orStop(hint string) string {
	if hint == "" {
		return "."
	}
	return hint
}

func names(cmd *cobra.Command) []string {
	var out []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			out = append(out, c.Name())
		}
	}
	return out
}

// flagError names the nearest flag of one that does not exist, and says in
// words what is wrong with a value.
func flagError(cmd *cobra.Command, err error) error {
	var absent *pflag.NotExistError
	var bad *pflag.InvalidValueError
	var number *strconv.NumError
	switch {
	case errors.As(err, &bad) && errors.As(err, &number):
		return fmt.Errorf("--%s %s: not a number that it takes (%w)", bad.GetFlag().Name, bad.GetValue(), number.Err)
	case errors.As(err, &bad):
		return fmt.Errorf("--%s: %w", bad.GetFlag().Name, bad.Unwrap())
	case !errors.As(err, &absent):
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	slices.Sort(known)
	if n := config.Nearest(absent.GetSpecifiedName(), known); n != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, n)
	}
	return fmt.Errorf("%w. Flags: --%s", err, strings.Join(known, ", --"))
}
