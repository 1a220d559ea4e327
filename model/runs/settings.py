"""From the options of a run, parsed or recorded, to the few values that each room needs.

This is the only place below the programs that knows the options' names. `opt` holds those of runs/options.py.
"""

import math
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

from data.benchmark import BenchmarkFiles, find_files
from data.matlab import divisions_of
from dsva.engine import Schedule
from dsva.protocol import training_part
from runs.command_line import recorded
from runs.options import ATTENTION_TERMS, LOSS_WEIGHTS, get_parser
from runs.records import looks_at_windows, selected_branch
from support.errors import InputError

PUBLISHED_GROUPS = ("functions", "materials", "surface_properties")  # of --pro_type 1, 2, 3


@dataclass(frozen=True)
class NetworkSettings:
    """What the network is built from, beside the data: see `dsva.network.DSVA`."""

    clip: Path  # checkpoint folder
    pro_type: int
    pro_thr: float
    pro_weight: float
    class_token: bool
    decorrelated: bool
    precision: str  # fp32, tf32 or bf16
    compiled: bool


@dataclass(frozen=True)
class SavedSettings:
    """What a checkpoint's options say to those who look at images with it.

    trained_on:  name of the split whose images it was trained with
    gzsl:        do seen and unseen classes compete?
    branch:      whose scores count
    windows:     does that branch look at windows?
    calibration: what is taken from the probabilities of seen classes in GZSL
    bands:       of a picture that are red, green and blue, None for the first three
    """

    network: NetworkSettings
    files: BenchmarkFiles
    only_groups: Optional[List[str]]
    normalize: str
    bands: Optional[List[int]]
    trained_on: str
    gzsl: bool
    branch: str
    windows: bool
    calibration: float


def saved_settings(
    options: Mapping[str, Any], epoch: int, where: Path, dataset: Union[str, Path, None] = None
) -> SavedSettings:
    """Of the options that a checkpoint recorded.

    where:   the checkpoint, for the message of an InputError
    dataset: the folder that the dataset has moved to
    """
    opt = Namespace(**recorded(get_parser(), options, where))
    if dataset:
        opt = with_dataset(opt, Path(dataset))
    windows = needs_windows(opt, epoch)
    return SavedSettings(
        network=network_settings(opt),
        files=benchmark_files(opt),
        only_groups=opt.only_groups,
        normalize=opt.normalize,
        bands=opt.bands,
        trained_on=training_part(opt.gzsl, opt.protocol == "clean"),
        gzsl=opt.gzsl,
        branch=selected_branch(opt.sel_res, ["projection+window"] if windows else ["projection"]),
        windows=windows,
        calibration=opt.calibrated_stacking,
    )


def with_dataset(opt: Namespace, folder: Path) -> Namespace:
    """The same options for a dataset that has moved to this folder: what is gone is looked for in it."""
    moved: Dict[str, Any] = {"root": str(folder.parent), "dataset": folder.name}
    if opt.image_root and not Path(opt.image_root).is_dir():
        moved["image_root"] = None
    for name in ("image_embedding", "class_embedding", "group_file"):
        value = getattr(opt, name)
        if value and Path(value).is_absolute() and not Path(value).is_file():
            moved[name] = Path(value).name
    return with_options(opt, **moved)


def network_settings(opt: Namespace) -> NetworkSettings:
    """What `build_network` takes."""
    return NetworkSettings(
        clip=clip_folder(opt),
        pro_type=opt.pro_type,
        pro_thr=opt.pro_thr,
        pro_weight=opt.pro_weight,
        class_token=opt.pool == "class",
        decorrelated=bool(opt.decorrelate),
        precision=opt.precision,
        compiled=opt.compile,
    )


def clip_folder(opt: Namespace) -> Path:
    """The CLIP checkpoint of --clip, or of --version below --clip_root."""
    if opt.clip:
        return Path(opt.clip.replace("{}", str(opt.random_id)))
    return Path(opt.clip_root) / {1: "clip-rsicd", 2: "clip-rsicd-v2"}[opt.version]


