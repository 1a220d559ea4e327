#!/usr/bin/env bash
# Which attributes does CLIP see in each class? By clip-rsicd-tiny and by the three seen-only CLIPs, from the
# images that no division tests. SOURCE=seen (unseen classes by name), names or images instead, for one
# division: DIVISIONS="0".
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

SOURCE=${SOURCE:-untested}
for division in ${DIVISIONS:-0 1 2}; do
  for clip in ${CLIPS:-tiny seen-only}; do
    output=$DATA/aid/files/$(attributes_of $clip $division $SOURCE)_splits.mat
    [ -f "$output" ] && continue
    echo "=== $(basename "$output")"
    run_model annotate "${where[@]}" --class_embedding aid --random_id $division \
      --clip "$(clip_of $clip $division)" --from $SOURCE --output "$output" "$@"
  done
done
