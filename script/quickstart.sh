#!/usr/bin/env bash
# The whole method in minutes, on scenes that the project draws itself. Nothing is downloaded but the Python
# packages. Extra arguments go to the three trainings. Scenes and trainings of an earlier time are used again;
# delete RUNS to train anew.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

SEED=${SEED:-1}                                     # of the training
DIVISION=${DIVISION:-0}                             # which classes are unseen: 0 to 4
PER_CLASS=${PER_CLASS:-45}                          # images of each of the classes
DEMO=${DEMO:-$ROOT/RSSDIVCS/demo_data}              # the scenes
CLIP=${CLIP:-$ROOT/flax-community/clip-demo}        # knows attributes, and no class
RUNS=${RUNS:-$ROOT/runs/quickstart-$DIVISION-$SEED} # all results

set_by RUNS --output "$@"
set_by RUNS --name "$@"
set_by DIVISION --random_id "$@"
set_by CLIP --clip "$@"
where=(
  --root "$(dirname "$DEMO")" --dataset "$(basename "$DEMO")"
  --image_embedding demo --random_id "$DIVISION"
  --clip "$CLIP"
)
# ann_attr_auto: what CLIP sees in the classes; ann_attr_demo: what was drawn
attributes=(--class_embedding "ann_attr_auto_$DIVISION")
# chosen on validation classes: --class_embedding ann_attr_demo_val
training=(
  --nepoch 6                                        # epochs
  --pretrain_epoch 2                                # heads alone learn up to this epoch
  --pretrain_lr 3e-3                                # learning rate until then
  --classifier_lr 2e-5                              # learning rate afterwards
  --n_batch 40 --ways 8 --shots 3                   # episodes of an epoch, their classes and images
  --pro_start_epoch 40                              # windows after this epoch: never
  --normalize clip                                  # image mean and deviation of clip-demo
  --cache memory                                    # each scene is decoded once
  --use_group --manualSeed "$SEED"
)
calibration=0.3                                     # taken from the probabilities of seen classes in GZSL
# a recipe of our own: heads that start from CLIP's sentences; epoch and calibration constant are chosen on
# seen classes that play the unseen ones
words=(
  --recipe words
  --protocol clean
  --nepoch 3 --pretrain_epoch 2                     # heads alone learn
  --n_batch 40 --ways 8 --shots 3
  --cache memory
  --use_group --manualSeed "$SEED"
)

echo "1  draw the scenes (about 5 seconds on two cores)"
"$PYTHON" "$ROOT/RSSDIVCS/make_demo.py" --out "$DEMO" --per_class "$PER_CLASS" --gallery "$RUNS/scenes.png"
echo "2  describe each class: which attributes does CLIP see? (about 15 seconds on two cores)"
run_model annotate "${where[@]}" --class_embedding ann_attr_demo --from untested --prompts "{}" \
  --vocabulary "$DEMO/files/attributes.json" --output "$DEMO/files/ann_attr_auto_${DIVISION}_splits.mat"
echo "3  without training (about 30 seconds on two cores)"
run_model zero_shot_clip "${where[@]}" "${attributes[@]}" --attributes --output "$RUNS/baseline_zsl"
run_model zero_shot_clip "${where[@]}" "${attributes[@]}" --attributes --gzsl --output "$RUNS/baseline_gzsl"
echo "4  DSVA, zero-shot (about 1 minute on two cores)"
run_model main "${where[@]}" "${attributes[@]}" "${training[@]}" --output "$RUNS/zsl" "$@"
echo "5  DSVA, generalised zero-shot (about 1 minute on two cores)"
run_model main "${where[@]}" "${attributes[@]}" "${training[@]}" --gzsl --calibrated_stacking $calibration \
  --output "$RUNS/gzsl" "$@"
echo "6  DSVA by our own recipe, both at once (about 1 minute on two cores)"
run_model main "${where[@]}" "${attributes[@]}" "${words[@]}" --gzsl --output "$RUNS/words" "$@"
echo "7  where both look in images of unseen classes: zsl, then words (about 1 minute on two cores)"
for run in zsl words; do
  run_model visualize --resume "$RUNS/$run/last.safetensors" --per_class 20 --draw 12 --masks "$DEMO/masks"
done
echo "8  results"
run_model tables --quickstart "$RUNS"
echo "9  all of it on a page"
run_model report "$RUNS/words"
duration
