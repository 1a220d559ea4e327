#!/usr/bin/env bash
# Where a run looks: panels of images of classes that it has never seen, and a contact sheet, in attention/
# beside its checkpoint.
#   ./script/visualize.sh [RUN] [options of visualize.py]
# RUN is a finished run or a checkpoint of one, as is what --resume names.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

QUICKSTART=$ROOT/runs/quickstart-0-1/words          # of the quickstart, if no run is named
RUN=${RUN:-$QUICKSTART}
SPLIT=${SPLIT:-unseen}                              # test images of unseen or of seen classes
PER_CLASS=${PER_CLASS:-2}                           # images of each class
TOP=${TOP:-3}                                       # attributes of an image

if [ $# != 0 ] && [ "${1#-}" = "$1" ]; then
  RUN=$1
  shift
fi
case " $*" in
  *" --resume"*) run=() ;;                          # which names the run
  *) run=(--resume "$RUN") ;;
esac
if [ ${#run[@]} != 0 ] && [ "$RUN" = "$QUICKSTART" ] && [ ! -d "$RUN" ]; then
  echo "error: no finished run in $RUN: ./script/quickstart.sh makes one, $0 runs/X shows another" >&2
  exit 2
fi
run_model visualize ${run[@]+"${run[@]}"} --split "$SPLIT" --per_class "$PER_CLASS" --top "$TOP" "$@"
