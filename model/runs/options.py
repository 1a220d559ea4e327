"""The options of main.py, under their published names.

Nothing here may import torch, for which `main.py --help` would wait.
"""

import argparse

from support.cli import REPOSITORY, Help, OnOff, Parser, add_data_options, number, path

# Defaults of several options at once.
RECIPES = {
    "published": {},
    "words": {
        "start": "words",
        "pool": "class",
        "sel_res": "main",
        "decorrelate": 0.7,
        "xe_on": "logits",
        "normalize": "clip",
        "pretrain_lr": 3e-4,
        "nepoch": 2,
        "n_batch": 40,
        "pro_start_epoch": 40,
    },
}

# Weight of each term of the loss (see dsva/losses.py): its default, and what it weighs.
LOSS_WEIGHTS = {
    "xe": (1.0, "cross entropy, projection branch, with windows where they are on"),
    "attri": (1e-2, "attribute regression, projection branch"),
    "regular": (0.0, "norm of the linear layer; try 5e-6. Without --use_group only beside --l_regular"),
    "l_xe": (1.0, "cross entropy of the attention branch"),
    "l_attri": (8e-2, "attribute regression, attention branch"),
    "l_regular": (0.0, "norm of the prototypes; try 5e-4"),
    "cpt": (1e-9, "compactness of the attention maps, after warm-up. Only with --use_group"),
    "xe_pro": (
        0.0,
        "cross entropy of the windows alone. The published command lines say 1, but their program used 0",
    ),
}
# What options were before they existed: a record of an earlier version does not have them.
EARLIER = {"validation_folds": 1, "test_every": 1}

ATTENTION_TERMS = ("l_xe", "l_attri", "l_regular", "cpt")

# Options of the published program that change nothing, there or here. (Of --cuda: --device finds the GPU.)
NO_EFFECT = """
    --train_id --cuda --matdataset --preprocessing --standardization --ol --validation --pretrain_classifier
    --resnet_path --pretrained --image_type --proto_warm --attention_K --pro_size --save_att --IoU_scale
    --IoU_thr --resize_WH --out_of_edge --max_area_center --KNOW_BIRD_BB --transform_mode --awa_finetune
    --avg_pool --all --use_proposal --attri_dim --lasso --resSize --attSize --ngpu --checkpointroot
    --pretrain_path
""".split()


DESCRIPTION = """Train and evaluate DSVA: zero-shot scene classification by attributes.

Five options matter; all others have defaults that work:
  --dataset, --image_embedding  which images and classes: a folder below --root, and NAME of NAME_images.mat
  --class_embedding             which attributes and divisions: NAME of NAME_splits.mat, as annotate.py writes
  --clip                        folder of the CLIP that looks at the images
  --recipe words                our own settings; published are the paper's
  --gzsl                        seen and unseen classes compete; without, the unseen ones among themselves
"""


class OptionHelp(Help, argparse.RawDescriptionHelpFormatter):
    """Says the defaults, and keeps the lines of the description."""


class NoEffect(argparse.Action):
    """Collects the options that were given and do nothing."""

    def __call__(self, parser, options, values, option_string=None):
        options.no_effect = [*getattr(options, "no_effect", []), option_string]


COUNT = number(int, 1)
RATE = number(float, 0, above=True)
WEIGHT = number(float, 0)


def get_parser() -> Parser:
    """All options of main.py, in titled groups."""
    parser = Parser(
        prog="main.py",
        usage="main.py [--help] [OPTION VALUE] ...",
        allow_abbrev=False,
        formatter_class=OptionHelp,
        description=DESCRIPTION,
    )
    words = " ".join(f"--{name} {value}" for name, value in RECIPES["words"].items())
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        default="published",
        help=f"other defaults for several options; words is our own: {words}",
    )
    add_source_options(parser)
    add_network_options(parser)
    add_loss_options(parser)
    add_training_options(parser)
    add_score_options(parser)
    add_run_options(parser)
    add_ignored_options(parser)
    return parser


