#!/usr/bin/env bash
# Your own images, a folder for each class: divisions into seen and unseen classes, attributes, baselines, our
# recipe under the clean protocol over all divisions, one table, one page.
#   ./script/my_images.sh FOLDER [--names FILE] [other options of prepare.py]
# An interrupted run goes on with the same command. Change a setting, and the trainings begin anew; delete
# DATA/NAME to divide and describe anew.
if [ $# = 0 ] || [ "${1#-}" != "$1" ]; then
  sed -n '2,6s/^# //p' "$0"
  exit 2
fi
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -d "$1" ] || { run_model prepare "$1" --output "$ROOT/data/images"; exit 2; }  # which says what it is

FOLDER=$(cd "$1" && pwd)
NAME=${NAME:-$(basename "$FOLDER")}               # of the dataset: its files go to DATA/NAME
DATA=${DATA:-$ROOT/data}                          # divisions, attributes, CLIP's embeddings
RUNS=${RUNS:-$ROOT/runs/$NAME}                    # results
CLIP=${CLIP:-$ROOT/flax-community/clip-rsicd-tiny}  # any CLIP in Hugging Face's format
UNSEEN=${UNSEEN:-}                                # classes; by default as prepare.py --help says
DIVISIONS=${DIVISIONS:-}                          # into seen and unseen classes; by default 3, if there are
BANDS=${BANDS:-}                                  # that are red, green, blue: "4 3 2"
SEEDS=${SEEDS:-1}                                 # trainings of each
EPISODES=${EPISODES:-40}                          # of an epoch

set_by "DATA or NAME" --output "$@"
set_by CLIP --clip "$@"
set_by BANDS --bands "$@"
dividing=(
  ${UNSEEN:+--unseen $UNSEEN} ${DIVISIONS:+--divisions "$DIVISIONS"} ${BANDS:+--bands $BANDS}
  --described 0.2                                 # of an unseen class's images: they describe it, untested
)
where=(
  --root "$DATA" --dataset "$NAME" --image_root "$FOLDER" ${BANDS:+--bands $BANDS}
  --image_embedding "$NAME" --clip "$CLIP"
)
training=(
  --recipe words                                  # heads that start from CLIP's sentences
  --protocol clean                                # nothing is chosen on test images
  --gzsl                                          # seen and unseen classes compete
  --nepoch 2 --n_batch "$EPISODES"                # epochs
  --use_group --manualSeed 1 --seeds "$SEEDS"
  --cache disk                                    # each image is decoded once
)
all=(--class_embedding "ann_{}" --random_id all)  # what 2 writes; {} stands for the division

# what the classes are divided by, to be told from what they were divided by
asked=(${UNSEEN:+"UNSEEN=$UNSEEN"} ${DIVISIONS:+"DIVISIONS=$DIVISIONS"} ${BANDS:+"BANDS=$BANDS"} "${@:2}")
divided=$DATA/$NAME/files/${NAME}_splits.mat
record=$DATA/$NAME/files/my_images.txt
refuse() {  # refuse WHAT: was it that divided the classes earlier? It was not
  echo "error: $DATA/$NAME was made earlier with other $1: delete it, or NAME=another_name $0 ..." >&2
  exit 2
}

echo "for 700 photographs and 3 divisions this takes about 3 minutes on two cores"
echo "1  divide the classes into seen and unseen"
echo "   (UNSEEN=2 DIVISIONS=3 SEEDS=1 in front of the command set --unseen, --divisions and --seeds)"
if [ -f "$divided" ]; then
  [ ! -f "$record" ] || [ "$(head -n 1 "$record")" = "$FOLDER" ] ||
    refuse "images, those of $(head -n 1 "$record")"
  [ ${#asked[@]} = 0 ] || [ "$(tail -n +2 "$record" 2> /dev/null)" = "$(printf '%s\n' "${asked[@]}")" ] ||
    refuse "settings than ${asked[*]}"
  echo "note: done earlier, with the names and numbers of then: delete $DATA/$NAME to divide anew"
else
  run_model prepare "$FOLDER" --output "$DATA/$NAME" "${dividing[@]}" "${@:2}"
  printf '%s\n' "$FOLDER" ${asked[@]+"${asked[@]}"} > "$record"
fi
count="from data.matlab import divisions_of; import sys; print(*divisions_of(sys.argv[1]))"
divisions=$(PYTHONPATH="$ROOT/model" "$PYTHON" -c "$count" "$divided")
echo "2  describe each class: which attributes does CLIP see?"
for division in $divisions; do
  attributes=$DATA/$NAME/files/ann_${division}_splits.mat
  [ -f "$attributes" ] || run_model annotate "${where[@]}" --class_embedding "$NAME" \
    --random_id "$division" --from untested --output "$attributes"
done
echo "3  without training"
run_model zero_shot_clip "${where[@]}" "${all[@]}" --attributes --closed_forms --gzsl \
  --output "$RUNS/baselines"
echo "4  DSVA by our own recipe"
run_model main "${where[@]}" "${all[@]}" "${training[@]}" --output "$RUNS/dsva"
echo "5  results: mean and deviation over divisions and seeds, in percent"
run_model tables --column "$NAME" "$RUNS/baselines" "$RUNS/dsva" --scores ZSL U S H AUSUC \
  --kinds "CLIP by|attributes alone|ESZSL|SAE|clean protocol" --format text --output "$RUNS/table.md"
echo "as Markdown: $RUNS/table.md"
echo "6  where the model looks, in images of classes that it has never seen"
run_model visualize --resume "$RUNS/dsva/division-0_seed-1" --per_class 2
echo "7  all of it on a page"
run_model report "$RUNS" --checkpoint clean
echo "name other pictures: python model/predict.py --resume $RUNS/dsva/division-0_seed-1 PICTURES"
duration
