#!/usr/bin/env bash
# Proves that a run is one thing: the LoRA notebook up to its training, once unbroken, once stopped again and again at random moments, in every way in which a run is stopped, and each time
# gone on with by the command that the runner printed. Weights, optimiser, history and best of both must be equal; one tracked run and nothing half-written may be left.
#   tools/kill-and-resume.sh [STOPS] [SEED]   SEED of the moments; defaults: 6 stops, a new seed. WAYS="KILL pty" chooses among them, MORE="-p precision=bfloat16" sets parameters.
set -euo pipefail
cd "$(dirname "$0")/.."
stops=${1:-6} seed=${2:-$((SRANDOM % 100000))}
RANDOM=$seed
read -ra ways <<< "${WAYS:-INT TERM HUP KILL pty full}"
parameters=(-p updates=60 -p batchSize=8 -p accumulationSteps=4 -p saveEvery=2 -p evaluateEvery=15 -p compare=false -p tracking=offline ${MORE:-})

work=$(mktemp -d)
[ -n "${BUILT:-}" ] || dotnet build tools > "$work/build.log" || { cat "$work/build.log"; exit 1; }
runner=$PWD/bin/tools/NotebookRunner.dll
notebook=bin/kill-and-resume.dib # In bin/, from where ../bin/lib is found as from notebooks/.
sed '/^## Testing/,$d' notebooks/ner_deberta_large_lora_A.dib > "$notebook"
pid=
trap '[ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null; rm -rf "$work" "$notebook"' EXIT

# Starts a command in a session of its own, so that a kill takes runner and kernel at once: in a terminal that can be closed, or into a full disk where the way of stopping says so.
start() { # WAY COMMAND…
  local way=$1
  shift
  : > "$work/log"
  case $way in
    pty) setsid env --default-signal=INT script -qefc "$*" "$work/log" > /dev/null 2>&1 < /dev/null & ;;
    full) setsid env --default-signal=INT bash -c "$* > /dev/full 2> /dev/full" & ;;
    *) setsid env --default-signal=INT bash -c "exec $*" > "$work/log" 2>&1 & ;;
  esac
  pid=$!
}

stop() { # WAY
  case $1 in
    pty) kill -KILL "$pid" ;;                  # The terminal goes; whoever runs in it hears SIGHUP.
    full) kill -INT -- "-$pid" ;;
    *) kill "-$1" -- "-$pid" ;;
  esac
  wait "$pid" 2>/dev/null || true
  # A run that stops gracefully writes a checkpoint first.
  for _ in $(seq 600); do pgrep -f "$work/broken" > /dev/null || break; sleep 0.1; done
  pid=
}

# The command as the runner printed it when it last could; where it never could, the folder says all that is in it.
resuming() { echo "dotnet $runner run --resume $work/broken"; }
first="dotnet $runner run $notebook ${parameters[*]} -o"
newest() { find "$work/$1/checkpoints" -maxdepth 1 -name 'checkpoint-*' -printf '%f\n' 2>/dev/null | sort -V | tail -n 1; }

echo "seed of the moments: $seed; $stops stops, 60 updates of 4 × 8 sentences"
began=$SECONDS
start plain "$first $work/unbroken"
wait "$pid" || { tail -n 30 "$work/log"; exit 1; }
whole=$((SECONDS - began))
echo "unbroken: $whole s, last $(newest unbroken)"

for ((i = 0; i < stops; i++)); do
  way=${ways[i % ${#ways[@]}]}
  [ -e "$work/broken/run.json" ] && command=$(resuming) || command="$first $work/broken"
  start "$way" "$command"
  delay=$((whole * (25 + RANDOM % 40) / 100))
  for ((t = 0; t < delay * 5; t++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  if kill -0 "$pid" 2>/dev/null; then stop "$way"; else wait "$pid" || true; pid=; fi
  echo "stop $((i + 1)): $way after at most $delay s, newest $(newest broken || true), $(grep -o '"status": "[a-zA-Z]*"' "$work/broken/run.json" | head -n 1)"
  grep -q '"status": "ok"' <(head -n 5 "$work/broken/run.json") && break
done

if ! grep -q '"status": "ok"' <(head -n 5 "$work/broken/run.json"); then
  start plain "$(resuming)"
  wait "$pid" || { tail -n 30 "$work/log"; exit 1; }
  pid=
fi
echo "resumed to the end: last $(newest broken)"

failed=0
say() { if [ "$2" = "$3" ]; then echo "equal      $1"; else echo "DIFFERENT  $1: $2 | $3"; failed=1; fi; }
for file in "$(newest unbroken)/adapter_model.safetensors" "$(newest unbroken)/optimizer.safetensors" best/adapter_model.safetensors; do
  say "$file" "$(sha256sum < "$work/unbroken/checkpoints/$file")" "$(sha256sum < "$work/broken/checkpoints/$file")"
done
history() { grep -oE '"(update|loss|f1)": *[^,}]*' "$work/$1/checkpoints/$(newest "$1")/trainer_state.json" | sha256sum; }
say "history" "$(history unbroken)" "$(history broken)"
say "tracked runs" 1 "$(find "$work/broken/wandb" -mindepth 1 -maxdepth 1 -type d | wc -l)"
say "half-written files" 0 "$(find "$work/broken" -name '.writing-*' -o -name '*.tmp' | wc -l)"
exit "$failed"
