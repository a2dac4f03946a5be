#!/usr/bin/env bash
# What the tests of the web page need beside Python: Chromium, from Debian where this is root, and axe-core, from npm, as
# .cache/axe/node_modules/axe-core/axe.min.js. Where one cannot be had those tests are skipped, unless
# CSFNNS_BROWSER=required: then this fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=4.14.1
integrity=sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==

lacks() {
  echo "The tests of the web page need $1" >&2
  if [[ ${CSFNNS_BROWSER:-} == required ]]; then exit 1; fi
}

if ! command -v chromium chromium-browser google-chrome >/dev/null; then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install --yes -qq --no-install-recommends chromium >/dev/null
  else
    lacks "Chromium or Chrome: install one as 'chromium' or 'google-chrome'."
  fi
fi

if [[ ! -f .cache/axe/node_modules/axe-core/axe.min.js || $(cat .cache/axe/version 2>/dev/null) != "$version" ]]; then
  if ! command -v npm >/dev/null; then
    lacks "axe-core: install npm, then run scripts/browser.sh."
    exit 0
  fi
  rm -rf .cache/axe
  mkdir -p .cache/axe
  # npm ci installs what a lock file says, and refuses a file with another hash.
  cat > .cache/axe/package.json <<JSON
{"private": true, "dependencies": {"axe-core": "$version"}}
JSON
  cat > .cache/axe/package-lock.json <<JSON
{"lockfileVersion": 3, "requires": true, "packages": {
  "": {"dependencies": {"axe-core": "$version"}},
  "node_modules/axe-core": {"version": "$version", "integrity": "$integrity"}}}
JSON
  npm ci --prefix .cache/axe --silent --ignore-scripts --no-audit --no-fund
  echo "$version" > .cache/axe/version
fi
