#!/usr/bin/env bash
# docs/SCALE.md's training on several machines, for real and on this one: Debian's Open MPI starts the ranks on loopback, in a folder that is gone afterwards.
# One process, two and three ranks train the demo's network with the same batches; a rank's kernel is killed, then a whole rank, and each time another number of ranks goes on;
# what cannot work is refused. Ends with tables; exit code 0 when all held.
#   tools/mpi/rehearse.sh [UPDATES]     updates of each training, default 24. The runner must be built (dotnet build tools). Root where Open MPI has to be installed.
#   tools/mpi/rehearse.sh --links       instead: what an update shared by two ranks costs here, and over links of 10 and 1 Gbit/s between network namespaces. Needs root and bench built.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
install() { # command, packages…
    local command=$1
    shift
    command -v "$command" > /dev/null && return
    [ "$(id -u)" -eq 0 ] || { echo "$command is missing: apt-get install $*" >&2; exit 2; }
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}
install mpirun openmpi-bin libopenmpi3

work=$(mktemp -d /tmp/mpi-rehearsal.XXXXXX)
cleanup() {
    local code=$?
    for space in mpi-a mpi-b; do ip netns del "$space" 2> /dev/null || true; done
    [ "$code" -eq 0 ] && rm -rf "$work" || echo "Logs and runs are left in $work." >&2
}
trap cleanup EXIT
trap 'exit 130' INT TERM
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

if [ "${1:-}" = --links ]; then
    bench=bin/bench/NotebookLib.Bench.dll
    [ -e "$bench" ] || { echo "$bench is not there: dotnet build bench" >&2; exit 2; }
    install tc iproute2
    say "one process, two threads"
    OMP_NUM_THREADS=2 dotnet "$bench" ranks "${@:2}"
    say "one process, one thread"
    OMP_NUM_THREADS=1 dotnet "$bench" ranks "${@:2}"
    say "two ranks of one thread, shared memory"
    OMP_NUM_THREADS=1 mpirun -n 2 --bind-to core dotnet "$bench" ranks "${@:2}"
    # Two machines: each a network namespace with a name of its own, and a cable between them whose ends send so fast and no faster.
    ip netns add mpi-a
    ip netns add mpi-b
    ip link add mpi-a0 netns mpi-a type veth peer name mpi-b0 netns mpi-b
    for end in a:1 b:2; do
        ip -n "mpi-${end%:*}" addr add "10.213.0.${end#*:}/24" dev "mpi-${end%:*}0"
        ip -n "mpi-${end%:*}" link set "mpi-${end%:*}0" up
        ip -n "mpi-${end%:*}" link set lo up
    done
    cat > "$work/remote" <<'REMOTE'
#!/bin/sh
# In place of ssh: the other namespace.
shift
exec ip netns exec mpi-b unshare --uts sh -c "hostname mpi-b; $*"
REMOTE
    chmod +x "$work/remote"
    over_link() {
        OMP_NUM_THREADS=1 ip netns exec mpi-a unshare --uts sh -c 'hostname mpi-a; exec "$0" "$@"' mpirun -n 2 --host 10.213.0.1,10.213.0.2 --bind-to none --mca plm_rsh_agent "$work/remote" \
            --mca btl tcp,self --mca btl_tcp_if_include 10.213.0.0/24 --mca oob_tcp_if_include 10.213.0.0/24 -x OMP_NUM_THREADS --wdir "$PWD" dotnet "$bench" ranks "${@}"
    }
    say "two ranks of one thread, TCP, the link as fast as it goes"
    over_link "${@:2}"
    for rate in 10gbit 1gbit; do
        for end in a b; do tc -n "mpi-$end" qdisc replace dev "mpi-${end}0" root tbf rate "$rate" burst 1mb latency 20ms; done
        say "two ranks of one thread, TCP, $rate"
        over_link "${@:2}"
    done
    exit 0
fi

updates=${1:-24}
runner=bin/tools/NotebookRunner.dll
[ -e "$runner" ] || { echo "$runner is not there: dotnet build tools" >&2; exit 2; }
notebook=(notebooks/ner_deberta_base_A.dib -p batchSize=4 -p accumulationSteps=6 -p trainRows=400 -p validationRows=60 -p testRows=60 -p compare=false -p tracking=disabled
    -p "maximumUpdates=$updates" -p evaluateEvery=0.5 -p saveEvery=2 -p logEvery=1 -p keepCheckpoints=3)
# Time to save what there is when mpirun ends a job, in place of its one second; it waits so long whether the time is needed or not.
grace=(--bind-to none --mca odls_base_sigkill_timeout 10)
ranks() { # number, log, command…
    local number=$1 log=$2
    shift 2
    timeout 900 mpirun -n "$number" --oversubscribe "${grace[@]}" dotnet "$runner" "$@" > "$work/$log.out" 2> "$work/$log.err"
}

# The losses and norms of each update, and the evaluations' losses: what one process and several must agree on.
numbers() { # folder
    local state
    state=$(find "$1/checkpoints" -name trainer_state.json -path "*checkpoint-$updates/*")
    [ -n "$state" ] || fail "$1 has no checkpoint-$updates"
    grep -oE '"(loss|gradientNorm)": *[-0-9.eE+]+' "$state" | sed 's/.*: *//'
}
difference() { # two folders: the largest relative difference of any number; nothing where there are more on one side
    paste <(numbers "$1") <(numbers "$2") | awk 'NF != 2 { print "nothing"; exit } { d = $1 - $2; if (d < 0) d = -d; s = $1 < 0 ? -$1 : $1; if (s < 1) s = 1; if (d / s > m) m = d / s }
        END { printf "%.1e\n", m }'
}
rows=()
check() { # words, difference, bound
    rows+=("$(printf '%-62s %-9s %s' "$1" "$2" "$3")")
    awk -v d="$2" -v b="$3" 'BEGIN { exit !(d != "nothing" && d + 0 <= b + 0) }' || { printf '%s\n' "${rows[@]}"; fail "$1: the numbers differ by $2"; }
}

