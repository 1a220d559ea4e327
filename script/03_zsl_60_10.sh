#!/usr/bin/env bash
# Zero-shot learning on RSSDIVCS, 60 seen and 10 unseen classes.
# Attention branch, best test epoch, in percent: paper 84.0, authors' rerun 86.6.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

DATA_ROOT=${DATA_ROOT:-$ROOT}                   # has RSSDIVCS/files/*.mat
IMAGE_ROOT=${IMAGE_ROOT:-$DATA_ROOT/RSSDIVCS}   # has the class folders
CLIP_ROOT=${CLIP_ROOT:-$ROOT/flax-community}    # has clip-rsicd/

options=(
  --name 03_zsl_60_10                          # run folder: runs/03_zsl_60_10

  --dataset RSSDIVCS                           # folder below DATA_ROOT
  --image_embedding 61                         # 61_images.mat: 60 seen, 10 unseen classes
  --class_embedding ann_attr_finetune_61       # ann_attr_finetune_61_splits.mat: attributes and divisions
  --random_id 0                                # which division of the splits file
  --version 1                                  # CLIP-RSICD: 1 or 2

  --sel_res layer                              # the branch that counts: main, layer (attention), pro (window)

  --nepoch 30                                  # epochs
  --train_mode distributed                     # episodes; random: shuffled batches
  --n_batch 300                                # episodes an epoch
  --ways 8                                     # classes an episode
  --shots 3                                    # images a class
  --batch_size 64                              # images a test batch
  --pretrain_epoch 4                           # heads alone learn up to this epoch
  --pretrain_lr 1e-4                           # learning rate until then
  --classifier_lr 1e-6                         # learning rate afterwards
  --beta1 0.5                                  # Adam's first moment

  --xe 1                                       # cross entropy, final scores
  --attri 1e-2                                 # attribute regression, projection branch
  --regular 0                                  # group norm, linear layer
  --l_xe 1                                     # cross entropy, attention branch
  --l_attri 8e-2                               # attribute regression, attention branch
  --l_regular 0                                # group norm, prototypes
  --cpt 1e-9                                   # compactness of attention maps
  --xe_pro 0                                   # cross entropy, windows (published: 1, but without effect)
  --use_group                                  # norms group by group
  --additional_loss                            # the attention branch learns too

  --pro_start_epoch 40                         # windows after this epoch: never
  --pro_type 4                                 # groups that choose the window: 4 for all, or one of 1, 2, 3
  --pro_thr 1.0                                # window: above this times the mean attention
  --pro_weight 1.0                             # weight of the window's scores

  --manualSeed 4702                            # seed
)
run_model main --root "$DATA_ROOT" --image_root "$IMAGE_ROOT" --clip_root "$CLIP_ROOT" "${options[@]}" "$@"
