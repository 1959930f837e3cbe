#!/usr/bin/env bash
# docs/SCALE.md's sweep on Slurm, for real and on this one machine: Debian's slurmctld, slurmd and munge on loopback with two nodes of one CPU, in a folder that is gone afterwards.
# A sweep of eight points as an array of eight tasks, two at a time; in the middle one task is killed (kill -9) and requeued, another is requeued while it trains (SIGTERM), and a node is
# drained. Then: was every point run to its end once, and is the table the one that a sequential sweep writes, to every digit? At last an annotation by three tasks, joined: is it the one of one
# process, byte for byte? Ends with tables; exit code 0 when all held.
#   tools/slurm/rehearse.sh [UPDATES]     updates of each training, default 40. Needs root, for apt-get and Slurm's daemons; the runner must be built (dotnet build tools).
set -euo pipefail
cd "$(dirname "$0")/../.."
updates=${1:-40}
[ "$(id -u)" -eq 0 ] || { echo "Run it as root: Slurm's daemons, and apt-get where they are missing, need it." >&2; exit 2; }
[ -e bin/tools/NotebookRunner.dll ] || { echo "bin/tools/NotebookRunner.dll is not there: dotnet build tools" >&2; exit 2; }
missing=
for command in slurmctld slurmd munged sbatch; do command -v "$command" > /dev/null || missing=1; done
if [ -n "$missing" ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null
fi

work=$(mktemp -d /tmp/slurm-rehearsal.XXXXXX)
chmod 755 "$work"
daemons=()
cleanup() {
    local code=$?
    [ ! -e "$work/jobs" ] || scancel --quiet --user=root --full 2> /dev/null || true
    for pid in "${daemons[@]}"; do kill "$pid" 2> /dev/null || true; done
    # slurmd waits for its jobs' last words, which nobody answers any more.
    for ((i = 0; i < 50; i++)); do kill -0 "${daemons[@]}" 2> /dev/null || break; sleep 0.2; done
    for pid in "${daemons[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
    [ "$code" -eq 0 ] && rm -rf "$work" || echo "Logs, jobs and both sweeps are left in $work." >&2
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
until_true() { # seconds, words, command…
    local seconds=$1 words=$2 i
    shift 2
    for ((i = 0; i < seconds * 5; i++)); do "$@" > /dev/null 2>&1 && return 0; sleep 0.2; done
    fail "not within $seconds s: $words"
}

# 1. A cluster: one control daemon, two nodes, all on 127.0.0.1 at ports of their own.
mkdir -m 700 "$work/munge" "$work/state"
mkdir "$work/log" "$work/jobs"
head -c 1024 /dev/urandom > "$work/munge/key"
chmod 400 "$work/munge/key"
munged --foreground --force --num-threads=2 --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" --log-file="$work/munge/log" \
    --seed-file="$work/munge/seed" 2> "$work/log/munged" &
daemons+=($!)
host=$(hostname -s)
export SLURM_CONF=$work/slurm.conf
cat > "$SLURM_CONF" <<CONF
ClusterName=rehearsal
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=27000
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=1
ReturnToService=2
JobRequeue=1
KillWait=120
MinJobAge=86400
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$work/log/jobs
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=27001 CPUs=1 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=27002 CPUs=1 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
until_true 20 "munged answers" munge -S "$work/munge/socket" -n
slurmctld -D -f "$SLURM_CONF" > "$work/log/slurmctld" 2>&1 &
daemons+=($!)
for node in n1 n2; do
    mkdir "$work/spool-$node"
    slurmd -D -N "$node" -f "$SLURM_CONF" > "$work/log/slurmd-$node" 2>&1 &
    daemons+=($!)
done
until_true 60 "two idle nodes" sh -c '[ "$(sinfo -h -N -t idle -o %N | sort | tr "\n" " ")" = "n1 n2 " ]'
say "$(slurmctld -V), nodes $(sinfo -h -N -o '%N %t' | tr '\n' ' ')"

# 2. The same sweep by one process, without Slurm.
grid=(notebooks/ner_deberta_base_A.dib --profile demo --grid seed=1,2,3,4 --grid learningRate=5e-4,1e-3 -p "updates=$updates" -p trainRows=400 -p validationRows=60
    -p testRows=60 -p compare=false -p tracking=disabled -p evaluateEvery=0.5 -p saveEvery=1 -p logEvery=1)
alone=$work/alone together=$work/together
dotnet bin/tools/NotebookRunner.dll sweep "${grid[@]}" --output "$alone" > "$work/log/alone" 2>&1 || { tail -n 20 "$work/log/alone"; fail "the sequential sweep"; }
say "sequential sweep: $(grep -c ',ok,' "$alone/comparison.csv") points"

# 3. The array. A claim that nobody ended says who holds it.
held() { grep -L '"ended":"' "$together"/*/.claim-* 2> /dev/null || true; }
training() { # how many points are past their first checkpoint, and not at their end
    local claim count=0
    for claim in $(held); do
        if compgen -G "$(dirname "$claim")/checkpoints/checkpoint-*" > /dev/null; then count=$((count + 1)); fi
    done
    echo "$count"
}
two_train() { [ "$(training)" -ge 2 ]; }
field() { scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }
state() { field "$1" JobState; }
is_in() { [[ " $2 " == *" $(state "$1") "* ]]; }
task_on() { squeue -h -t R -w "$1" -o '%F_%K' | head -n 1; }

job=$(sbatch --parsable --array=1-8%2 --mem=100 --output="$work/jobs/%a.out" tools/slurm/sweep.sbatch "${grid[@]}" --output "$together" --no-wait)
say "array $job: 8 tasks, 2 at a time"
until_true 600 "two tasks train" two_train

killed=$(task_on n1)
process=$(held | xargs grep -l "Slurm $killed\"" | head -n 1 | xargs sed -n 's/.*"process":\([0-9]*\).*/\1/p')
kill -9 "$process"
until_true 60 "task $killed is over" is_in "$killed" "FAILED"
scontrol requeue "$killed"
say "task $killed: killed on n1 (exit $(field "$killed" ExitCode)), requeued"
until_true 600 "two tasks train again" two_train

scontrol update NodeName=n2 State=DRAIN Reason=rehearsal
stopped=$(task_on n2)
scontrol requeue "$stopped"
until_true 120 "task $stopped stops" is_in "$stopped" "PENDING RUNNING COMPLETED"
say "node n2 drained; task $stopped on it: SIGTERM, requeued"
all_ended() { [ -z "$(squeue -h -j "$job" -o %T)" ]; }
until_true 3600 "the array ends" all_ended

# 4. What came of it.
echo
printf '%-6s %-10s %-9s %s\n' task state restarts node
bad=0
for task in $(seq 1 8); do
    at=${job}_$task
    printf '%-6s %-10s %-9s %s\n' "$task" "$(state "$at")" "$(field "$at" Restarts)" "$(field "$at" NodeList)"
    [ "$(state "$at")" = COMPLETED ] || bad=1
done
echo
printf '%-30s %-12s %-12s %s\n' point "ended well" interrupted "dead claims"
for point in "$together"/*/; do
    well=$({ grep -l '"ended":"ok"' "$point".claim-* || true; } | wc -l)
    part=$({ grep -lE '"ended":"(interrupted|notRun)"' "$point".claim-* || true; } | wc -l)
    dead=$({ grep -L '"ended":"' "$point".claim-* || true; } | wc -l)
    printf '%-30s %-12s %-12s %s\n' "$(basename "$point")" "$well" "$part" "$dead"
    [ "$well" -eq 1 ] || bad=1
done
[ "$(grep -ho '^\[[0-9]*/8 .*\] begins' "$work"/jobs/*.out | wc -l)" -eq 10 ] || { echo "expected 8 beginnings and 2 goings on" >&2; bad=1; }
grep -q "resume.*true" "$together"/*/run.json || { echo "no run went on from a checkpoint" >&2; bad=1; }

# What a clock measured differs; every other column is the same to every digit.
without_times() {
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) keep[i] = $i !~ /second|time|speed|memory|\/s$/ }
        { line = ""; for (i = 1; i <= NF; i++) if (keep[i]) line = line (line == "" ? "" : ",") $i; print line }' "$1/comparison.csv"
}
without_times "$alone" > "$work/alone.csv"
without_times "$together" > "$work/together.csv"
echo
column -s, -t "$work/together.csv"
cmp "$work/alone.csv" "$work/together.csv" || bad=1
echo
[ "$bad" -eq 0 ] || fail "see above"

# 5. An annotation by an array, and the job behind it that joins the parts.
model=("$together"/seed=1,*/)
dotnet bin/tools/NotebookRunner.dll annotate "${model[0]}" data/sample/test.parquet -o "$work/alone.jsonl" > "$work/log/annotate" 2>&1 || { cat "$work/log/annotate"; fail "annotate"; }
SBATCH_MEM_PER_NODE=100 SBATCH_OUTPUT="$work/jobs/annotate-%j.out" tools/slurm/annotate.sh 3 "$work/joined.jsonl" "${model[0]}" data/sample/test.parquet
scontrol update NodeName=n2 State=RESUME
until_true 300 "the parts are joined, and no job is left" sh -c "[ -e '$work/joined.jsonl' ] && [ -z \"\$(squeue -h)\" ]"
cmp "$work/alone.jsonl" "$work/joined.jsonl" || fail "the joined parts are not the annotation of one process"
say "$(wc -l < "$work/joined.jsonl") texts annotated by three tasks: the file of one process, byte for byte."
say "All eight points ran to their end once; the table is the sequential sweep's, byte for byte."