def schedule_of(opt: Namespace) -> Schedule:
    """What happens in which epoch."""
    return Schedule(
        epochs=opt.nepoch,
        warmup_until=opt.pretrain_epoch,
        warmup_lr=opt.pretrain_lr,
        full_lr=opt.classifier_lr,
        beta1=opt.beta1,
        windows_after=windows_after(opt),
        test_every=opt.test_every,
    )


def benchmark_files(opt: Namespace) -> BenchmarkFiles:
    """Where the data lie. `opt` may be that of any program with support.cli.add_data_options."""
    return find_files(
        root=opt.root,
        dataset=opt.dataset,
        image_embedding=opt.image_embedding,
        class_embedding=opt.class_embedding,
        group_file=opt.group_file,
        image_root=opt.image_root,
        random_id=opt.random_id,
    )


def embedding_folder(opt: Namespace) -> Optional[Path]:
    """Where CLIP's embeddings of pictures are kept, None to keep none.

    `opt` is of a program with support.cli.add_embedding_options.
    """
    if not opt.embedding_cache:
        return None
    return Path(opt.cache_dir) if opt.cache_dir else Path(opt.root) / opt.dataset / "cache"


def windows_after(opt: Namespace) -> float:
    """The last epoch without windows. As published, 0 means never, as does leaving the option out."""
    return opt.pro_start_epoch if opt.pro_start_epoch else math.inf


def needs_windows(opt: Namespace, epoch: int) -> bool:
    """Does the branch that counts look at windows, after this epoch?"""
    return looks_at_windows(opt.sel_res, epoch > windows_after(opt))


def window_groups(groups: Dict[str, List[int]], pro_type: int) -> List[List[int]]:
    """The attribute groups that choose the window. Published ones go by name, others by their order.

    pro_type: 1, 2 or 3 for one of them, 4 for all
    """
    if pro_type == 4:
        return list(groups.values())
    published = PUBLISHED_GROUPS[pro_type - 1]
    if published in groups:
        return [groups[published]]
    if pro_type > len(groups):
        raise InputError(
            f"main.py --pro_type {pro_type}: there are {len(groups)} attribute groups ({', '.join(groups)}); "
            "expected one of their numbers, or 4 for all"
        )
    return [list(groups.values())[pro_type - 1]]


def loss_weights(opt: Namespace) -> Dict[str, float]:
    """Weight of each term. Which options silence which terms is as in the published program."""
    weights = {name: getattr(opt, name) for name in LOSS_WEIGHTS}
    if not opt.additional_loss:
        weights.update(dict.fromkeys([*ATTENTION_TERMS, "regular"], 0.0))
    if not opt.use_group:
        weights["cpt"] = 0.0
        if not weights["l_regular"]:
            weights["regular"] = 0.0
    return weights


def divisions_and_seeds(opt: Namespace) -> Dict[str, Namespace]:
    """Options of each division and seed, {"division-0_seed-1": ...}; {} if there is but one training."""
    if opt.seeds == 1 and isinstance(opt.random_id, int):
        return {}
    first = 1 if opt.manualSeed is None else opt.manualSeed
    parts = {}
    for division in divisions_to_run(opt):
        for seed in range(first, first + opt.seeds):
            part = with_options(opt, random_id=division, manualSeed=seed, seeds=1)
            parts[f"division-{division}_seed-{seed}"] = part
    return parts


def divisions_to_run(opt: Namespace) -> List[int]:
    """Those of --random_id, which is one, a list of them, or "all"."""
    if opt.random_id == "all":
        return divisions_of(benchmark_files(with_options(opt, random_id=0)).splits_mat)
    return opt.random_id if isinstance(opt.random_id, list) else [opt.random_id]


def with_options(opt: Namespace, **values) -> Namespace:
    """The same options but for these."""
    return Namespace(**{**vars(opt), **values})
