#!/usr/bin/env bash
# Which attributes does CLIP see in each class? By clip-rsicd-tiny and by the three seen-only CLIPs, from the
# images that no division tests. SOURCE=seen (unseen classes by name), names or images instead, for one
# division: DIVISIONS="0". SOURCE=descriptions takes what a file says of each class, and no image.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

SOURCE=${SOURCE:-untested}
DESCRIPTIONS=${DESCRIPTIONS:-$ROOT/script/aid/descriptions.json}  # of SOURCE=descriptions
from=(--from "$SOURCE")
[ "$SOURCE" = descriptions ] && from=(--descriptions "$DESCRIPTIONS")
for division in ${DIVISIONS:-0 1 2}; do
  for clip in ${CLIPS:-tiny seen-only}; do
    output=$DATA/aid/files/$(attributes_of $clip $division $SOURCE)_splits.mat
    [ -f "$output" ] && continue
    echo "=== $(basename "$output")"
    run_model annotate "${where[@]}" --class_embedding aid --random_id $division \
      --clip "$(clip_of $clip $division)" "${from[@]}" --output "$output" "$@"
  done
done