say "$(mpirun --version | head -n 1)"
dotnet "$runner" run "${notebook[@]}" --output "$work/alone" > "$work/alone.out" 2> "$work/alone.err" || { tail -n 20 "$work/alone.err"; fail "one process"; }
say "one process: $(numbers "$work/alone" | wc -l) numbers"
for n in 2 3; do
    ranks $n "ranks-$n" run "${notebook[@]}" --output "$work/ranks-$n" || { tail -n 20 "$work/ranks-$n.err"; fail "$n ranks"; }
    check "$n ranks beside one process" "$(difference "$work/alone" "$work/ranks-$n")" 1e-3
    say "$n ranks: $(grep -ho "[0-9]* ranks: each gave.*" "$work/ranks-$n/run.json" "$work/ranks-$n.out" | head -n 1)"
done
ranks 2 goldens verify tests/goldens/training || { tail -n 30 "$work/goldens.out"; fail "the goldens of tests/goldens/training by two ranks"; }
say "goldens of tests/goldens/training by two ranks: $(grep -h "quantities are within" "$work/goldens.out" | head -n 1)"

# A rank dies. Its processes are told by what mpirun gave them: the runner, and the kernel below it that trains.
rank_process() { # rank, runner|kernel
    local file
    for file in $(grep -lsz "^OMPI_COMM_WORLD_RANK=$1\$" /proc/[0-9]*/environ); do
        if tr '\0' ' ' < "${file%environ}cmdline" 2> /dev/null | grep -q "NotebookRunner.dll $2"; then
            basename "${file%/environ}"
            return
        fi
    done
}
death() { # words, folder, ranks, rank, runner|kernel, ranks that go on
    local job process clock
    ranks "$3" "$2" run "${notebook[@]}" --output "$work/$2" &
    job=$!
    for ((i = 0; i < 600; i++)); do process=$(rank_process "$4" "$5"); [ -n "$process" ] && break; sleep 0.1; done
    [ -n "$process" ] || { tail -n 20 "$work/$2.err"; fail "$1: no process to kill"; }
    for ((i = 0; i < 6000; i++)); do compgen -G "$work/$2/checkpoints/checkpoint-[2-9]*" > /dev/null && break; sleep 0.05; done
    clock=$SECONDS
    kill -9 "$process"
    if wait "$job"; then fail "$1: the job ended well"; fi
    [ $((SECONDS - clock)) -le 100 ] || fail "$1: the job hung for $((SECONDS - clock)) s"
    say "$1: over after $((SECONDS - clock)) s, kept $(basename "$(ls -d "$work/$2"/checkpoints/checkpoint-* | sort -V | tail -n 1)"); told:"
    grep -hE "Rank $4|rank $4 |are kept in|process rank" "$work/$2.err" "$work/$2.out" | sort -u | head -n 4 | sed 's/^/          /'
    grep -qhE "[Rr]ank $4" "$work/$2.err" "$work/$2.out" || fail "$1: nobody says which rank it was"
    ranks "$6" "$2-on" run --resume "$work/$2" || { tail -n 20 "$work/$2-on.err"; fail "$1: going on"; }
    check "$1, then $6 ranks go on" "$(difference "$work/alone" "$work/$2")" 1e-3
}
death "three ranks, the kernel of rank 1 killed" kernel-killed 3 1 kernel 2
death "two ranks, rank 1 killed" rank-killed 2 1 run 3

refused() { # words, log
    grep -qE "$1" "$work/$2.err" || { tail -n 20 "$work/$2.err"; fail "not refused by: $1"; }
    rows+=("$(printf '%-62s %s' "$3" refused)")
}
if ranks 7 many run "${notebook[@]}" --output "$work/many"; then fail "seven ranks share six micro-batches"; fi
refused "7 ranks are to share an update of 6 micro-batches" many "seven ranks for six micro-batches"
if timeout 300 mpirun --oversubscribe "${grace[@]}" -n 1 dotnet "$runner" run "${notebook[@]}" -p seed=1 --output "$work/unlike" : \
    -n 1 dotnet "$runner" run "${notebook[@]}" -p seed=2 --output "$work/unlike" > "$work/unlike.out" 2> "$work/unlike.err"; then fail "two ranks of unlike seeds"; fi
refused "do not train the same" unlike "ranks with different seeds"
if [ "$(id -u)" -eq 0 ] && unshare --mount true 2> /dev/null; then
    library=$(readlink -f "$(ldconfig -p | sed -n 's/.*libmpi\.so\.40 .*=> //p' | head -n 1)")
    if OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 timeout 300 unshare --mount sh -c 'mount --bind /dev/null "$0" && exec dotnet "$@"' "$library" "$runner" run "${notebook[@]}" \
        --output "$work/bare" > "$work/bare.out" 2> "$work/bare.err"; then fail "a rank without Open MPI's library"; fi
    refused "Open MPI's library is not found" bare "no libmpi.so.40"
fi

echo
printf '%-62s %-9s %s\n' "against one process" difference bound
printf '%s\n' "${rows[@]}"
echo
say "All held: the same numbers, whoever trains them; every death ended its job, and another number of ranks went on."
