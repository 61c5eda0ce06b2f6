#!/usr/bin/env bash
# Holds a real server against its own description: the document is valid, its
# examples are what their schemas say, and schemathesis finds no answer that is
# undocumented or of another shape, and no fault of the server, for somebody who
# may do everything and for somebody who may only read.
#   TIDEGATE_BIN  the program (built when unset)
#   EXAMPLES      requests an operation (default 40)
#   SEED          of what is made up (default 1)
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/api/e2e
venv=$PWD/.cache/schemathesis/bin
bin=${TIDEGATE_BIN:-$PWD/.cache/tidegate}
[ -n "${TIDEGATE_BIN:-}" ] || go build -o "$bin" .
unset TIDEGATE_BIN # not a setting: the server would warn
password='correct horse battery'

work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || { kill "$server" && wait "$server"; } 2> /dev/null || true
	rm -rf "$work"
}
trap finish EXIT

# serve starts a server with a folder of its own; BASE is where it is.
serve() {
	local data=$work/data deadline=$((SECONDS + 20)) http=
	mkdir "$data"
	echo "$password" | "$bin" init --data "$data" --admin-email ann@example.org --admin-password-stdin > /dev/null 2> "$work/log" || { cat "$work/log"; exit 1; }
	TIDEGATE_HTTP_LISTEN=127.0.0.1:0 TIDEGATE_MQTT_LISTEN=127.0.0.1:0 TIDEGATE_HTTP_RATE_LIMIT=0 TIDEGATE_HTTP_RATE_LIMIT_ADDRESS=0 \
		"$bin" serve --data "$data" > "$work/log" 2>&1 &
	server=$!
	until [ -n "$http" ]; do
		[ $SECONDS -lt $deadline ] && kill -0 "$server" || { cat "$work/log"; echo "the server is not ready"; exit 1; }
		http=$("$bin" status --data "$data" -o json 2> /dev/null |
			"$venv/python" -c 'import json, sys; s = json.load(sys.stdin); print(s["http"] if s["ready"] else "")' 2> /dev/null) || sleep 0.05
	done
	BASE=http://$http
	"$bin" org add --data "$data" --id acme --name Acme > /dev/null
	"$bin" device add --data "$data" --org acme --id d1 --serial SN1 --secret s3cret-of-d1 --ports 2 > /dev/null
	"$bin" device add --data "$data" --org acme --id sender --secret s3cret-of-sender --ports 2 > /dev/null
	echo "$password" | "$bin" user add --data "$data" --email vera@example.org --role viewer --org acme --password-stdin > /dev/null
	printf 'ts,device,port,value\n2025-09-06T12:00:00Z,d1,1,5\n2025-09-06T12:00:00Z,d1,9,5\n' |
		"$bin" readings import - --data "$data" --org acme > /dev/null 2>&1
}

# try EMAIL tries every operation as somebody, on a server of its own.
try() (
	began=$SECONDS work=$work/$1
	mkdir "$work"
	trap finish EXIT
	serve "$1"
	if [ "$1" = ann@example.org ]; then
		curl -sS "$BASE/openapi.json" > "$work/openapi.json"
		"$venv/openapi-spec-validator" --validation-errors all "$work/openapi.json"
		"$venv/python" "$here/examples.py" "$work/openapi.json"
	fi
	(cd "$work" && ME=$1 PASSWORD=$password DEVICE=sender DEVICE_SECRET=s3cret-of-sender BASE=$BASE \
		SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 \
		"$venv/schemathesis" --config-file "$here/schemathesis.toml" run "$BASE/openapi.json" \
		--max-examples "${EXAMPLES:-40}" --seed "${SEED:-1}" --no-shrink --generation-database none --continue-on-failure --no-color \
		> "$work/report" 2>&1) || { cut -c1-500 "$work/report"; tail -20 "$work/log"; exit 1; }
	if grep -q 'level=ERROR' "$work/log"; then
		cat "$work/log"
		exit 1
	fi
	if grep -q -- '- GET /api/v1/me$' "$work/report"; then
		cut -c1-200 "$work/report"
		echo "who asks was logged out on the way: nothing was tried from then on"
		exit 1
	fi
	echo "ok $1: $(grep -o '[0-9]* generated, [0-9]* passed' "$work/report") ($((SECONDS - began)) s)"
)

# Both at once: each is bound by the one that asks.
try ann@example.org & ann=$!
try vera@example.org & vera=$!
failed=0
wait $ann || failed=1
wait $vera || failed=1
exit $failed
