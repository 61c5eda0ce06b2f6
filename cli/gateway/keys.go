package gateway

import (
	"errors"

	"tidegate/api"
)

// minSecret is the shortest JWT_SECRET that is taken, in bytes.
const minSecret = 16

// jwtKeys answers what signs access tokens: JWT_SECRET, or else the key of the
// folder. JWT_SECRET_PREVIOUS still verifies.
func jwtKeys(own []byte, env func(string) string) (api.Keys, error) {
	k := api.Keys{Current: own}
	if s := env("JWT_SECRET"); s != "" {
		if len(s) < minSecret {
			return k, errors.New("JWT_SECRET is shorter than 16 bytes: make a longer one, such as with `openssl rand -hex 32`, or leave it unset")
		}
		k.Current, k.Previous = []byte(s), [][]byte{own}
	}
	if s := env("JWT_SECRET_PREVIOUS"); s != "" {
		k.Previous = append(k.Previous, []byte(s))
	}
	return k, nil
}
