package api

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What is the same for every operation is said once in the description of the
// whole; see preface.
const preface = `Times are RFC 3339 in UTC with milliseconds; from is inclusive, to exclusive.

An answer that is not a success is an RFC 9457 problem: detail says what is wrong and the way out, code names the kind for programs, and requestId is in the server's log. Send X-Request-Id to choose it. Beside the statuses of each operation there are 404 and 405 for what is no operation, 414 and 431 for addresses and headers that are too long, and 500 for a fault of the server.

An unknown query parameter is an error, and so are a key that JSON has twice, null in a change (leave the key out), and a path that is written oddly.

Lists answer {"items":[…],"nextCursor":…}: give nextCursor as cursor to get the next page. HEAD answers as GET does, without the body. Answers to GET are compressed for those who send Accept-Encoding: gzip.

RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset say how many requests there are at once, how many are left, and in how many seconds there are all again.`

// problemAnswers says why an operation may answer each status.
func problemAnswers() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "the body is not JSON, is ambiguous, or broke off; a WebSocket handshake is not valid",
		http.StatusUnauthorized:          "no credentials, or they are not good any more",
		http.StatusForbidden:             "the credentials do not allow it; the detail says what would",
		http.StatusNotFound:              "it does not exist, or not for these credentials",
		http.StatusRequestTimeout:        "the body did not come in time",
		http.StatusConflict:              "it is in the way of something that exists",
		http.StatusRequestEntityTooLarge: "the body is too large; limit says how large it may be",
		http.StatusRequestURITooLong:     "the address is too long; ask for less at once",
		http.StatusUnsupportedMediaType:  "the Content-Type is not taken",
		http.StatusUnprocessableEntity:   "a parameter or the body is not valid; errors says which",
		http.StatusUpgradeRequired:       "the request does not ask for WebSocket",
		http.StatusTooManyRequests:       "too many requests; Retry-After says how long to wait",
		http.StatusServiceUnavailable:    "a part that this needs is away, or there is no room; Retry-After says when to try again",
	}
}

// problemsOf answers the statuses, beside its success, that an operation can
// answer. They follow from who may call it and from what it takes, so that none
// is forgotten; the tests hold each answer that they get against it.
func problemsOf(p policy, op *huma.Operation, in reflect.Type, takesBody bool) []int {
	out := []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests}
	if p.kind != isOpen || takesBody { // what is open takes credentials of another kind
		out = append(out, http.StatusUnauthorized)
	}
	if p.kind != isOpen && p.kind != isAnyone || op.Method != http.MethodGet { // and pages of other origins change nothing
		out = append(out, http.StatusForbidden)
	}
	if p.kind != isAnyone {
		out = append(out, http.StatusServiceUnavailable)
	}
	if strings.Contains(op.Path, "{") || names(in, "orgId", "deviceId", "portNumber", "ruleId") {
		out = append(out, http.StatusNotFound)
	}
	if strings.Contains(op.Path, "{") || len(queryParams(in)) > 0 {
		out = append(out, http.StatusRequestURITooLong)
	}
	if takesBody {
		out = append(out, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	}
	if takesBody && p.kind != isDevice {
		out = append(out, http.StatusUnsupportedMediaType)
	}
	switch op.Method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		out = append(out, http.StatusConflict)
	case http.MethodPost:
		if op.OperationID == "setup" { // there is a user already
			out = append(out, http.StatusConflict)
		}
		if op.Tags[0] == "alarms" && strings.Contains(op.Path, "{") { // it changed meanwhile, or has enough of it
			out = append(out, http.StatusConflict)
		}
		if op.DefaultStatus == http.StatusCreated && p != ingests { // what those make cannot be taken
			out = append(out, http.StatusConflict)
		}
	}
	return out
}

