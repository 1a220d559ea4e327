#!/usr/bin/env bash
# The six published experiments, one after another. Extra arguments go to each; runs that are finished are not run again.
cd "$(dirname "${BASH_SOURCE[0]}")"

for experiment in 01_zsl_40_30 02_zsl_50_20 03_zsl_60_10 11_gzsl_40_30 12_gzsl_50_20 13_gzsl_60_10; do
  echo "=== $experiment"
  "./$experiment.sh" "$@" || exit
done
