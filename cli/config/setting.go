package config

// Setting is a key, what it says, and who said so.
type Setting struct {
	Key     string // section.key; a variable that is taken from the environment alone by its name
	Value   string // as it would be written; of a secret a mark
	Default string
	Source  Source
	Origin  string // such as "data/config.yaml line 3"; empty: it is the default
	Secret  bool
}

// Source is what says a setting.
type Source string

// The sources, the weakest first.
const (
	SourceDefault     Source = "default"
	SourceFile        Source = "file"
	SourceEnvironment Source = "environment"
	SourceFlag        Source = "flag"
)

// Settings answers what Load makes of the sources, key by key, in the order of
// the commented default. Secrets are blanked.
func Settings(s Sources) ([]Setting, error) {
	c, d := Default(), Default()
	t, defaults := newTable(&c), newTable(&d)
	if _, err := t.load(&c, s); err != nil {
		return nil, err
	}
	out := make([]Setting, 0, len(t)+len(onlyEnvironment()))
	for i := range t {
		k := &t[i]
		_, secret := k.value.(secretValue)
		out = append(out, Setting{k.path, k.value.text(), defaults[i].value.text(), k.source, k.origin, secret})
	}
	env := environment(s.Environ)
	for _, name := range onlyEnvironment() {
		v := Setting{Key: name, Source: SourceDefault, Secret: true}
		if text := env[name]; text != "" {
			v.Value, v.Source, v.Origin = Secret(text).String(), SourceEnvironment, "environment "+name
		}
		out = append(out, v)
	}
	return out, nil
}

// onlyEnvironment are variables that no key stands for, because they are secrets
// or have one in them.
func onlyEnvironment() []string {
	return []string{"MONGO_URI", "JWT_SECRET", "JWT_SECRET_PREVIOUS"}
}
