# Sourced by the job scripts: runs a command of the runner in the foreground of a Slurm job.
# SIGTERM (preemption, scontrol requeue, or --signal=B:TERM@N before the time limit) is passed on; the runner saves and ends with 130 (annotate, whose part is good at any moment, with 143). What ended so goes back into the queue.

runner() {
    # Slurm copies a job script elsewhere; the job begins in the folder in which sbatch was typed: the repository's.
    local program=${NOTEBOOK_RUNNER:-bin/tools/NotebookRunner.dll}
    [ -e "$program" ] || { echo "$program: not there. Type sbatch in the repository's folder, after dotnet build tools, or set NOTEBOOK_RUNNER." >&2; return 2; }
    local stopped="" code=0
    dotnet "$program" "$@" &
    local child=$!
    trap 'stopped=yes; kill -TERM "$child" 2>/dev/null' TERM
    # A trap ends wait early.
    while :; do
        wait "$child" && code=0 || code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap - TERM
    if [ -n "$stopped" ] && [[ "$code" == 130 || "$code" == 143 ]] && [ -n "${SLURM_JOB_ID:-}" ]; then
        echo "Stopped in time; it goes on when Slurm starts it again."
        # Where Slurm requeues the job itself, by preemption, there is nothing left to ask for.
        scontrol requeue "$SLURM_JOB_ID" 2>/dev/null || true
    fi
    return "$code"
}
