package mongo

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"tidegate/store"
)

// uriExample is the way out of every bad URI.
const uriExample = "give one such as mongodb://user:password@host:27017/tidegate?replicaSet=rs0"

// address is what MONGO_URI says, as far as that is known without a network.
type address struct {
	text     string   // the URI, with its secrets
	srv      bool     // mongodb+srv: the hosts are the resolver's to say
	hosts    []string // as named, without credentials
	database string
	user     string   // who logs in, and where; empty: nobody
	decided  []string // options that are given and that we decide ourselves
	unknown  []string // options that the driver does not know
}

// Options of a URI that the store's guarantees rest on: ours win.
var decided = []string{
	"w", "wtimeoutms", "journal", "readpreference", "readpreferencetags", "maxstalenessseconds", "readconcernlevel",
	"retrywrites", "retryreads", "timeoutms",
}

// Options whose values are secrets.
var secretOptions = []string{"tlscertificatekeyfilepassword", "sslclientcertificatekeypassword", "authmechanismproperties"}

// parseURI checks a URI without asking any resolver. An error names MONGO_URI
// and what is wrong, and never holds a password.
func parseURI(text string) (address, error) {
	a := address{text: text, database: "tidegate"}
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		return a, badURI("is empty")
	case !ok || scheme != "mongodb" && scheme != "mongodb+srv":
		return a, badURI("does not begin with mongodb:// or mongodb+srv://")
	}
	a.srv = scheme == "mongodb+srv"
	if err := checkCredentials(rest); err != nil {
		return a, err
	}
	// What the driver is given to check, and may quote, holds no password. It
	// would ask the resolver for the hosts of mongodb+srv.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts, hasUser := strings.Cut(authority, "@")
	if !hasUser {
		hosts = authority
	}
	pairs := optionsOf(tail)
	if a.srv {
		if hosts == "" || strings.ContainsAny(hosts, ",:") {
			return a, badURI("mongodb+srv:// takes one host name and no port: its records say the rest")
		}
		pairs = slices.DeleteFunc(pairs, func(p string) bool { return strings.HasPrefix(keyOf(p), "srv") })
	}
	path, _, _ := strings.Cut(tail, "?")
	if tail == "" {
		path = "/"
	}
	plain := hosts + path + "?" + strings.Join(pairs, "&")
	if name, _, hasPassword := strings.Cut(user, ":"); hasUser && hasPassword {
		plain = name + ":secret@" + plain
	} else if hasUser {
		plain = name + "@" + plain
	}
	cs, err := connstring.ParseAndValidate("mongodb://" + plain)
	if err == nil {
		err = options.Client().ApplyURI("mongodb://" + plain).Validate()
	}
	if err != nil {
		return a, badURI("%s", withoutSecrets(err, pairs))
	}
	if a.srv && (cs.DirectConnection || cs.Connect == connstring.SingleConnect) {
		return a, badURI("a direct connection is to one host by its name; with mongodb+srv:// leave directConnection out")
	}
	if slices.ContainsFunc(cs.Hosts, func(h string) bool { return strings.HasPrefix(h, ":") }) {
		return a, badURI("names a port without a host")
	}
	a.hosts = cs.Hosts
	if cs.UsernameSet || cs.AuthMechanism != "" {
		a.user = cs.Username + "@" + cs.AuthSource + " " + cs.AuthMechanism
	}
	if cs.Database != "" {
		a.database = cs.Database
	}
	if err := checkDatabaseName(a.database); err != nil {
		return a, err
	}
	for _, p := range pairs {
		if k := keyOf(p); slices.Contains(decided, k) {
			a.decided = append(a.decided, k)
		} else if _, ok := cs.UnknownOptions[k]; ok {
			a.unknown = append(a.unknown, k)
		}
	}
	return a, nil
}

// withoutSecrets answers what a parser says of a URI, without the values of
// secret options.
func withoutSecrets(err error, pairs []string) string {
	msg := err.Error()
	if i := strings.LastIndex(msg, "error parsing uri: "); i >= 0 {
		msg = msg[i+len("error parsing uri: "):]
	}
	for _, p := range pairs {
		_, v, _ := strings.Cut(p, "=")
		if v == "" || !slices.Contains(secretOptions, keyOf(p)) {
			continue
		}
		msg = strings.ReplaceAll(msg, v, "***")
		if plain, err := url.QueryUnescape(v); err == nil {
			msg = strings.ReplaceAll(msg, plain, "***")
		}
	}
	return msg
}

// checkCredentials refuses what a parser would cut in the wrong place: its
// error would show part of a password.
func checkCredentials(rest string) error {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user, _, has := strings.Cut(rest[:end], "@")
	_, pwErr := url.PathUnescape(user)
	if strings.Contains(rest[end:], "@") || strings.Count(rest[:end], "@") > 1 || strings.Count(user, ":") > 1 && has || pwErr != nil && has {
		return badURI("its user name or password holds a character that must be percent-encoded: @ is %%40, : is %%3A, / is %%2F, ? is %%3F, # is %%23, %% is %%25")
	}
	return nil
}

// optionsOf answers the options of a URI as written.
func optionsOf(tail string) []string {
	_, query, _ := strings.Cut(tail, "?")
	return strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
}

// keyOf answers an option's name in lower case.
func keyOf(option string) string {
	k, _, _ := strings.Cut(option, "=")
	return strings.ToLower(k)
}

func checkDatabaseName(name string) error {
	switch {
	case name == "admin" || name == "local" || name == "config":
		return badURI("database %s belongs to the server", name)
	case len(name) > 63 || strings.ContainsAny(name, "/\\. \"$*<>:|?") || strings.ContainsFunc(name, unicode.IsControl):
		return badURI("database %q: at most 63 bytes, and none of / \\ . \" $ * < > : | ? or a space", name)
	}
	return nil
}

func badURI(format string, args ...any) error {
	e := store.Invalid("MONGO_URI", "", format, args...)
	var se *store.Error
	if errors.As(e, &se) {
		se.Msg += "; " + uriExample
	}
	return e
}

// credentials finds what stands before the host in any URI of a text.
var credentials = regexp.MustCompile(`(mongodb(?:\+srv)?://)[^/\s"]*@`)

// withoutCredentials answers s with the user and password of any URI in it blanked.
func withoutCredentials(s string) string { return credentials.ReplaceAllString(s, "${1}***@") }
