package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// absent are variables of parts that this version does not have, and what the
// box does instead.
func absent() []struct{ name, instead string } {
	return []struct{ name, instead string }{
		{"MQTT_URL", "the link to an external broker is not in this version; devices connect to mqtt.listen"},
		{"MQTT_USERNAME", "the link to an external broker is not in this version"},
		{"MQTT_PASSWORD", "the link to an external broker is not in this version"},
		{"REDIS_URL", "Redis is not in this version; latest values are kept in this process"},
		{"ARCHIVE_S3_BUCKET", "the archive is not in this version; nothing is archived"},
	}
}

// kubernetes recognizes what a cluster injects for a service called tidegate,
// or tidegate-something.
func kubernetes(name, text string) bool {
	if strings.HasSuffix(name, "_PORT") && !strings.Contains(name, "_SERVICE_") {
		return strings.Contains(text, "://")
	}
	return regexp.MustCompile(`^TIDEGATE_(.+_)?(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?|PORT)$`).MatchString(name)
}

// environment answers the variables that are set; an empty one is not.
func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok && v != "" {
			env[k] = v
		}
	}
	return env
}

// readEnviron takes PORT, MONGO_URI, every TIDEGATE_<SECTION>_<KEY>, and warns about what
// has no effect. An empty variable is not set.
func (t table) readEnviron(environ []string, mongoURI *string) (warnings []string, err error) {
	env := environment(environ)
	var faults []error
	if port, ok := env["PORT"]; ok {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			faults = append(faults, fmt.Errorf("environment PORT: %q is not a port from 0 to 65535, such as 3000", port))
		} else if _, wins := env[variable("http.listen")]; !wins {
			if err := t.find("http.listen").set(":"+strconv.FormatUint(n, 10), SourceEnvironment, "environment PORT"); err != nil {
				faults = append(faults, err)
			}
		}
	}
	// Those of the command line are known, and none of the server's business.
	known := map[string]bool{"TIDEGATE_SERVER": true, "TIDEGATE_API_KEY": true, "TIDEGATE_CA": true}
	var names []string
	for i, k := range t {
		name := variable(k.path)
		known[name] = true
		names = append(names, name)
		if text, ok := env[name]; ok {
			if err := t[i].set(text, SourceEnvironment, "environment "+name); err != nil {
				faults = append(faults, fmt.Errorf("environment %s: %w", name, err))
			}
		}
	}
	for _, a := range absent() {
		known[a.name] = true
		if env[a.name] != "" {
			warnings = append(warnings, a.name+" is set but has no effect: "+a.instead)
		}
	}
	*mongoURI = env["MONGO_URI"]
	for _, name := range []string{"JWT_SECRET", "JWT_SECRET_PREVIOUS"} {
		if s := env[name]; s != "" && len(s) < 32 {
			warnings = append(warnings, fmt.Sprintf("%s has %d characters: tokens could be forged by guessing it; use 32 or more, such as from: openssl rand -base64 48", name, len(s)))
		}
	}
	return append(warnings, stray(env, known, names)...), errors.Join(faults...)
}

// stray warns about variables that look like ours and are not.
func stray(env map[string]string, known map[string]bool, names []string) []string {
	var warnings, aws []string
	for name, text := range env {
		switch {
		case strings.HasPrefix(name, "AWS_"):
			aws = append(aws, name)
		case !strings.HasPrefix(name, "TIDEGATE_") || known[name]:
		case kubernetes(name, text):
			warnings = append(warnings, name+" has no effect: it looks like what Kubernetes injects for a service of that name; enableServiceLinks: false keeps it away")
		default:
			warnings = append(warnings, name+" is not a setting and has no effect"+suggest(name, names))
		}
	}
	if len(aws) > 0 {
		slices.Sort(aws)
		warnings = append(warnings, strings.Join(aws, ", ")+" set but without effect: the archive is not in this version")
	}
	slices.Sort(warnings)
	return warnings
}
