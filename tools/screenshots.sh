#!/usr/bin/env bash
# Opens a run's page as a reader would, offline, in headless Chromium; checks it and takes pictures of it (screenshots/look.js says what is checked).
#   tools/screenshots.sh results/runs/RUN/NOTEBOOK.html [FOLDER]       FOLDER is docs/images if not given
# Needs Node.js and Chromium (Debian: apt-get install nodejs npm chromium; another one: CHROMIUM=/path/to/chromium). Exits with 1 when a check fails.
set -euo pipefail
tool=$(dirname "$(realpath "$0")")/screenshots
[ -d "$tool/node_modules/playwright-core" ] || npm ci --prefix "$tool" --no-audit --no-fund --silent
exec node "$tool/look.js" "$(realpath "$1")" "$(realpath -m "${2:-$tool/../../docs/images}")"
