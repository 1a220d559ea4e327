"""The options of `main.py`, under their published names. Read once, here; nothing below this file knows of argparse."""

import argparse
from pathlib import Path
from typing import List, Mapping, Optional, Union

from dsva.losses import TERMS
from runs.checkpoint import checkpoint_metadata
from runs.repeat import folder_of_repetition, read_results
from support.cli import Parser, add_data_options, number, path
from support.errors import InputError
from support.machine import REPOSITORY

BRANCH = {"main": "final", "layer": "attention", "pro": "window"}  # --sel_res -> the branch that is meant

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
        "pro_start_epoch": 40,
    },
}


# Options of the published program that change nothing, there or here (of --cuda: --device finds the GPU by itself).
NO_EFFECT = (
    "--train_id",
    "--cuda",
    "--matdataset",
    "--preprocessing",
    "--standardization",
    "--resSize",
    "--attSize",
    "--avg_pool",
    "--all",
    "--ngpu",
    "--save_att",
    "--checkpointroot",
    "--pretrain_path",
    "--image_type",
    "--IoU_scale",
    "--IoU_thr",
)


class NoEffect(argparse.Action):
    def __call__(self, parser, options, values, option_string=None):
        options.no_effect = getattr(options, "no_effect", []) + [option_string]


def get_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="main.py",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Train and evaluate DSVA: zero-shot scene classification by attributes.",
    )
    count, rate, weight = number(int, 1), number(float, 0, above=True), number(float, 0)

    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        default="published",
        help="other defaults for several options; words is our own: "
        + " ".join(f"--{name} {value}" for name, value in RECIPES["words"].items()),
    )
    data = add_data_options(parser, several=True)
    data.add_argument(
        "--only_groups", nargs="+", metavar="GROUP", help="leave out the attributes of all other groups"
    )
    data.add_argument(
        "--cache",
        choices=["none", "disk", "memory", "device"],
        default="none",
        help="decode each image once, and keep it: in a file, which later runs and other processes read too, in memory, or on the device. It changes no number",
    )
    data.add_argument(
        "--cache_dir",
        type=path,
        help="where that file lies; one that is named serves memory and device too, which otherwise decode anew in each run (default: <root>/<dataset>/cache, for disk)",
    )
    data.add_argument(
        "--normalize",
        choices=["imagenet", "clip"],
        default="imagenet",
        help="image mean and deviation: as published, or CLIP's own",
    )

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
        help="of the heads: random, as published, or what CLIP's sentences say of the attributes; needs the whole CLIP and annotate.py's attributes",
    )
    net.add_argument(
        "--decorrelate",
        type=number(float, 0, 0.99),
        default=0.0,
        help="with --start words: classes are told apart without so much of the attributes' correlations within classes; 0 to 0.99, such as 0.7",
    )
    net.add_argument(
        "--pool",
        choices=["mean", "class"],
        default="mean",
        help="what the projection branch reads: the mean of all tokens, as published, or the class token, which is CLIP's own summary",
    )
    net.add_argument(
        "--pro_type",
        type=int,
        choices=[1, 2, 3, 4],
        default=4,
        help="attribute groups that choose the window: one of them, or 4 for all",
    )
    net.add_argument(
        "--pro_thr",
        type=weight,
        default=1.0,
        help="the window holds what gets more than this times the mean attention; 0.5 to 2",
    )
    net.add_argument(
        "--pro_weight", type=weight, default=1.0, help="weight of the window's class scores in the final ones"
    )
    net.add_argument(
        "--pro_start_epoch",
        type=int,
        default=-1,
        help="windows are used after this epoch: -1 always, 40 of 30 epochs never",
    )

    loss = parser.add_argument_group("loss weights", "0 leaves a term out")
    loss.add_argument("--xe", type=weight, default=1.0, help="cross entropy of the final probabilities")
    loss.add_argument("--attri", type=weight, default=1e-2, help="attribute regression, projection branch")
    loss.add_argument("--regular", type=weight, default=0.0, help="norm of the linear layer; try 5e-6")
    loss.add_argument("--l_xe", type=weight, default=1.0, help="cross entropy of the attention branch")
    loss.add_argument("--l_attri", type=weight, default=8e-2, help="attribute regression, attention branch")
    loss.add_argument("--l_regular", type=weight, default=0.0, help="norm of the prototypes; try 5e-4")
    loss.add_argument(
        "--cpt", type=weight, default=1e-9, help="compactness of the attention maps, after warm-up"
    )
    loss.add_argument(
        "--xe_pro",
        type=weight,
        default=0.0,
        help="cross entropy of the windows alone. The published command lines say 1, but their program used 0",
    )
    loss.add_argument(
        "--use_group", action="store_true", help="norms group by group, not over all attributes"
    )
    loss.add_argument(
        "--additional_loss",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the attention branch's terms: l_xe, l_attri, l_regular, cpt",
    )
    loss.add_argument(
        "--xe_on",
        choices=["probs", "logits"],
        default="probs",
        help="cross entropy of probabilities, as published, or of logits, as in the paper. Logits want other learning rates",
    )

    loop = parser.add_argument_group("training")
    loop.add_argument("--nepoch", type=count, default=30, help="epochs")
    loop.add_argument(
        "--pretrain_epoch",
        type=int,
        default=4,
        help="up to this epoch only the heads learn (warm-up); -1 for no warm-up",
    )
    loop.add_argument("--pretrain_lr", type=rate, default=1e-4, help="learning rate of the warm-up")
    loop.add_argument(
        "--classifier_lr", type=rate, default=1e-6, help="learning rate after it, x 0.9 every 10 epochs"
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
    loop.add_argument("--n_batch", type=count, default=300, help="episodes in an epoch")
    loop.add_argument("--ways", type=count, default=8, help="classes in an episode")
    loop.add_argument("--shots", type=count, default=3, help="images of each class in an episode")
    loop.add_argument(
        "--batch_size", type=count, default=64, help="images in a test batch, and in a random training batch"
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

    score = parser.add_argument_group("scores")
    score.add_argument("--gzsl", action="store_true", help="generalised: seen and unseen classes compete")
    score.add_argument(
        "--calibrated_stacking",
        type=number(float, -1000, 1000),
        default=0.0,
        help="GZSL: taken from the probabilities of seen classes; around 1e-4 where they come from a double softmax over 70 classes",
    )
    score.add_argument(
        "--sel_res",
        choices=list(BRANCH),
        default="layer",
        help="the branch that counts: main (final), layer (attention), pro (window)",
    )

    score.add_argument(
        "--protocol",
        choices=["paper", "clean"],
        default="paper",
        help="clean: epoch and calibration constant are chosen by a training of its own, before, in which some seen classes play the unseen ones",
    )
    score.add_argument(
        "--validation_classes",
        type=count,
        help="how many do (default: as many as there are unseen ones, but at most a third of the seen ones)",
    )

    run = parser.add_argument_group("run")
    run.add_argument(
        "--seeds",
        type=count,
        default=1,
        help="repeat with so many seeds: --manualSeed, or 1, and those after it",
    )
    run.add_argument(
        "--name",
        help="the run folder is runs/<name>, or <name>-2, ... if a run with other options has it (default: from the setting)",
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
        help="go on from a saved model; options not given are those it was saved with",
    )
    run.add_argument(
        "--eval", "--only_evaluate", action="store_true", help="only evaluate the model of --resume"
    )
    run.add_argument(
        "--repeat",
        type=path,
        metavar="RESULTS",
        help="run a results.json again, with its options and seeds, and say of every score whether it agrees: exit code 0 if all do, "
        "1 if not. What is given here replaces what was recorded: --root, --clip, --device, ... (default of --output: runs/X-repeat)",
    )

    published = parser.add_argument_group(
        "accepted, without effect", "the published command lines may carry them: " + " ".join(NO_EFFECT)
    )
    for name in NO_EFFECT:
        published.add_argument(
            name, nargs="?", action=NoEffect, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    return parser


def get_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line. Says which of the given options do nothing; ends with code 2 on one that does not exist."""
    parser = get_parser()
    opt = parser.parse_args(arguments)
    if opt.eval and not opt.resume:
        parser.error("--eval needs --resume CHECKPOINT")
    parser.set_defaults(**RECIPES[opt.recipe])
    opt = parser.parse_args(arguments)
    if opt.resume:
        parser.set_defaults(**recorded(parser, checkpoint_metadata(opt.resume)["options"], opt.resume))
        opt = parser.parse_args(arguments)
    if opt.repeat:
        if opt.resume:
            parser.error("--repeat begins anew: leave --resume and --eval out")
        parser.set_defaults(**recorded(parser, read_results(opt.repeat)["options"], opt.repeat))
        opt = parser.parse_args(arguments)
        opt.output = folder_of_repetition(opt.repeat, opt.output)
    if opt.decorrelate and opt.start != "words":
        parser.error(f"--decorrelate {opt.decorrelate:g} needs --start words: add it, or --decorrelate 0")
    if opt.resume and opt.protocol == "clean" and not opt.eval:
        parser.error(
            "--protocol clean chooses by a training from CLIP's weights: leave --resume out (the same command goes on with a run)"
        )
    if (opt.eval or opt.resume) and not isinstance(opt.random_id, int):
        parser.error("--resume is for one division: expected one number as --random_id")
    ignored = sorted(set(vars(opt).pop("no_effect", [])))
    if opt.calibrated_stacking and not opt.gzsl:
        ignored.append("--calibrated_stacking (ZSL has no seen candidates)")
    if ignored:
        print(f"note: accepted, without effect: {', '.join(ignored)}")
    return opt


def recorded(parser: argparse.ArgumentParser, options: Mapping, where: Union[str, Path]) -> dict:
    """All options, those that a file recorded and the defaults of others. Refuses what the command line would have refused."""
    for action in parser._actions:
        value = options.get(action.dest, action.default)
        if not value == action.default and not is_possible(value, action):
            raise InputError(
                f"{where} has recorded --{action.dest} {value!r}, which is no value of this option"
            )
    return {
        action.dest: options.get(action.dest, action.default)
        for action in parser._actions
        if action.default != argparse.SUPPRESS
    }


def is_possible(value, action: argparse.Action) -> bool:
    """May an option have this value, once it is read?"""
    if isinstance(action.default, bool):
        return isinstance(value, bool)
    if action.nargs == "+":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if action.choices:
        return value in action.choices
    try:
        read = (action.type or str)(",".join(map(str, value)) if isinstance(value, list) else str(value))  # type: ignore[operator]
    except (argparse.ArgumentTypeError, ValueError):
        return False
    return (
        read == value or isinstance(read, str) and isinstance(value, str)
    )  # a path is not written as it was read


def needs_windows(opt: argparse.Namespace, epoch: int) -> bool:
    """Does the branch that counts look at windows, after this epoch?"""
    return opt.sel_res == "pro" or opt.sel_res == "main" and epoch > opt.pro_start_epoch


def clip_folder(opt: argparse.Namespace) -> Path:
    return Path(
        opt.clip.replace("{}", str(opt.random_id))
        if opt.clip
        else Path(opt.clip_root) / {1: "clip-rsicd", 2: "clip-rsicd-v2"}[opt.version]
    )


def loss_weights(opt: argparse.Namespace) -> dict:
    attention_terms = ("l_xe", "l_attri", "l_regular", "cpt")
    return {
        name: getattr(opt, name) if opt.additional_loss or name not in attention_terms else 0.0
        for name in TERMS
    }
