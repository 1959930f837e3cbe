#!/usr/bin/env bash
# Holds an exported model to npm's `tokenizers` and `@huggingface/transformers` on 500 sentences, and lets npm's `@huggingface/inference` ask a server: installs them below obj/ (half a
# gigabyte, without install scripts), then runs the tests.
# NPM_MODEL=FOLDER tests/npm/run.sh takes a model of yours in place of the demo's network.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in node npm; do
  command -v "$tool" > /dev/null || { echo "SKIPPED: $tool is missing; install Node.js 20 or later (Debian: apt-get install nodejs npm)."; exit 0; }
done

mkdir -p obj/npm-clients
cp tests/npm/package.json tests/npm/package-lock.json tests/npm/ask.mjs tests/npm/infer.mjs obj/npm-clients/
(cd obj/npm-clients && npm ci --ignore-scripts --no-audit --no-fund)
dotnet build tests -v q -clp:ErrorsOnly
exec bin/tests/NotebookLib.Tests -class '*NpmClientTests' -diagnostics
