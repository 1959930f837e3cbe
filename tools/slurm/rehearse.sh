#!/usr/bin/env bash
# The whole of docs/SCALE.md's part on Slurm, for real and on this one machine: Debian's slurmctld, slurmd and munge on loopback with two nodes of one CPU, in a folder that is gone afterwards.
# A sweep of eight points as an array of eight tasks, two at a time; in the middle one task is killed (kill -9) and requeued, another is requeued while it trains (SIGTERM), and a node is
# drained. Then: was every point run to its end once, and is the table the one that a sequential sweep writes, to every digit? Ends with tables; exit code 0 when all held.
#   tools/slurm/rehearse.sh [UPDATES]     updates of each training, default 40. Needs root, for apt-get and Slurm's daemons; the runner must be built (dotnet build tools).
set -euo pipefail
cd "$(dirname "$0")/../.."
updates=${1:-40}
[ "$(id -u)" -eq 0 ] || { echo "Run it as root: Slurm's daemons, and apt-get where they are missing, need it." >&2; exit 2; }
[ -e bin/tools/NotebookRunner.dll ] || { echo "bin/tools/NotebookRunner.dll is not there: dotnet build tools" >&2; exit 2; }
if ! command -v slurmctld slurmd munged sbatch > /dev/null; then
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
    for pid in "${daemons[@]}"; do wait "$pid" 2> /dev/null || true; done
    [ "$code" -eq 0 ] && rm -rf "$work" || echo "Logs, jobs and both sweeps are left in $work." >&2
}
trap cleanup EXIT

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
