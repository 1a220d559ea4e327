#!/usr/bin/env bash
# The six published experiments, one after another, then the paper's two tables with rows of ours.
# Extra arguments go to each experiment. Runs that are finished are not run again.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

for word in "$@"; do
  case $word in
    --output* | --name | --name=*)
      echo "error: ${word%%=*} would be one folder for six experiments: leave it out" >&2
      exit 2 ;;
  esac
done
experiments=(
  01_zsl_40_30 02_zsl_50_20 03_zsl_60_10
  11_gzsl_40_30 12_gzsl_50_20 13_gzsl_60_10
)
for experiment in "${experiments[@]}"; do
  echo "=== $experiment"
  "$ROOT/script/$experiment.sh" "$@"
done
echo
run_model tables
