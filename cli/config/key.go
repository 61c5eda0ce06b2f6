package config

import "strings"

// key is one setting: where it is written and what it takes.
type key struct {
	path   string // section.key
	value  value
	source Source
	origin string // where it was given, such as "config.yaml line 3"; empty: nowhere
}

// set takes the text of a source.
func (k *key) set(text string, source Source, origin string) error {
	if err := k.value.set(text); err != nil {
		return err
	}
	k.source, k.origin = source, origin
	return nil
}

// table is every setting of one Config, in the order of the commented default.
type table []key

func newTable(c *Config) table {
	all := []struct {
		path  string
		value value
	}{
		{"http.listen", addressValue{&c.HTTP.Listen, "8080"}},
		{"http.tls_listen", addressValue{&c.HTTP.TLSListen, "8443"}},
		{"http.redirect", switchValue{&c.HTTP.Redirect}},
		{"http.cors_origins", originsValue{&c.HTTP.CORSOrigins}},
		{"http.rate_limit", countValue{&c.HTTP.RateLimit, 0, 1_000_000, "requests a second; 0 is no limit"}},
		{"http.rate_limit_address", countValue{&c.HTTP.RateLimitAddress, 0, 1_000_000, "requests a second; 0 is no limit"}},
		{"http.live_connections", countValue{&c.HTTP.LiveConnections, 1, 1_000_000, "connections"}},
		{"http.live_connections_user", countValue{&c.HTTP.LiveConnectionsUser, 1, 1_000_000, "connections"}},
		{"mqtt.listen", addressValue{&c.MQTT.Listen, "1883"}},
		{"mqtt.tls_listen", addressValue{&c.MQTT.TLSListen, "8883"}},
		{"mqtt.max_connections", countValue{&c.MQTT.MaxConnections, 1, 1_000_000, "sockets"}},
		{"tls.cert", fileValue{&c.TLS.Cert}},
		{"tls.key", fileValue{&c.TLS.Key}},
		{"tls.self_signed", switchValue{&c.TLS.SelfSigned}},
		{"tls.client_ca", fileValue{&c.TLS.ClientCA}},
		{"tls.client_required", switchValue{&c.TLS.ClientRequired}},
		{"log.max_size", sizeValue{&c.Log.MaxSize, 1 << 20, 1 << 44}},
		{"log.linger", durationValue{&c.Log.Linger, 0, 10 * second}},
		{"log.window", sizeValue{&c.Log.Window, 64 << 10, 1 << 34}},
		{"log.unacked", sizeValue{&c.Log.Unacked, 2 << 20, 1 << 34}},
		{"store.flush_interval", durationValue{&c.Store.FlushInterval, 10 * millisecond, 24 * hour}},
		{"store.flush_size", sizeValue{&c.Store.FlushSize, 64 << 10, 1 << 32}},
		{"store.settle_after", durationValue{&c.Store.SettleAfter, 10 * millisecond, 30 * 24 * hour}},
		{"store.keep_months", countValue{&c.Store.KeepMonths, 0, 1200, "months; 0 keeps all"}},
		{"mongo.flush_interval", durationValue{&c.Mongo.FlushInterval, 100 * millisecond, hour}},
		{"mongo.flush_size", sizeValue{&c.Mongo.FlushSize, 64 << 10, 1 << 32}},
		{"mongo.writers", countValue{&c.Mongo.Writers, 1, 64, "insert commands at once"}},
		{"mongo.raw_payload", switchValue{&c.Mongo.RawPayload}},
		{"deadletters.keep_days", countValue{&c.DeadLetters.KeepDays, 1, 36_500, "days"}},
		{"deadletters.max_size", sizeValue{&c.DeadLetters.MaxSize, 1 << 20, 1 << 44}},
		{"alerts.max_age", durationValue{&c.Alerts.MaxAge, second, 366 * 24 * hour}},
		{"notify.allow", rangesValue{&c.Notify.Allow}},
		{"notify.group_wait", durationValue{&c.Notify.GroupWait, 0, minute}},
		{"notify.base_url", pageValue{&c.Notify.BaseURL}},
		{"smtp.host", hostValue{&c.SMTP.Host}},
		{"smtp.port", countValue{&c.SMTP.Port, 0, 65_535, "a port; 0 is the usual one"}},
		{"smtp.user", textValue{&c.SMTP.User}},
		{"smtp.password", secretValue{&c.SMTP.Password}},
		{"smtp.password_file", fileValue{&c.SMTP.PasswordFile}},
		{"smtp.from", mailboxValue{&c.SMTP.From}},
		{"smtp.tls", choiceValue{&c.SMTP.TLS, []string{"starttls", "tls", "none"}}},
		{"auth.access_token_ttl", durationValue{&c.Auth.AccessTokenTTL, 10 * second, 24 * hour}},
		{"auth.session_ttl", durationValue{&c.Auth.SessionTTL, minute, 180 * 24 * hour}},
		{"logging.level", choiceValue{&c.Logging.Level, []string{"debug", "info", "warn", "error"}}},
		{"logging.format", choiceValue{&c.Logging.Format, []string{"text", "json"}}},
	}
	t := make(table, len(all))
	for i, k := range all {
		t[i] = key{path: k.path, value: k.value, source: SourceDefault}
	}
	return t
}

func (t table) find(path string) *key {
	for i := range t {
		if t[i].path == path {
			return &t[i]
		}
	}
	return nil
}

func (t table) paths() []string {
	var out []string
	for _, k := range t {
		out = append(out, k.path)
	}
	return out
}

// sections answers the names of the sections in order.
func (t table) sections() []string {
	var out []string
	for _, k := range t {
		s, _, _ := strings.Cut(k.path, ".")
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

// keysOf answers the names of a section's keys in order.
func (t table) keysOf(section string) []string {
	var out []string
	for _, k := range t {
		if s, name, _ := strings.Cut(k.path, "."); s == section {
			out = append(out, name)
		}
	}
	return out
}

// origin answers where a key was given; empty: nowhere.
func (t table) origin(path string) string {
	if k := t.find(path); k != nil {
		return k.origin
	}
	return ""
}

// variable answers the name of a key in the environment.
func variable(path string) string {
	return "TIDEGATE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