// names reports whether an input has one of the parameters, or its body one of
// the fields. One that is tagged unknown:"empty" is a filter: what it names need
// not exist.
func names(in reflect.Type, wanted ...string) bool {
	if in.Kind() != reflect.Struct {
		return false
	}
	for i := range in.NumField() {
		f := in.Field(i)
		query, _, _ := strings.Cut(f.Tag.Get("query"), ",")
		field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("unknown") != "empty" && (slices.Contains(wanted, query) || slices.Contains(wanted, field)) {
			return true
		}
		if (f.Anonymous || f.Name == "Body") && names(f.Type, wanted...) {
			return true
		}
	}
	return false
}

// documentProblems adds them to an operation.
func documentProblems(op *huma.Operation, statuses []int) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	for _, status := range statuses {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + answerName(status)}
	}
}

func answerName(status int) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// documentAnswers makes the components that documentProblems refers to.
func (s *Server) documentAnswers() {
	schema := s.schema(reflect.TypeFor[Problem]())
	seconds := &huma.Schema{Type: huma.TypeInteger, Description: "seconds"}
	text := &huma.Schema{Type: huma.TypeString}
	all := map[string]*huma.Response{}
	for status, why := range problemAnswers() {
		r := &huma.Response{
			Description: fmt.Sprintf("%s: %s", http.StatusText(status), why),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
			Headers:     map[string]*huma.Header{requestIDHeader: {Schema: text}},
		}
		switch status {
		case http.StatusUnauthorized:
			r.Headers["WWW-Authenticate"] = &huma.Header{Schema: text}
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			r.Headers["Retry-After"] = &huma.Header{Schema: seconds}
		}
		all[answerName(status)] = r
	}
	s.api.OpenAPI().Components.Responses = all
}

// needs names what a caller must be allowed, for a reader; see Action.Names.
func needs(p policy) string {
	switch p.kind {
	case mayDo:
		return strings.Join(p.action.Names(), ", ")
	case isDevice:
		return "ingest"
	}
	return ""
}

// securityOf says with which credentials an operation can be called.
func securityOf(p policy) []map[string][]string {
	with := func(schemes ...string) []map[string][]string {
		out := []map[string][]string{}
		for _, scheme := range schemes {
			out = append(out, map[string][]string{scheme: {}})
		}
		return out
	}
	switch p.kind {
	case isOpen:
		return with()
	case isDevice:
		return with("device", "apiKey", "apiKeyBasic")
	case isAnyone, mayDo:
		return with("token", "apiKey", "apiKeyBasic")
	}
	return with("token")
}

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"token":       {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "of a person, from POST /api/v1/auth/login"},
		"apiKey":      {Type: "http", Scheme: "bearer", BearerFormat: "key-….secret", Description: "of a program: an API key as it was shown when it was made"},
		"apiKeyBasic": {Type: "http", Scheme: "basic", Description: "an API key's id and its secret"},
		"device":      {Type: "http", Scheme: "basic", Description: "a device's id or serial number, and its secret"},
	}
}

// tags groups the operations, in the order in which a reader wants them.
func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "auth", Description: "Log in, and say who the caller is."},
		{Name: "telemetry", Description: "What devices send."},
		{Name: "readings", Description: "Ask for readings, take them out and bring them in."},
		{Name: "live", Description: "Watch what happens."},
		{Name: "organizations", Description: "Tenants: each sees its own."},
		{Name: "users", Description: "People who log in."},
		{Name: "api keys", Description: "Programs that ask, and that hand in readings."},
		{Name: "devices", Description: "What publishes readings."},
		{Name: "commands", Description: "What devices are told to do, and what became of it."},
		{Name: "ports", Description: "What a device measures, and how its raw values are calibrated."},
		{Name: "alert rules", Description: "What is an alarm."},
		{Name: "channels", Description: "Who hears of alarms, and how."},
		{Name: "alarms", Description: "What is wrong, who was told, and when to keep quiet."},
		{Name: "dead letters", Description: "Readings that were rejected, with cause and fix."},
		{Name: "ledger", Description: "What became of every reading."},
		{Name: "audit", Description: "Who changed what."},
		{Name: "operation", Description: "The box as a whole."},
	}
}
