package store

import "regexp"

// MaxIDLength is the longest id in bytes.
const MaxIDLength = 64

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// ValidID reports whether id may name an organization or a device. Such an id
// is one level of an MQTT topic and one segment of a URL path.
func ValidID(id string) bool { return idPattern.MatchString(id) }

func checkID(noun, id string) error {
	if ValidID(id) {
		return nil
	}
	return &Error{
		Kind: ErrInvalid, Noun: noun, ID: id, Field: "id",
		Msg: "must be 1 to 64 characters from A-Z a-z 0-9 . _ : - and begin with a letter or digit",
	}
}
