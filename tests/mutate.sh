#!/usr/bin/env bash
# Puts faults into the library, one after another, and counts those that the tests of the same concept find (Stryker.NET; docs/TRUST.md has what it found):
#   tests/mutate.sh [GROUP…]    alignment, metrics, batching, schedules, checkpoints, replay; all of them when none is named
# The page is bin/mutation/reports/mutation-report.html. It builds into bin/tests as `dotnet build tests` does; broken off, it leaves a faulty library there.
set -euf -o pipefail
cd "$(dirname "$0")"

declare -A files=(
  [alignment]='Alignment/*'
  [metrics]='Metrics/*'
  [batching]='Batching/*'
  [schedules]='Training/TrainingPlan Training/Interval Training/MicroBatchOrder Training/LossScaler'
  [checkpoints]='Training/Resume/CheckpointManifest Training/Resume/CheckpointName Training/Resume/CheckpointStore Training/Resume/RandomState
    Training/Resume/TrainerState'
  [replay]='Tracking/Journal/RunReplay Tracking/Journal/JournalFile Tracking/Journal/StreamLine Tracking/Journal/SummaryValues'
)
# A fault is tried with all of these that reach it: quick ones, no trainings and no server.
declare -A tests=(
  [alignment]='Alignment.'
  [metrics]='Metrics.'
  [batching]='Batching.'
  [schedules]='Training.TrainingPlanTests Training.LearningRateScheduleTests Training.MicroBatchOrderTests Training.LossScalerTests'
  [checkpoints]='Training.CheckpointStoreTests Training.TrainerStateTests'
  [replay]='Tracking.RunReplayTests Tracking.JournalFileTests'
)
globs='' filter=''
for group in ${*:-${!files[@]}}; do
  for file in ${files[$group]}; do globs+="\"**/lib/$file.cs\","; done
  for test in ${tests[$group]}; do filter+="FullyQualifiedName~NotebookLib.Tests.$test|"; done
done

output=$PWD/../bin/mutation
mkdir -p "$output"
cat > "$output/config.json" <<END
{ "stryker-config": {
  "project": "NotebookLib.csproj", "configuration": "Release", "test-runner": "mtp", "concurrency": 1, "disable-mix-mutants": true, "additional-timeout": 30000,
  "mutate": [${globs%,}], "test-case-filter": "(${filter%|})&FullyQualifiedName!~Thirty_three_thousand", "mutation-level": "Advanced", "ignore-methods": ["*Exception.ctor"],
  "reporters": ["dots", "cleartext", "json", "html"] } }
END
dotnet tool restore
dotnet stryker -f "$output/config.json" -O "$output" --skip-version-check
