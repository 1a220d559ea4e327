#!/usr/bin/env bash
# What each CLIP gives without training, by class name and by attributes alone, and what two closed forms
# learn (ESZSL, SAE), on every division. SOURCE=descriptions, names, seen or images takes another description
# of the classes (03_annotate.sh).
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

for clip in ${CLIPS:-tiny seen-only}; do
  for division in ${DIVISIONS:-0 1 2 3 4 5 6 7 8}; do
    echo "=== $clip, division $division"
    run_model zero_shot_clip "${where[@]}" --random_id $division \
      --clip "$(clip_of $clip $division)" --class_embedding "$(attributes_of $clip $division ${SOURCE:-})" \
      --attributes --closed_forms --gzsl --output "$RUNS/baselines/$clip/division-$division" "$@"
  done
done
