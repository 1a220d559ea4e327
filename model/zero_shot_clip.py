"""Baselines without training, on the same division and by the same measure as DSVA.

    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd                        CLIP by class name
    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd --gzsl --attributes    and attributes alone

names       cosine of the image's embedding with that of the class-name sentences
attributes  cosine of the image's similarities to the attribute sentences with the class's attribute vector: what `att` gives without DSVA
"""

import argparse
from pathlib import Path
from typing import Dict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, standardize
from clip.embed import Clip
from data.benchmark import ATTRIBUTE_NAMES, Benchmark, find_files, load_benchmark, readable
from data.matlab import read_mat
from dsva.metrics import score_all
from runs.console import show
from support.cli import Parser, add_clip_options, add_data_options, number, path
from support.errors import InputError, exits_cleanly
from support.files import write_json
from support.machine import circumstances, pick_device
from support.processes import init_processes, progress, rank_zero


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device, files = init_processes(pick_device(opt.device)), find_files(opt)
    data = load_benchmark(**files)
    if opt.attributes and not read_mat(files["splits_mat"], [], ATTRIBUTE_NAMES).keys() & set(
        ATTRIBUTE_NAMES
    ):
        raise InputError(
            f"--attributes: {files['splits_mat']} does not name its attributes; annotate.py writes files that do"
        )
    classes, tested = data.candidates(opt.gzsl), data.test_images(opt.gzsl)
    probabilities = baselines(opt, Clip(opt.clip, device), data, classes, tested)

    scores, per_class = score_all(
        probabilities, data.labels[tested], classes, data.seen, data.unseen, opt.gzsl, opt.calibrated_stacking
    )
    chance = 100 / len(data.unseen)
    print(
        f"{len(tested)} test images, {len(classes)} candidate classes; chance among the unseen classes: {chance:.2f}\n{show(scores)}"
    )
    if opt.output:
        rank_zero(
            write_json,
            Path(opt.output) / "results.json",
            {
                "scores": scores,
                "per_class": {
                    "class": [data.class_names[c] for c in classes],
                    **{name: accuracies.tolist() for name, accuracies in per_class.items()},
                },
                "chance": chance,
                "options": vars(opt),
                **circumstances(),
            },
        )
        print(f"results in {opt.output}")


def baselines(
    opt: argparse.Namespace, clip: Clip, data: Benchmark, classes: np.ndarray, tested: np.ndarray
) -> Dict[str, np.ndarray]:
    """Class probabilities [n, len(classes)] of the tested images, by each baseline: softmax of cosines, with CLIP's own temperature."""
    images = embed(opt, clip, data, tested)  # [n, P]
    cosines = {
        "names": images @ clip.embed_words([readable(data.class_names[c]) for c in classes], CLASS_PROMPTS).T
    }
    if opt.attributes:
        attributes = clip.embed_words(
            data.attribute_names, data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS)
        )  # [A, P]
        seen_images = embed(opt, clip, data, data.splits["train_gzsl_loc"])  # [m, P]
        cosines["attributes"] = attribute_cosines(
            images @ attributes.T, seen_images @ attributes.T, data.class_attributes[:, classes]
        )
    return {name: (clip.scale * cosine.double()).softmax(dim=1).numpy() for name, cosine in cosines.items()}


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="zero_shot_clip.py",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="What CLIP knows without training: zero-shot classification by class name, and by attributes alone.",
    )
    add_data_options(parser)
    add_clip_options(parser)
    parser.add_argument(
        "--attributes",
        action="store_true",
        help="also by attributes alone; the splits file must name them, as those of annotate.py do",
    )
    parser.add_argument("--gzsl", action="store_true", help="generalised: seen and unseen classes compete")
    parser.add_argument(
        "--calibrated_stacking",
        type=number(float, -np.inf),
        default=0.0,
        help="GZSL: taken from the probabilities of seen classes; 0 to 1",
    )
    parser.add_argument("--output", type=path, metavar="FOLDER", help="write results.json there")
    return parser.parse_args(arguments)


def embed(opt: argparse.Namespace, clip: Clip, data: Benchmark, images: np.ndarray) -> Tensor:
    """images: [n] indices -> [n, P]"""
    return clip.embed_images(
        progress(clip.loader([data.image_paths[i] for i in images], opt.batch_size, opt.workers), "images")
    )


def attribute_cosines(similarities: Tensor, reference: Tensor, class_attributes: Tensor) -> Tensor:
    """similarities: [n, A] of images and attributes;  reference: [m, A] those of seen training images;  class_attributes: [A, C].

    Each attribute's similarities have an offset and a spread of their own, which the seen training images tell. Returns [n, C].
    """
    standardized = torch.from_numpy(
        standardize(similarities.double().numpy(), reference.double().numpy())
    ).float()
    return F.normalize(standardized, dim=1) @ F.normalize(class_attributes, dim=0)


if __name__ == "__main__":
    main()
