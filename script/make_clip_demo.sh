#!/usr/bin/env bash
# Makes flax-community/clip-demo anew: compositions with captions that name attributes, and never a class; then a CLIP from scratch, first
# on quarters of them, which take a quarter of the time each and show less at once, then on the whole, twice. 72 minutes on 2 cores, with other work beside.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

WORK=${WORK:-$ROOT/runs/clip-demo}                  # compositions and checkpoints on the way; 1 GB
OUTPUT=${OUTPUT:-$WORK/clip-demo}                   # the checkpoint

told=$WORK/compositions                             # pictures and captions
common=(--images "$told" --no_class_names --crop 0.8 --captions_per_image 4)
parts=(--captions "$told/parts_train.jsonl" --test_captions "$told/parts_test.jsonl" --batch_size 128)
whole=(--captions "$told/captions_train.jsonl" --test_captions "$told/captions_test.jsonl" --batch_size 96 --lr 5e-4 --half)
sizes=(--width 160 --layers 5 --heads 5 --text_layers 2)

"$PYTHON" "$ROOT/RSSDIVCS/make_demo.py" --random 16000 --seed 1 --parts 2 --out "$told"
run_model finetune_clip "${common[@]}" "${parts[@]}" "${sizes[@]}" --image_size 64 --epochs 12 --test_every 6 --output "$WORK/parts"
run_model finetune_clip "${common[@]}" "${whole[@]}" --init "$WORK/parts" --image_size 128 --epochs 8 --test_every 4 --output "$WORK/whole"
run_model finetune_clip "${common[@]}" "${whole[@]}" --init "$WORK/whole" --epochs 9 --test_every 9 --output "$OUTPUT"
