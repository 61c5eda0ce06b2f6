#!/usr/bin/env bash
# Checks the page, and that of the API's description: types, units, and the whole
# of it in Chromium against real servers, story by story. Node modules
# go to .cache/npm, which git ignores.
#   TIDEGATE_BIN  the program (built when unset)
#   CHROMIUM      the browser (default /usr/bin/chromium)
#   SHOTS         a folder for screenshots (none when unset)
#   STORIES       names of stories, such as "entry devices" (all when unset)
#   AT_ONCE       how many stories at a time (2 when unset)
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/npm
mkdir -p "$cache"
if ! cmp -s web/e2e/package-lock.json "$cache/package-lock.json" || [ ! -d "$cache/node_modules/typescript" ]; then
  cp web/e2e/package.json web/e2e/package-lock.json "$cache/"
  npm ci --prefix "$cache" --no-audit --no-fund --loglevel=error
fi
"$cache/node_modules/.bin/tsc" -p web/tsconfig.json
node --import ./web/e2e/importmap.mjs --test web/e2e/*.test.mjs
if [ -z "${TIDEGATE_BIN:-}" ]; then
  TIDEGATE_BIN=$PWD/.cache/tidegate
  go build -o "$TIDEGATE_BIN" .
fi
export TIDEGATE_BIN NODE_MODULES=$cache
# Two at a time: a story mostly waits for its own browser.
told=$(mktemp -d)
trap 'rm -rf "$told"' EXIT
export told cache
tell() {
  local began=$SECONDS failed=0
  node "web/e2e/$1.page.mjs" > "$told/$1" 2>&1 || failed=1
  cat "$told/$1"
  sed -n 's/^skipped: /story '"$1"': /p' "$told/$1" >> "$cache/../skipped"
  echo "story $1: $((SECONDS - began)) s"
  return $failed
}
export -f tell
printf '%s\n' ${STORIES:-$(cd web/e2e && printf '%s\n' *.page.mjs | sed 's/\.page\.mjs$//')} | xargs -P "${AT_ONCE:-2}" -I{} bash -c 'tell {}'
