#!/usr/bin/env bash
# A storm of stops: the notebooks, full fine-tuning and LoRA, float32 and bf16, stopped at random moments in every way in which a run is stopped, and gone on with each time by the command
# that the stop printed, or by the cell, run again in the editor's kernel. What is left then is compared with what unbroken runs leave; a table of ways and stops ends it.
#   tools/kill-and-resume.sh [STOPS] [SEED]     SEED of ways and moments; defaults: 50 stops, a new seed. The exit code is 0 when everything was equal.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build tests -v q -clp:ErrorsOnly
STOPS=${1:-50} SEED=${2:-} exec bin/tests/NotebookLib.Tests -explicit only -method '*.StopTests.A_storm_of_stops' -showliveoutput
