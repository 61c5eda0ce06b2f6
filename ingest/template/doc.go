// Package template fills placeholders in what people write: messages of alarms,
// subjects, bodies of webhooks.
//
//	{device} {name} is {value} {unit}          a placeholder is a name in braces
//	{{"text": "{message|json}"}                {{ is a brace; a closing one needs nothing
//	https://sms.example/send?text={message|url}
//
// It guarantees:
//
//   - What Parse accepts, Append cannot fail at. A placeholder or a filter that is
//     not known is an error that names those that are.
//   - A value is text and nothing else: it is not looked at for placeholders.
//     One that is absent becomes nothing.
//   - Text is copied byte for byte. Without a filter a value is, too: what goes
//     into JSON, an address or HTML says so.
//   - A Template does not change and may be used by many at a time.
//
// There are no conditions, loops or functions, and there is no reflection: the
// standard library's templates would keep all of the program's methods alive.
package template
