package api

import "github.com/danielgtaylor/huma/v2"

// telemetryBody describes what a device sends, as over MQTT. It is not checked
// against it: what is otherwise becomes a dead letter, and its neighbours count.
func telemetryBody() *huma.RequestBody {
	text := &huma.Schema{Type: huma.TypeString}
	number := &huma.Schema{Type: huma.TypeNumber}
	ts := &huma.Schema{
		Description: "RFC 3339 with a zone, or milliseconds since 1970, or seconds below 1e11; absent: the time of receipt",
		AnyOf:       []*huma.Schema{text, number},
	}
	reading := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"port", "value"},
		Properties: map[string]*huma.Schema{
			"port":    {Description: "number or name", AnyOf: []*huma.Schema{{Type: huma.TypeInteger}, text}},
			"value":   {Description: "true and false are 1 and 0; a text that is a JSON number is that number", AnyOf: []*huma.Schema{number, {Type: huma.TypeBoolean}, text}},
			"ts":      ts,
			"quality": {Type: huma.TypeString, Enum: []any{"good", "uncertain", "bad"}},
		},
	}
	message := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"readings"},
		Properties: map[string]*huma.Schema{
			"ts":       ts,
			"readings": {Type: huma.TypeArray, Items: reading},
		},
	}
	body := takes("readings as over MQTT, at most 1 MiB and 10,000; up to 16 MiB it becomes a dead letter", "application/json")
	body.Content["application/json"].Schema = &huma.Schema{AnyOf: []*huma.Schema{
		message, {Type: huma.TypeArray, Items: message, Description: "several, such as what was gathered without a network"},
	}}
	return body
}
