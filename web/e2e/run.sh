#!/usr/bin/env bash
# Checks the page, and that of the API's description: types, units, and the whole
# of it in Chromium against real servers, one story after the other. Node modules
# go to .cache/npm, which git ignores.
#   TIDEGATE_BIN  the program (built when unset)
#   CHROMIUM      the browser (default /usr/bin/chromium)
#   SHOTS         a folder for screenshots (none when unset)
#   STORIES       names of stories, such as "entry devices" (all when unset)
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
for story in ${STORIES:-$(cd web/e2e && printf '%s\n' *.page.mjs | sed 's/\.page\.mjs$//')}; do
  began=$SECONDS
  node "web/e2e/$story.page.mjs"
  echo "story $story: $((SECONDS - began)) s"
done
