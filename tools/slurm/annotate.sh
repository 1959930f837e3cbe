#!/usr/bin/env bash
# An annotation by N tasks and a job that joins their parts when all ended well. Typed in the repository's folder:
#   tools/slurm/annotate.sh N OUTPUT MODEL INPUT… …     what `annotate` takes, but OUTPUT instead of -o; resources by SBATCH_… variables, as sbatch reads them
# Prints the numbers of both jobs. What a stopped or failed task had done is kept: the same command goes on.
set -euo pipefail
[ $# -ge 4 ] && [[ "$1" =~ ^[1-9][0-9]*$ ]] || { echo "usage: tools/slurm/annotate.sh N OUTPUT MODEL INPUT… …" >&2; exit 2; }
parts=$1 output=$2
shift
array=$(sbatch --parsable --array="1-$parts" tools/slurm/annotate.sbatch "$parts" "$@")
name=${output##*/}
list=()
for word in "$@"; do [ "$word" != --force ] || list+=(--force); done
for ((i = 1; i <= parts; i++)); do list+=("${output%.*}-$i-of-$parts.${name##*.}"); done
merge=$(sbatch --parsable --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes tools/slurm/merge.sbatch "$output" "${list[@]}")
echo "parts ${array%%;*}, merge ${merge%%;*}"
