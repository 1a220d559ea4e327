"""Baselines without training, on the same division and by the same measure as DSVA.

    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd
    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd --gzsl --attributes

names       cosine of the image's embedding with that of the class-name sentences
attributes  cosine of the image's similarities to the attribute sentences with the class's attribute vector:
            what `att` gives without DSVA
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, standardize
from clip.embed import Clip
from data.benchmark import ATTRIBUTE_NAMES, Benchmark, load_benchmark, readable
from data.matlab import read_mat
from dsva.metrics import score_all
from runs.console import show
from runs.settings import benchmark_files
from support.cli import Parser, add_clip_options, add_data_options, number, path
from support.errors import InputError, exits_cleanly
from support.files import write_json
from support.machine import circumstances, pick_device
from support.processes import init_processes, progress, rank_zero


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    files = benchmark_files(opt)
    data = load_benchmark(files)
    if opt.attributes:
        check_attributes_are_named(files.splits_mat)
    classes = data.candidates(opt.gzsl)
    tested = data.test_images(opt.gzsl)

    clip = Clip(opt.clip, device)
    if opt.bands:
        clip.preprocessing = clip.preprocessing.of_bands(opt.bands)
    images = embed(clip, data, tested, opt.batch_size, opt.workers)  # [n, P]
    cosines = {"names": by_name(clip, data, images, classes)}
    if opt.attributes:
        seen_images = embed(clip, data, data.splits["train_gzsl_loc"], opt.batch_size, opt.workers)
        cosines["attributes"] = by_attributes(clip, data, images, seen_images, classes)
    probabilities = {name: to_probabilities(cosine, clip.scale) for name, cosine in cosines.items()}

    scores, per_class = score_all(
        probabilities, data.labels[tested], classes, data.seen, data.unseen, opt.gzsl, opt.calibrated_stacking
    )
    chance = 100 / len(data.unseen)
    print(
        f"{len(tested)} test images, {len(classes)} candidate classes; "
        f"chance among the unseen classes: {chance:.2f}"
    )
    print(show(scores))
    if opt.output:
        results = {
            "scores": scores,
            "per_class": {
                "class": [data.class_names[c] for c in classes],
                **{name: accuracies.tolist() for name, accuracies in per_class.items()},
            },
            "chance": chance,
            "options": vars(opt),
            **circumstances(),
        }
        rank_zero(write_json, Path(opt.output) / "results.json", results)
        print(f"results in {opt.output}")


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="zero_shot_clip.py",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="What CLIP knows without training: zero-shot classification by class name, "
        "and by attributes alone.",
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


def check_attributes_are_named(splits_mat: Path):
    """Raise InputError if a splits file does not tell what its attributes are called."""
    if not read_mat(splits_mat, [], ATTRIBUTE_NAMES).keys() & set(ATTRIBUTE_NAMES):
        raise InputError(
            f"--attributes: {splits_mat} does not name its attributes; annotate.py writes files that do"
        )


def embed(clip: Clip, data: Benchmark, images: np.ndarray, batch_size: int, workers: int) -> Tensor:
    """images: [n] indices -> [n, P]"""
    paths = [data.image_paths[i] for i in images]
    return clip.embed_images(progress(clip.loader(paths, batch_size, workers), "images"))


# ---- the baselines ---------------------------------------------------------------------------------


def by_name(clip: Clip, data: Benchmark, images: Tensor, classes: np.ndarray) -> Tensor:
    """Cosines of images with class-name sentences.  images: [n, P] -> [n, len(classes)]"""
    words = [readable(data.class_names[c]) for c in classes]
    return images @ clip.embed_words(words, CLASS_PROMPTS).T


def by_attributes(
    clip: Clip, data: Benchmark, images: Tensor, seen_images: Tensor, classes: np.ndarray
) -> Tensor:
    """Cosines of images and classes as attribute vectors.

    images: [n, P];  seen_images: [m, P] for training.  Returns [n, len(classes)].
    """
    prompts = data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS)
    attributes = clip.embed_words(data.attribute_names, prompts)  # [A, P]
    return attribute_cosines(
        images @ attributes.T, seen_images @ attributes.T, data.class_attributes[:, classes]
    )


def attribute_cosines(similarities: Tensor, reference: Tensor, class_attributes: Tensor) -> Tensor:
    """Each attribute's similarities have an offset and a spread of their own: the reference tells them.

    similarities: [n, A] of images and attributes;  reference: [m, A] those of seen training images
    class_attributes: [A, C].  Returns [n, C].
    """
    standardized = standardize(similarities.double().numpy(), reference.double().numpy())
    vectors = torch.from_numpy(standardized).float()
    return F.normalize(vectors, dim=1) @ F.normalize(class_attributes, dim=0)


def to_probabilities(cosines: Tensor, scale: float) -> np.ndarray:
    """Softmax of cosines, with CLIP's own temperature.  [n, C] -> [n, C]"""
    return (scale * cosines.double()).softmax(dim=1).numpy()


if __name__ == "__main__":
    main()
