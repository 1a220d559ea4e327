#!/usr/bin/env bash
# The tables of this folder's README, from what 04 and 05 have left in RUNS.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

columns() {  # columns CLIP RECIPE: the three kinds of divisions, as far as they were run
  for kind in 25/5:012 20/10:345 15/15:678; do
    divisions=division-[${kind#*:}]
    compgen -G "$RUNS/$2/$1/$divisions" > /dev/null || continue
    echo --column "${kind%:*}" "$RUNS/baselines/$1/$divisions" "$RUNS/$2/$1/$divisions"
  done
}
for clip in ${CLIPS:-tiny seen-only}; do
  for recipe in published windows words; do
    compgen -G "$RUNS/$recipe/$clip/division-*" > /dev/null || continue
    for score in ZSL U S H AUSUC; do
      echo; echo "=== $clip, $recipe: $score"
      run_model tables $(columns $clip $recipe) --scores $score
    done
  done
done
