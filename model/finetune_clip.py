"""Train CLIP on images with captions: a small one from scratch, or one that exists a little further.

    python model/finetune_clip.py --images DIR --captions train.jsonl --test_captions test.jsonl --output DIR
    python model/finetune_clip.py --images DIR --captions train.jsonl --output DIR --init FOLDER

The output folder is a Hugging Face checkpoint: CLIPModel and CLIPProcessor load from it.
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, Dict, List, Optional

import torch
from transformers import CLIPModel, CLIPTokenizerFast

from clip.augmentation import Augmentation
from clip.captions import Captions, CaptionsByImage, read_captions
from clip.checkpoint import silence_transformers, use_eager_attention
from clip.contrastive import Training, make_optimizer, train_one_epoch
from clip.evaluation import class_name_prompts, evaluate
from clip.new import Sizes, load_for_training, new_clip
from clip.picture_batches import PictureBatches
from clip.saving import copy_processor, resize_processor, round_to_half, save_clip, write_new_processor
from clip.state import load_state, refuse_other_options, remove_state, save_state
from clip.teachers import make_teachers, read_image_vectors, read_teacher
from clip.tokenizer import SMALLEST_VOCABULARY
from clip.training_log import count_captions, count_parameters, print_start, shown_epoch
from data.prompts import CLASS_PROMPTS
from support.cli import WORKERS, Help, Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import read_json, write_json
from support.machine import circumstances, pick_device
from support.processes import init_processes, rank_zero
from support.streams import go_on_unread

CROP_MARGIN = 256 / 224  # training pictures are so much larger than what the tower sees: room for crops
SHORTEST_CONTEXT = 3  # start, a word and end
CHANGE_NO_WEIGHT = {"output", "device", "workers", "cache_gb", "test_every"}  # such options may change

# Of a new CLIP: its default, and what it is. This one trains in 1 to 2 minutes for 8,000 images on 2 cores.
SIZES = {
    "image_size": (112, "pixels a side; of --init, if not its own, its position embeddings are stretched"),
    "patch_size": (16, "pixels a side of a patch; divides image_size"),
    "width": (192, "of the vision tower"),
    "layers": (6, "of the vision tower"),
    "heads": (3, "of the vision tower; divides width"),
    "text_width": (128, "of the text tower"),
    "text_layers": (3, "of the text tower"),
    "text_heads": (2, "of the text tower; divides text_width"),
    "projection": (128, "width of the common space"),
    "vocab_size": (2048, "most tokens; 512 are letters"),
    "context": (48, "most tokens of a caption"),
}


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
    captions = read_all_captions(opt)
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
    images = load_images(opt, captions["train"], round(size * CROP_MARGIN), device)
    texts = Captions(list(captions["train"].values()), tokenizer, context)
    test = load_test(opt, model, captions["test"], tokenizer, device) if opt.test_captions else None
    augmentation = from_options(Augmentation, opt)
    training = from_options(Training, opt)
    for epoch in range(len(history) + 1, opt.epochs + 1):
        line = train_one_epoch(model, teachers, optimizer, images, texts, augmentation, training, epoch)
        is_last = epoch == opt.epochs
        if is_last and opt.half:
            round_to_half(model)
        if test and (is_last or epoch % opt.test_every == 0):
            line.update(evaluate(model, *test, opt.batch_size, opt.precision))
        history.append(line)
        rank_zero(save_state, output, model, teachers, optimizer, history)
        print(f"epoch {epoch:3d}/{opt.epochs}  {shown_epoch(line)}", flush=True)

    rank_zero(save_clip, output, model, opt.half)
    rank_zero(write_results, output, model, captions, history, vars(opt))
    rank_zero(remove_state, output)
    print(f"checkpoint in {output}")


# ---- options ---------------------------------------------------------------------------------------


def get_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    description = __doc__.split("\n")[0]
    parser = Parser(
        prog="finetune_clip.py", allow_abbrev=False, formatter_class=Help, description=description
    )
    add_paths(parser.add_argument_group("data"))
    add_network(parser.add_argument_group("network"))
    add_training(parser.add_argument_group("training"))
    add_augmentation(parser.add_argument_group("augmentation"))
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


def add_paths(group):
    add = group.add_argument
    add(
        "--images",
        type=path,
        required=True,
        help="folder that the captions file's image names are relative to",
    )
    add(
        "--captions",
        type=path,
        required=True,
        help='a line {"image": ..., "captions": [...]} for each image, '
        'or the plain RSICD JSON (its split "train")',
    )
    add(
        "--test_captions",
        type=path,
        help="held out, to report retrieval and top-1 by class name; "
        'of the plain RSICD JSON the split "test"',
    )
    add(
        "--no_class_names",
        dest="class_names",
        action="store_false",
        help="the folders of the held-out images are not named like classes: no top-1",
    )
    add(
        "--templates",
        nargs="+",
        default=list(CLASS_PROMPTS),
        help="sentences for a class name, averaged; from scratch, such as the captions have",
    )
    add(
        "--image_teacher",
        type=path,
        metavar="NPZ",
        help="`names` of the training images and `vectors` of each, by another network: "
        "the vision tower also learns to foretell them",
    )
    add(
        "--text_teacher",
        type=path,
        metavar="NPZ",
        help="`names` of sentences, any that the text tower should understand, and `vectors` of each, "
        "by a sentence encoder",
    )
    add(
        "--output",
        type=path,
        required=True,
        help="the checkpoint folder; if it holds an unfinished run with these options, that run goes on",
    )
    add(
        "--cache_gb",
        type=number(float, 0),
        default=4.0,
        help="decode all images once if they take no more memory than this, else anew every epoch",
    )
    add(
        "--workers",
        type=number(int, 0),
        default=WORKERS,
        help="processes that decode images; they do not change the numbers",
    )


def add_network(group):
    group.add_argument(
        "--init",
        type=path,
        metavar="FOLDER",
        help="a Hugging Face CLIP checkpoint to start from; it brings its tokenizer and its sizes",
    )
    for name, (size, meaning) in SIZES.items():
        text = f"{meaning} (default: {size})"
        group.add_argument(f"--{name}", type=number(int, 1), default=argparse.SUPPRESS, help=text)


def add_training(group):
    add = group.add_argument
    count = number(int, 1)
    share = number(float, 0, 1)
    positive = number(float, 0, above=True)
    add("--epochs", type=count, default=20, help="every image once an epoch")
    add(
        "--batch_size",
        type=number(int, 2),
        default=128,
        help="larger batches have more negatives; 64 to 1024",
    )
    add(
        "--captions_per_image",
        type=count,
        default=1,
        help="captions of an image in each epoch: the image is encoded once for all of them",
    )
    add("--lr", type=positive, help="highest learning rate (default: 1e-3 from scratch, 1e-5 with --init)")
    add(
        "--weight_decay",
        type=number(float, 0),
        default=0.1,
        help="of matrices; norms, biases and embeddings have none",
    )
    add(
        "--warmup",
        type=share,
        default=0.05,
        help="share of the steps in which the learning rate rises; then it falls as a cosine",
    )
    add("--clip_grad", type=positive, default=1.0, help="largest norm of the gradient")
    add(
        "--patch_drop",
        type=number(float, 0, 0.9),
        default=0.0,
        help="share of the patches that the vision tower does not see in training: 0.5 halves its time",
    )
    add(
        "--whole_epochs",
        type=number(int, 0),
        default=0,
        help="in so many epochs, the last ones, no patch is dropped",
    )
    add(
        "--teacher_weight",
        type=number(float, 0),
        default=20.0,
        help="weight of the cosine distance to the teachers' vectors",
    )
    add(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        default="auto",
        help="bf16: mixed precision, which auto uses on a GPU only; half again as fast on CPUs "
        "with AVX-512 BF16 or AMX, slower on others",
    )
    add(
        "--seed",
        type=number(int, 0, 2**32 - 1),
        default=0,
        help="of weights, order, captions and augmentation",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...: auto is the GPU where there is one")
    add(
        "--test_every",
        type=count,
        default=1,
        help="epochs from one test to the next; the last epoch is tested in any case",
    )
    add("--half", action="store_true", help="save the weights in float16")


def add_augmentation(group):
    add = group.add_argument
    add("--no_turn", dest="turn", action="store_false", help="no turns by right angles")
    add("--no_flip", dest="flip", action="store_false", help="no mirror images")
    add(
        "--crop",
        type=number(float, 0, 1, above=True),
        default=0.5,
        help="smallest share of the area that a random crop keeps; 1 for none",
    )
    add(
        "--colour",
        type=number(float, 0, 1),
        default=0.3,
        help="largest change of brightness, contrast and saturation; 0 for none",
    )


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


def read_all_captions(opt: argparse.Namespace) -> Dict[str, CaptionsByImage]:
    """Of the parts "train" and, if asked for, "test"."""
    captions = {"train": read_captions(opt.captions, opt.images, "train")}
    if opt.test_captions:
        captions["test"] = read_captions(opt.test_captions, opt.images, "test")
    return captions


def read_teachers(opt: argparse.Namespace, captions: CaptionsByImage) -> tuple:
    """Vectors of the training images, or None; sentences; vectors of these, or None."""
    image_vectors = read_image_vectors(opt.image_teacher, list(captions)) if opt.image_teacher else None
    sentences, sentence_vectors = read_teacher(opt.text_teacher) if opt.text_teacher else ([], None)
    return image_vectors, sentences, sentence_vectors


def load_test(opt, model: CLIPModel, captions: CaptionsByImage, tokenizer, device: torch.device) -> tuple:
    """Images, captions and class names, as `evaluate` takes them."""
    context = model.config.text_config.max_position_embeddings
    return (
        load_images(opt, captions, model.config.vision_config.image_size, device),
        Captions(list(captions.values()), tokenizer, context),
        class_name_prompts(list(captions), opt.templates, tokenizer, context) if opt.class_names else None,
    )


def load_images(opt, captions: CaptionsByImage, size: int, device: torch.device) -> PictureBatches:
    paths = [Path(opt.images) / image for image in captions]
    return PictureBatches(paths, size, opt.cache_gb, opt.workers, device)


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
