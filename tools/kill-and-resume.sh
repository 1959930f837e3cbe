#!/usr/bin/env bash
# Proves exact resume on the demo: the LoRA notebook up to its training, once unbroken, once killed (SIGKILL) three times at random moments and resumed.
# Final adapter, optimiser state and best adapter of both must be equal byte for byte.
#   tools/kill-and-resume.sh [SEED]      SEED of the moments; default: a new one. Parameters of the notebook by the environment: MORE="-p precision=bfloat16"
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-$((SRANDOM % 100000))}
RANDOM=$seed
updates=60
parameters=(-p "updates=$updates" -p batchSize=8 -p accumulationSteps=4 -p saveEvery=2 -p evaluateEvery=15 -p compare=false -p tracking=disabled ${MORE:-})

work=$(mktemp -d)
dotnet build tools > "$work/build.log" || { cat "$work/build.log"; exit 1; }
notebook=bin/kill-and-resume.dib # In bin/, from where ../bin/lib is found as from notebooks/.
sed '/^## Testing/,$d' notebooks/ner_deberta_large_lora_A.dib > "$notebook"
pid=
trap '[ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null; rm -rf "$work" "$notebook"' EXIT

# In a process group of its own, so that a kill takes the runner and its kernel at once.
start() { # NAME MORE-PARAMETERS…
  local name=$1
  shift
  setsid dotnet bin/tools/NotebookRunner.dll run "$notebook" "${parameters[@]}" -p "output=$work/$name" "$@" --output "$work/page-$name" > "$work/$name.log" 2>&1 &
  pid=$!
}

# A kill may come before the training begins: then there is nothing to go on with.
resuming() { [ ! -e "$work/broken/checkpoints/.training.lock" ] || echo "-p resume=true"; }
finish() { wait "$pid" || { tail -n 30 "$work/$1.log"; exit 1; }; pid=; }
is_training() { grep -q "Fine-tuning" "$work/$1.log" 2>/dev/null; }
await_training() { until is_training "$1"; do kill -0 "$pid" 2>/dev/null || { tail -n 30 "$work/$1.log"; exit 1; }; sleep 0.05; done; }
newest() { find "$work/$1/checkpoints" -maxdepth 1 -name 'checkpoint-*' -printf '%f\n' 2>/dev/null | sort -V | tail -n 1; }

echo "seed of the moments: $seed; $updates updates of 4 × 8 sentences"
start unbroken
await_training unbroken
began=$(date +%s%N)
finish unbroken
milliseconds=$((($(date +%s%N) - began) / 1000000))
echo "unbroken: trained in $((milliseconds / 1000)) s, last $(newest unbroken)"

for kill in 1 2 3; do
  # At most a third of the whole each, so that three kills never reach the end.
  delay=$((RANDOM * milliseconds / 3 / 32768))
  start broken $(resuming)
  await_training broken
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -KILL -- "-$pid"
  wait "$pid" 2>/dev/null || true
  pid=
  left=$(find "$work/broken/checkpoints" -maxdepth 1 -name '.writing-*' -printf '%f ' 2>/dev/null || true)
  echo "kill $kill: $delay ms into training, newest $(newest broken || true)${left:+, half written: $left}"
done

start broken $(resuming)
finish broken
echo "resumed to the end: last $(newest broken)"

equal=0
for file in "$(newest unbroken)/adapter_model.safetensors" "$(newest unbroken)/optimizer.safetensors" best/adapter_model.safetensors; do
  a=$(sha256sum < "$work/unbroken/checkpoints/$file") b=$(sha256sum < "$work/broken/checkpoints/$file")
  if [ "$a" = "$b" ]; then echo "equal      $file  sha256 ${a%% *}"; else echo "DIFFERENT  $file  ${a%% *} ${b%% *}"; equal=1; fi
done
exit "$equal"