def add_source_options(parser: argparse.ArgumentParser):
    """Which data and images, and how they are read."""
    data = add_data_options(parser, several=True)
    data.add_argument(
        "--only_groups", nargs="+", metavar="GROUP", help="leave out the attributes of all other groups"
    )
    data.add_argument(
        "--cache",
        choices=["none", "disk", "memory", "device"],
        default="none",
        help="decode each image once, and keep it: in a file, which later runs and other processes read "
        "too, in memory, or on the device. With the last two the tower's tokens of test images are kept "
        "there in warm-up, too, if they fit. It changes no number",
    )
    data.add_argument(
        "--cache_dir",
        type=path,
        help="where that file lies; one that is named serves memory and device too, which otherwise "
        "decode anew in each run (default: <root>/<dataset>/cache, for disk)",
    )
    data.add_argument(
        "--normalize",
        choices=["imagenet", "clip"],
        default="imagenet",
        help="image mean and deviation: as published, or CLIP's own",
    )
    data.add_argument(
        "--image_embedding_path",
        type=path,
        help="file of --image_embedding; images lie in its dataset's folder",
    )
    data.add_argument("--class_embedding_path", type=path, help="file of --class_embedding")


def add_network_options(parser: argparse.ArgumentParser):
    """CLIP, the heads, and the window."""
    net = parser.add_argument_group("network")
    net.add_argument(
        "--version",
        type=int,
        choices=[1, 2],
        default=1,
        help="CLIP-RSICD: 1 is clip-rsicd, 2 is clip-rsicd-v2, below --clip_root",
    )
    net.add_argument(
        "--clip_root",
        type=path,
        default=str(REPOSITORY / "flax-community"),
        help="folder of the CLIP checkpoints",
    )
    net.add_argument(
        "--clip",
        type=path,
        help="any other Hugging Face CLIP checkpoint folder, of any size; {} stands for --random_id",
    )
    net.add_argument(
        "--start",
        choices=["random", "words"],
        default="random",
        help="of the heads: random, as published, or what CLIP's sentences say of the attributes; needs "
        "the whole CLIP and annotate.py's attributes",
    )
    net.add_argument(
        "--decorrelate",
        type=number(float, 0, 0.99),
        default=0.0,
        help="with --start words: classes are told apart without so much of the attributes' correlations "
        "within classes; 0 to 0.99, such as 0.7",
    )
    net.add_argument(
        "--pool",
        choices=["mean", "class"],
        default="mean",
        help="what the projection branch reads: the mean of all tokens, as published, or the class "
        "token, which is CLIP's own summary",
    )
    net.add_argument(
        "--pro_type",
        type=int,
        choices=[1, 2, 3, 4],
        default=4,
        help="attribute groups that choose the window: 1 functions, 2 materials, 3 surface_properties "
        "(groups of other names by their order), 4 all",
    )
    net.add_argument(
        "--pro_thr",
        type=WEIGHT,
        default=1.0,
        help="the window holds what gets more than this times the mean attention; 0.5 to 2",
    )
    net.add_argument(
        "--pro_weight",
        type=WEIGHT,
        default=1.0,
        help="weight of the window's class scores in projection+window",
    )
    net.add_argument(
        "--pro_start_epoch",
        type=int,
        help="windows are used after this epoch: -1 always; 0 never, as in the published program "
        "(default: never)",
    )


def add_loss_options(parser: argparse.ArgumentParser):
    """Weight of every term of the loss."""
    loss = parser.add_argument_group("loss weights", "0 leaves a term out")
    for name, (default, meaning) in LOSS_WEIGHTS.items():
        loss.add_argument(f"--{name}", type=WEIGHT, default=default, help=meaning)
    loss.add_argument(
        "--use_group", action="store_true", help="norms group by group, not over all attributes"
    )
    loss.add_argument(
        "--additional_loss",
        action=OnOff,
        default=True,
        help="the attention branch's terms: l_xe, l_attri, l_regular, cpt; without them no regular either "
        "(default: they are on)",
    )
    loss.add_argument(
        "--xe_on",
        choices=["probs", "logits"],
        default="probs",
        help="cross entropy of probabilities, as published, or of logits, as in the paper. Logits want "
        "other learning rates",
    )


