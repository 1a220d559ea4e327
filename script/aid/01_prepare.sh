#!/usr/bin/env bash
# AID in the published file format: nine divisions into seen and unseen classes. Test images are those of the
# RSICD validation and test captions alone, so that no CLIP of ours has been trained on one.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

options=(
  --unseen 5 10 15                              # unseen classes
  --divisions 3                                 # random divisions of each
  --seed 0                                      # that draws them
  --test_images "$CAPTIONS/valid.jsonl" "$CAPTIONS/test.jsonl"
  --captions "$CAPTIONS/train.jsonl"            # also writes those of seen classes' training images
)
run_model prepare "$IMAGE_ROOT" --output "$DATA/aid" "${options[@]}" "$@"
