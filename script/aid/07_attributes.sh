#!/usr/bin/env bash
# The vocabulary judged on real photographs: what stands out in each class, how alike classes are, which
# prompts work, and what images, names or both say of the classes.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

files=$DATA/aid/files division=${DIVISIONS:-0}    # one of them
for source in images seen names; do
  SOURCE=$source DIVISIONS=$division "$(dirname "${BASH_SOURCE[0]}")/03_annotate.sh" > /dev/null || exit
done
run_model annotate --show "$files/ann_tiny_untested_splits.mat" --picture "$RUNS/attributes/similarity.png"

for clip in ${CLIPS:-tiny seen-only}; do
  for source in untested images seen names; do
    echo; echo "=== $clip, division $division: $source"
    name=$(attributes_of $clip $division $source)
    run_model annotate --show "$files/$(attributes_of $clip $division)_splits.mat" \
      --against "$files/${name}_splits.mat" | tail -n 1
    run_model zero_shot_clip "${where[@]}" --random_id $division \
      --clip "$(clip_of $clip $division)" --class_embedding "$name" --attributes --gzsl
  done
done

prompts() {  # prompts TITLE PROMPT...: attributes alone, with these sentences about an attribute
  local name=ann_prompts_${1// /_}
  echo; echo "=== prompts: $1"
  run_model annotate "${where[@]}" --class_embedding aid --clip "$TINY" --from untested \
    --prompts "${@:2}" --output "$files/${name}_splits.mat" > /dev/null
  run_model zero_shot_clip "${where[@]}" --random_id $division --clip "$TINY" \
    --class_embedding "$name" --attributes --gzsl | tail -n 1
}
prompts "the name alone" "{}"
prompts "as in the captions" "many {} are here" "there are some {}" "{}"
