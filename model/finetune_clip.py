"""Train CLIP on images with captions: a small one from scratch, or one that exists a little further.

    python model/finetune_clip.py --images DIR --captions train.jsonl --test_captions test.jsonl --output DIR
    python model/finetune_clip.py --images DIR --captions train.jsonl --output DIR --init FOLDER

The output folder is a Hugging Face checkpoint: CLIPModel and CLIPProcessor load from it.
"""

# ruff: noqa: E402, since --help is answered before torch is imported

from runs.clip_options import SIZES, get_parser

if __name__ == "__main__":
    get_parser().start()

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, Dict, List, Optional

import torch
from transformers import CLIPModel, CLIPTokenizerFast

from clip.augmentation import Augmentation
from clip.captions import Captions, CaptionsByImage, read_parts
from clip.checkpoint import use_eager_attention
from clip.contrastive import Training, make_optimizer, train_one_epoch
from clip.evaluation import class_name_prompts, evaluate
from clip.new import Sizes, load_for_training, new_clip
from clip.picture_batches import PictureBatches
from clip.processor import read_preprocessing
from clip.saving import (
    copy_processor,
    fits_half,
    resize_processor,
    round_to_half,
    save_clip,
    write_new_processor,
)
from clip.silence import silence_transformers
from clip.state import load_state, refuse_other_options, remove_state, save_state
from clip.teachers import make_teachers, read_image_vectors, read_teacher
from clip.tokenizer import SMALLEST_VOCABULARY
from clip.training_log import (
    count_captions,
    count_parameters,
    kept_before,
    print_start,
    shown_before,
    shown_change,
    shown_epoch,
)
from data.pipeline import Preprocessing
from support.errors import InputError, exits_cleanly
from support.files import read_json, write_json
from support.machine import circumstances, pick_device
from support.processes import init_processes, rank_zero
from support.streams import go_on_unread

CROP_MARGIN = 256 / 224  # training pictures are so much larger than what the tower sees: room for crops
SHORTEST_CONTEXT = 3  # start, a word and end
CHANGE_NO_WEIGHT = {"output", "device", "workers", "cache_gb", "test_every"}  # such options may change


@exits_cleanly
def main(arguments=None):
    go_on_unread()
    opt = get_options(arguments)
    silence_transformers()
    device = init_processes(pick_device(opt.device))
    output = Path(opt.output)
    rank_zero(refuse_other_options, output, vars(opt), CHANGE_NO_WEIGHT)
    if (output / "train_results.json").is_file():
        print(f"finished already: {output}  {shown_epoch(read_json(output / 'train_results.json'))}")
        return

    # read everything before anything is written
    captions = read_parts(opt.captions, opt.test_captions, opt.images)
    image_vectors, sentences, sentence_vectors = read_teachers(opt, captions["train"])
    model = load_for_training(Path(opt.init), opt.image_size) if opt.init else None

    rank_zero(write_json, output / "options.json", {"options": vars(opt), **circumstances()})
    rank_zero(write_processor, opt, captions["train"], sentences)
    tokenizer = CLIPTokenizerFast.from_pretrained(output, local_files_only=True)

    torch.manual_seed(opt.seed)
    model = model or new_clip(from_options(Sizes, opt), tokenizer)
    model.to(device)
    use_eager_attention(model, device)
    teachers = make_teachers(model, image_vectors, tokenizer, sentences, sentence_vectors).to(device)
    optimizer = make_optimizer(model, teachers, opt.weight_decay)
    history = load_state(output, model, teachers, optimizer)
    print_start(model, captions, opt.init, len(history), device)

    size = model.config.vision_config.image_size
    context = model.config.text_config.max_position_embeddings
    like = read_preprocessing(output, size)
    images = load_images(opt, captions["train"], round(size * CROP_MARGIN), like, device)
    texts = Captions(list(captions["train"].values()), tokenizer, context)
    test = load_test(opt, model, captions["test"], tokenizer, like, device) if opt.test_captions else None
    augmentation = from_options(Augmentation, opt)
    training = from_options(Training, opt)
    before = kept_before(history)
    if test and not history:
        before = {"before": evaluate(model, *test, opt.batch_size, opt.precision)}
        before["before"].pop("test_seconds")
        print(shown_before(before["before"]), flush=True)
    for epoch in range(len(history) + 1, opt.epochs + 1):
        line = train_one_epoch(model, teachers, optimizer, images, texts, augmentation, training, epoch)
        if epoch == 1:
            line.update(before)
        is_last = epoch == opt.epochs
        if is_last and opt.half:
            round_to_half(model)
        if test and (is_last or epoch % opt.test_every == 0):
            line.update(evaluate(model, *test, opt.batch_size, opt.precision))
        history.append(line)
        rank_zero(save_state, output, model, teachers, optimizer, history)
        print(f"epoch {epoch:3d}/{opt.epochs}  {shown_epoch(line)}", flush=True)

    rank_zero(save_clip, output, model, opt.half and fits_half(model))
    rank_zero(write_results, output, model, captions, history, vars(opt))
    rank_zero(remove_state, output)
    if before:
        print(shown_change(before["before"], history[-1]))
    print(f"checkpoint in {output}")


