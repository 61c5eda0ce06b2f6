package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Patterns of texts that handlers check themselves, with better words than a
// pattern has.
const (
	idPattern       = `^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`
	durationPattern = `^([0-9]{1,4}d|([0-9]{1,6}(h|m|s|ms))+)$`
	millisPattern   = `^-?[0-9]{1,15}$`
)

// describeParameters replaces the schemas of query parameters by those of what
// is accepted: a field of the input that is tagged as:"time", duration, id or
// port is such a text, and no text is empty (checkQuery).
func describeParameters(op *huma.Operation, in reflect.Type) {
	kinds := map[string]string{}
	collectKinds(in, kinds)
	for _, p := range op.Parameters {
		if p.In != "query" || p.Schema == nil {
			continue
		}
		s := *p.Schema // the library goes on checking against its own
		switch kind := kinds[p.Name]; {
		case kind == "time":
			s.Type, s.AnyOf = "", []*huma.Schema{
				{Type: huma.TypeString, Format: "date-time"},
				{Type: huma.TypeString, Pattern: millisPattern, Description: "milliseconds since 1970"},
			}
		case kind == "duration":
			s.Pattern = durationPattern
		case kind == "id" && s.Type == huma.TypeString:
			s.Pattern = idPattern
		case kind == "id":
			s.Items = &huma.Schema{Type: huma.TypeString, Pattern: idPattern}
		case kind == "port":
			least, most := 0.0, 65535.0
			s.Items = &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
		case s.Type == huma.TypeString && len(s.Enum) == 0:
			one := 1
			s.MinLength = &one
		}
		if s.Type == huma.TypeArray {
			one := 1
			s.MinItems = &one // or it is left out
			s.Nullable = false
		}
		p.Schema = &s
	}
}

func collectKinds(in reflect.Type, kinds map[string]string) {
	for i := range in.NumField() {
		f := in.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			collectKinds(f.Type, kinds)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("query"), ","); name != "" {
			kinds[name] = f.Tag.Get("as")
		}
	}
}
