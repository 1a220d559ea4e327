#!/usr/bin/env bash
# What each part of DSVA is worth: one thing changed at a time, on the three 25/5 divisions. Ends with a table
# for each branch. ONLY="no windows|as published" does these rows alone.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

CLIP=${CLIP:-seen-only}                         # tiny or seen-only
OUTPUT=${OUTPUT:-$RUNS/ablation/$CLIP}
base=(
  --gzsl --sel_res layer --manualSeed 1
  --nepoch 2 --n_batch 30 --ways 8 --shots 3    # episodes
  --pretrain_epoch 0                            # one epoch of warm-up, one of everything
  --pretrain_lr 5e-4 --classifier_lr 1e-6
  --precision bf16                              # fp32 on CPUs without AVX-512 BF16 or AMX
  --pro_start_epoch -1                          # windows
  --use_group --regular 5e-6 --l_regular 5e-4   # all terms are on
)
more=("$@")                                     # options of this script's command line
rows=()

ablate() {  # ablate TITLE OPTIONS...
  [[ $1 =~ ${ONLY:-.} ]] || return 0
  local folder=$OUTPUT/${1//[^a-zA-Z0-9]/_}
  for division in ${DIVISIONS:-0 1 2}; do
    run_model main "${where[@]}" --random_id $division \
      --clip "$(clip_of $CLIP $division)" --class_embedding "$(attributes_of $CLIP $division)" \
      --cache disk "${base[@]}" "${@:2}" "${more[@]}" --output "$folder/division-$division" | tail -n 4
  done
  rows+=(--row "$1" "$folder/division-*")
}

ablate "as published"
ablate "windows in the test as well" --sel_res pro  # in the projection branch, too
ablate "no attri" --attri 0
ablate "no l_xe" --l_xe 0
ablate "no l_attri" --l_attri 0
ablate "no regular, no l_regular" --regular 0 --l_regular 0
ablate "no cpt" --cpt 0
ablate "no attention terms" --no-additional_loss --sel_res main
ablate "no windows" --pro_start_epoch 40
ablate "no warm-up" --pretrain_epoch -1
ablate "xe on logits" --xe_on logits
ablate "CLIP's mean and deviation" --normalize clip
ablate "functions alone" --only_groups functions
ablate "materials alone" --only_groups materials
ablate "surface properties alone" --only_groups surface_properties

show() {  # show BRANCH PATTERN: its table; a run with windows in its test names the branch projection+window
  echo; echo "$1 branch, last epoch"
  run_model tables "${rows[@]}" --kinds "$2, last" --scores ZSL U S H AUSUC
}
show projection "projection(\+window)?"
show attention attention
show window window
