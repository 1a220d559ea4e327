#!/usr/bin/env bash
# DSVA on every division, with either CLIP. One training serves both settings: in these divisions ZSL and GZSL
# train on the same images, and a GZSL test also says what unseen classes alone give. RECIPE=words trains our
# own recipe, RECIPE=windows the published one with windows in the final scores. SOURCE=descriptions, names,
# seen or images takes another description of the classes (03_annotate.sh).
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

RECIPE=${RECIPE:-published}
options=(
  --gzsl                                        # seen and unseen classes compete
  --protocol clean                              # reports the paper's, the clean and the last epoch
  --nepoch 4                                    # epochs
  --n_batch 40 --ways 8 --shots 3               # episodes of an epoch, their classes and images
  --pretrain_epoch 1                            # heads alone learn up to this epoch
  --classifier_lr 1e-6                          # learning rate afterwards
  --precision bf16                              # fp32 on CPUs without AVX-512 BF16 or AMX
  --cache disk                                  # each image is decoded once
  --use_group --manualSeed 1
)
case $RECIPE in                                 # chosen on validation classes
  published) options+=(--pretrain_lr 5e-4 --normalize clip --sel_res layer --pro_start_epoch 40) ;;
  windows) options+=(--pretrain_lr 5e-4 --normalize clip --sel_res main --pro_start_epoch -1) ;;
  words) options+=(--recipe words --nepoch 2) ;;  # heads alone learn
esac
for clip in ${CLIPS:-tiny seen-only}; do
  for division in ${DIVISIONS:-0 1 2 3 4 5 6 7 8}; do
    run_model main "${where[@]}" --random_id $division \
      --clip "$(clip_of $clip $division)" \
      --class_embedding "$(attributes_of $clip $division ${SOURCE:-})" \
      "${options[@]}" --output "$RUNS/$RECIPE/$clip/division-$division" "$@"
  done
done
