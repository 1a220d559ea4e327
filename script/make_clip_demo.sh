#!/usr/bin/env bash
# Makes flax-community/clip-demo anew: compositions with captions that name attributes, and never a class; then a CLIP from scratch,
# first on quarters of them, which take a quarter of the time and show less at once, then on the whole. About an hour and a half on 2 cores.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

WORK=${WORK:-$ROOT/runs/clip-demo}                  # compositions and the first checkpoint; 1.5 GB
OUTPUT=${OUTPUT:-$WORK/clip-demo}                   # the checkpoint

"$PYTHON" "$ROOT/RSSDIVCS/make_demo.py" --random 16000 --seed 1 --parts 2 --out "$WORK/compositions"
images=(--images "$WORK/compositions" --no_class_names --crop 0.8 --captions_per_image 4)
run_model finetune_clip "${images[@]}" --captions "$WORK/compositions/parts_train.jsonl" --test_captions "$WORK/compositions/parts_test.jsonl" \
  --image_size 64 --width 160 --layers 5 --heads 5 --text_layers 2 --batch_size 128 --epochs 12 --test_every 6 --output "$WORK/parts"
run_model finetune_clip "${images[@]}" --captions "$WORK/compositions/captions_train.jsonl" --test_captions "$WORK/compositions/captions_test.jsonl" \
  --init "$WORK/parts" --image_size 128 --lr 5e-4 --batch_size 96 --epochs 8 --test_every 4 --half --output "$OUTPUT"