def add_training_options(parser: argparse.ArgumentParser):
    """Epochs, learning rates, batches, precision."""
    loop = parser.add_argument_group("training")
    loop.add_argument("--nepoch", type=COUNT, default=30, help="epochs")
    loop.add_argument(
        "--pretrain_epoch",
        type=int,
        default=4,
        help="up to this epoch only the heads learn (warm-up); -1 for no warm-up",
    )
    loop.add_argument("--pretrain_lr", type=RATE, default=1e-4, help="learning rate of the warm-up")
    loop.add_argument(
        "--classifier_lr", type=RATE, default=1e-6, help="learning rate after it, x 0.9 every 10 epochs"
    )
    loop.add_argument(
        "--beta1", type=number(float, 0, 0.999999), default=0.5, help="Adam's beta1; beta2 is 0.999"
    )
    loop.add_argument(
        "--train_mode",
        choices=["distributed", "random"],
        default="distributed",
        help="episodes, or shuffled batches of all images",
    )
    loop.add_argument("--n_batch", type=COUNT, default=300, help="episodes in an epoch")
    loop.add_argument(
        "--ways",
        type=COUNT,
        default=8,
        help="classes in an episode; where fewer are trained on, the default is their number",
    )
    loop.add_argument(
        "--shots",
        type=COUNT,
        default=3,
        help="images of each class in an episode; where a class has fewer, the default is their number",
    )
    loop.add_argument(
        "--batch_size", type=COUNT, default=64, help="images in a test batch, and in a random training batch"
    )
    loop.add_argument(
        "--manualSeed",
        type=number(int, 0, 2**32 - 1),
        help="seed of weights, episodes and crops (default: drawn, and recorded)",
    )

    loop.add_argument(
        "--precision",
        choices=["fp32", "tf32", "bf16"],
        default="fp32",
        help="tf32: products of 10-bit fractions on NVIDIA GPUs from Ampere on, fp32 elsewhere; "
        "bf16: the tower computes in mixed precision, faster on GPUs, and on CPUs with AVX-512 BF16 or AMX",
    )
    loop.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile writes kernels for the tower, within its first minute; it pays in long runs",
    )


def add_score_options(parser: argparse.ArgumentParser):
    """What is tested, and how a number is chosen."""
    score = parser.add_argument_group("scores")
    score.add_argument("--gzsl", action="store_true", help="generalised: seen and unseen classes compete")
    score.add_argument(
        "--test_every",
        type=COUNT,
        default=1,
        help="test after every so many epochs, and after the last; best is then the best of those tested",
    )
    score.add_argument(
        "--calibrated_stacking",
        type=number(float, -1000, 1000),
        default=0.0,
        help="GZSL: taken from the probabilities of seen classes; around 1e-4 where they come from a "
        "double softmax over 70 classes",
    )
    score.add_argument(
        "--sel_res",
        choices=["main", "layer", "pro"],
        default="layer",
        help="the branch that counts: main (projection, with windows where they are on), layer "
        "(attention), pro (window)",
    )

    score.add_argument(
        "--protocol",
        choices=["paper", "clean"],
        default="paper",
        help="clean: epoch and calibration constant are chosen by a training of its own, before, in "
        "which some seen classes play the unseen ones",
    )
    score.add_argument(
        "--validation_classes",
        type=COUNT,
        help="how many do (default: as many as there are unseen ones, but at most a third of the seen ones; "
        "in ZSL at least two)",
    )
    score.add_argument(
        "--validation_folds",
        type=COUNT,
        help="so many such trainings, each with other classes that play: epoch and constant are chosen on "
        "the mean (default: as many as it takes for three classes to play; "
        "1 where --validation_classes is given)",
    )


def add_run_options(parser: argparse.ArgumentParser):
    """Where the run lies, and what it goes on from."""
    run = parser.add_argument_group("run")
    run.add_argument(
        "--seeds",
        type=COUNT,
        default=1,
        help="repeat with so many seeds: --manualSeed, or 1, and those after it",
    )
    run.add_argument(
        "--name",
        help="the run folder is runs/<name>, or <name>-2, ... if a run with other options has it "
        "(default: from the setting)",
    )
    run.add_argument(
        "--output",
        type=path,
        help="the run folder itself; one that holds a run with other options is refused",
    )
    run.add_argument(
        "--resume",
        type=path,
        metavar="CHECKPOINT",
        help="go on from a saved model, or from the one that the protocol of a run folder chose; "
        "options not given are those it was saved with",
    )
    run.add_argument(
        "--eval", "--only_evaluate", action="store_true", help="only evaluate the model of --resume"
    )
    run.add_argument(
        "--repeat",
        type=path,
        metavar="RESULTS",
        help="run a results.json again, with its options and seeds, and say of every score whether it "
        "agrees: exit code 0 if all do, "
        "1 if not. What is given here replaces what was recorded: --root, --clip, --device, ... (default "
        "of --output: runs/X-repeat)",
    )


def add_ignored_options(parser: argparse.ArgumentParser):
    """Those of the published program that do nothing."""
    published = parser.add_argument_group(
        "accepted, without effect", "the published command lines may carry them: " + " ".join(NO_EFFECT)
    )
    for name in NO_EFFECT:
        published.add_argument(
            name, nargs="?", action=NoEffect, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
