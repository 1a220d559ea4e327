"""The options of finetune_clip.py.

Nothing here may import torch, for which `finetune_clip.py --help` would wait.
"""

import argparse

from data.prompts import CLASS_PROMPTS
from support.cli import WORKERS, Help, Parser, add_bands_option, number, path

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


def get_parser() -> Parser:
    """All options of finetune_clip.py, in titled groups."""
    parser = Parser(
        prog="finetune_clip.py",
        allow_abbrev=False,
        formatter_class=Help,
        description="Train CLIP on images with captions: a small one from scratch, or one that exists a "
        "little further.",
    )
    add_paths(parser.add_argument_group("data"))
    add_network(parser.add_argument_group("network"))
    add_training(parser.add_argument_group("training"))
    add_augmentation(parser.add_argument_group("augmentation"))
    return parser


def add_paths(group):
    """What is read and written, and by how many."""
    add = group.add_argument
    add(
        "--images",
        type=path,
        required=True,
        help="folder that the captions file's image names are relative to",
    )
    add_bands_option(group)
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
        help="held out, to report retrieval and top-1 by class name, before the first step and after epochs; "
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
    """A CLIP to start from, or the sizes of a new one."""
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
    """The loop, the optimizer and the teachers."""
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
    """How training pictures are changed."""
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