# ---- options ---------------------------------------------------------------------------------------


def get_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = get_parser()
    opt = parser.parse_args(arguments)

    sizes = {name: size for name, size in vars(opt).items() if name in SIZES}
    if opt.init:
        of_its_own = sizes.keys() - {"image_size"}
        if of_its_own:
            parser.error(f"--init brings its own sizes: leave out --{min(of_its_own)}")
        opt.image_size = sizes.get("image_size")
    else:
        defaults = {name: size for name, (size, _) in SIZES.items()}
        vars(opt).update({**defaults, **sizes})
        check_sizes(opt)
    opt.lr = opt.lr or (1e-5 if opt.init else 1e-3)
    return opt


def check_sizes(opt: argparse.Namespace):
    for name, part in (("image_size", "patch_size"), ("width", "heads"), ("text_width", "text_heads")):
        size, size_of_part = getattr(opt, name), getattr(opt, part)
        if size % size_of_part:
            raise InputError(f"--{name} {size} should be a multiple of --{part} {size_of_part}")
    for name, least in (("vocab_size", SMALLEST_VOCABULARY), ("context", SHORTEST_CONTEXT)):
        if getattr(opt, name) < least:
            raise InputError(f"--{name} {getattr(opt, name)} should be at least {least}")


def from_options(kind, opt: argparse.Namespace):
    """A dataclass of this kind, of the options that are named like its fields."""
    return kind(**{field.name: getattr(opt, field.name) for field in fields(kind)})


# ---- what is read ----------------------------------------------------------------------------------


def read_teachers(opt: argparse.Namespace, captions: CaptionsByImage) -> tuple:
    """Vectors of the training images, or None; sentences; vectors of these, or None."""
    image_vectors = read_image_vectors(opt.image_teacher, list(captions)) if opt.image_teacher else None
    sentences, sentence_vectors = read_teacher(opt.text_teacher) if opt.text_teacher else ([], None)
    return image_vectors, sentences, sentence_vectors


def load_test(opt, model: CLIPModel, captions: CaptionsByImage, tokenizer, like, device) -> tuple:
    """Images, captions and class names, as `evaluate` takes them."""
    context = model.config.text_config.max_position_embeddings
    names = None
    if opt.class_names:
        folder = Path(opt.images)
        places = [folder, folder / "files"]
        names = class_name_prompts(list(captions), opt.templates, tokenizer, context, places)
    return (
        load_images(opt, captions, like.size, like, device),
        Captions(list(captions.values()), tokenizer, context),
        names,
    )


def load_images(
    opt, captions: CaptionsByImage, size: int, like: Preprocessing, device: torch.device
) -> PictureBatches:
    """Squares of this many pixels a side, prepared otherwise as the CLIP's processor does it."""
    paths = [Path(opt.images) / image for image in captions]
    return PictureBatches(paths, size, opt.cache_gb, opt.workers, device, like, opt.bands)


# ---- what is written -------------------------------------------------------------------------------


def write_processor(opt: argparse.Namespace, captions: CaptionsByImage, sentences: List[str]):
    """The files of a CLIPProcessor: those of --init, or new ones that know all words that are learnt from."""
    output = Path(opt.output)
    if opt.init:
        copy_processor(Path(opt.init), output)
        if opt.image_size:
            resize_processor(output, opt.image_size)
    else:
        texts = [text for texts_of_image in captions.values() for text in texts_of_image]
        write_new_processor(output, [*texts, *sentences], opt.vocab_size, opt.context, opt.image_size)


def write_results(
    output: Path,
    model: CLIPModel,
    captions: Dict[str, CaptionsByImage],
    history: List[Dict[str, Any]],
    options: Dict[str, Any],
):
    results = {
        **kept_before(history),
        **history[-1],
        "data": count_captions(captions),
        "parameters": count_parameters(model),
        "seconds": sum(line["seconds"] for line in history),
        "options": options,
        **circumstances(),
    }
    write_json(output / "train_results.json", results)


if __name__ == "__main__":
    main()
