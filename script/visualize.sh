#!/usr/bin/env bash
# Where a run looks: panels of images of classes that it has never seen, and a contact sheet.
# Extra arguments go to visualize.py.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

RUN=${RUN:-$ROOT/runs/quickstart-0-1/words}         # a finished run; this one is the quickstart's
SPLIT=${SPLIT:-unseen}                              # test images of unseen or of seen classes
PER_CLASS=${PER_CLASS:-2}                           # images of each class
TOP=${TOP:-3}                                       # attributes of an image

if [ ! -f "$RUN/last.safetensors" ]; then
  echo "error: no finished run in $RUN: ./script/quickstart.sh makes one, RUN=runs/X names another" >&2
  exit 2
fi
options=(
  --resume "$RUN/last.safetensors"
  --split "$SPLIT" --per_class "$PER_CLASS" --top "$TOP"
  --output "$RUN/panels"
)
run_model visualize "${options[@]}" "$@"
