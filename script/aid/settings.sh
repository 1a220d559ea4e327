# Sourced by the scripts of this folder: where AID and its captions are, and where everything made of them
# goes.
source "$(dirname "${BASH_SOURCE[0]}")/../env.sh"

IMAGE_ROOT=${IMAGE_ROOT:?set it to the folder of AID: a folder for each of its 30 classes}
CAPTIONS=${CAPTIONS:?set it to the folder of the RSICD captions: train.jsonl, valid.jsonl and test.jsonl}
DATA=${DATA:-$ROOT/data}                        # divisions, attributes, teachers, seen-only CLIPs
RUNS=${RUNS:-$ROOT/runs/aid}                    # trainings and tables
TINY=${TINY:-$ROOT/flax-community/clip-rsicd-tiny}

set_by DIVISIONS --random_id "$@"
set_by "CLIPS=tiny or CLIPS=seen-only" --clip "$@"
set_by "DATA or RUNS" --output "$@"

# --random_id: 0 1 2 are three random divisions into 25 seen and 5 unseen classes, 3 4 5 into 20/10, 6 7 8
# into 15/15. The unseen classes of division k are among those of k + 3, and these among those of k + 6:
# so a seen-only CLIP for k + 6 has met no unseen class of the other two.
where=(
  --root "$DATA" --dataset aid
  --image_root "$IMAGE_ROOT" --image_embedding aid
  --group_file attri_group_98
)

clip_of() {  # clip_of tiny|seen-only DIVISION: the checkpoint's folder
  [ "$1" = seen-only ] && echo "$DATA/clip-seen-only-$(($2 % 3))" || echo "$TINY"
}

# attributes_of tiny|seen-only DIVISION [SOURCE]: the name of the splits file that 03_annotate.sh writes
attributes_of() {
  [ "$1" = seen-only ] && echo "ann_seen-only-$(($2 % 3))_${3:-untested}" || echo "ann_tiny_${3:-untested}"
}
