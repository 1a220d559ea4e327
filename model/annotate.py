"""Automatic attribute annotation: how well each attribute, as a sentence, fits each class, according to CLIP.

    python model/annotate.py --image_embedding 61 --clip flax-community/clip-rsicd --output RSSDIVCS/files/mine_splits.mat --group_file mine

`--from` says what stands for a class:
    images   all its images, as in the paper. Unseen classes are described by their own test images
    untested all that are no test image of the division, if every class has some (the demo keeps a few of each unseen class)
    seen     the training images of the seen classes, the names of the others: no test image is touched
    names    its name: no image is touched at all

Every class is compared with every attribute (cosine of CLIP embeddings, averaged over the class's images); the result is
standardised per attribute over the classes, and has unit norm per class.
"""

import argparse
import json
import re
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import scipy.io
from scipy.stats import spearmanr

from clip.attributes import (
    ATTRIBUTE_PROMPTS,
    CLASS_PROMPTS,
    flat,
    group_indices,
    load_vocabulary,
    merge_sources,
    similarities,
    standardize,
    unit_norm,
)
from clip.embed import Clip
from data.benchmark import find_files, image_path, readable
from data.matlab import cell_array, divisions_of, from_matlab, read_mat, strings
from support.cli import Parser, add_clip_options, add_data_options, path
from support.errors import InputError, exits_cleanly
from support.files import atomic, read_json, sha256, write_json
from support.machine import REPOSITORY, pick_device
from support.processes import init_processes, progress, rank_zero

SHOWN_CLASSES, SHOWN_ATTRIBUTES = 10, 5


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device, files, output = init_processes(pick_device(opt.device)), find_files(opt), Path(opt.output)
    groups_json = output.parent / (opt.group_file.removesuffix(".json") + ".json")
    vocabulary = load_vocabulary(opt.vocabulary)
    names, groups = flat(vocabulary), group_indices(vocabulary)
    check_targets(output, files["splits_mat"], groups_json, groups)
    source = read_source(files["splits_mat"])
    classes, truth = strings(source["allclasses_names"]), true_attributes(source, names)
    paths, labels, division = images_to_describe(opt.source, files, len(classes))
    clip = Clip(opt.clip, device)
    by_name, by_image = similarities(
        clip,
        names,
        opt.prompts,
        [readable(name) for name in classes],
        CLASS_PROMPTS,
        progress(clip.loader(paths, opt.batch_size, opt.workers), "images"),
        labels,
    )
    scores = merge_sources(by_name, by_image)

    divisions = {key: value for key, value in source.items() if re.fullmatch(r".+_\d+", key)}
    table = {
        "att": unit_norm(scores).T,
        "allclasses_names": source["allclasses_names"],
        **divisions,
        "similarity_names": by_name.T,
        "similarity_images": by_image.T,
        "attribute_names": cell_array(names),
        "provenance": json.dumps(provenance(opt, clip, len(paths), division)),
    }
    if truth is not None:
        table["att_true"] = truth.T
    rank_zero(write_annotation, output, table, groups_json, groups)
    print_report(opt, classes, names, scores, labels, division)
    if truth is not None:
        print_agreement(unit_norm(scores), unit_norm(standardize(truth)))
    print(f"wrote   {output}\n        {groups_json}")


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="annotate.py",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Let CLIP write the class-attribute matrix: a splits file in the published format, and its groups file.",
    )
    add_data_options(parser)
    add_clip_options(parser)
    parser.add_argument(
        "--vocabulary",
        type=path,
        default=str(REPOSITORY / "RSSDIVCS" / "files" / "attributes_98.json"),
        help='attribute names in groups, {"functions": ["runways", ...], ...}. The default one is our own: the authors\' list is not public',
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=["images", "untested", "seen", "names"],
        default="images",
        help="what stands for a class: all its images, as published; those outside the test sets; training images of seen classes and names of the others; names",
    )
    parser.add_argument(
        "--prompts",
        nargs="+",
        default=list(ATTRIBUTE_PROMPTS),
        help="sentences about an attribute, averaged; {} is its name",
    )
    parser.add_argument("--output", type=path, required=True, metavar="FILE", help="the new NAME_splits.mat")
    return parser.parse_args(arguments)


def check_targets(output: Path, splits_mat: Path, groups_json: Path, groups: dict):
    """Nothing that is needed elsewhere is written over."""
    if output.resolve() == splits_mat.resolve():
        raise InputError(f"--output {output} is the splits file that is read: name another")
    if not groups_json.stem.strip("."):
        raise InputError(f"--group_file: {groups_json.name} is no name for a file; expected a word")
    if groups_json.is_file() and read_json(groups_json) != groups:
        raise InputError(
            f"{groups_json} groups other attributes, and other splits may need it: name another with --group_file"
        )


def read_source(splits_mat: Path) -> dict:
    """Of a splits file the classes' names, all divisions and, where it has them, the attributes' names and truth."""
    read_mat(splits_mat, ["allclasses_names"])  # or a clear error
    divided = [name for name, _, _ in scipy.io.whosmat(splits_mat) if re.fullmatch(r".+_\d+", name)]
    return read_mat(splits_mat, ["allclasses_names", *divided], ["attribute_names", "att_true"])


def true_attributes(source: dict, names: list) -> Optional[np.ndarray]:
    """How present each attribute truly is, [C, A], if the splits file tells it of all of them (the demo's does)."""
    known = strings(source.get("attribute_names", np.array([])))
    if "att_true" not in source or not set(names) <= set(known):
        return None
    return source["att_true"][[known.index(name) for name in names]].T


def images_to_describe(
    source: str, files: dict, classes: int
) -> Tuple[List[Path], np.ndarray, Optional[int]]:
    """The images that stand for their classes, their labels [n], and the only division that they are good for, None if for all.
    Of "seen" and "untested", no test image of either kind."""
    if source == "names":
        return [], np.array([], int), None
    images = read_mat(files["images_mat"], ["labels", "image_files"])
    names = strings(images["image_files"])
    labels = from_matlab(images["labels"], classes, f"labels in {files['images_mat']}", "classes")
    if len(labels) != len(names):
        raise InputError(
            f"{files['images_mat']}: {len(labels)} labels for {len(names)} image_files, expected as many"
        )
    chosen, division = np.arange(len(names)), None
    if source != "images":
        tested = tested_images(files, len(names))
        chosen = np.setdiff1d(
            read_division(files, "train_gzsl_loc", len(names)) if source == "seen" else chosen, tested
        )
        others = [
            tested_images({**files, "random_id": k}, len(names)) for k in divisions_of(files["splits_mat"])
        ]
        division = (
            None
            if source == "untested" and all(np.array_equal(tested, other) for other in others)
            else files["random_id"]
        )
    without = np.setdiff1d(np.arange(classes), labels[chosen])
    if len(without) and source != "seen":
        raise InputError(
            f"--from {source}: class {without[0] + 1} of {classes} has no such image in {files['images_mat']}: use --from seen or --from names"
        )
    return (
        [image_path(names[i], files["image_root"], files["images_mat"]) for i in chosen],
        labels[chosen],
        division,
    )


def tested_images(files: dict, images: int) -> np.ndarray:
    """0-based indices of the test images of the chosen division, sorted."""
    return np.union1d(*(read_division(files, name, images) for name in ("test_seen_loc", "test_unseen_loc")))


def read_division(files: dict, name: str, images: int) -> np.ndarray:
    """0-based image indices of one part of the chosen seen/unseen division."""
    key = f"{name}_{files['random_id']}"
    return from_matlab(
        read_mat(files["splits_mat"], [key])[key], images, f"{key} in {files['splits_mat']}", "images"
    )


def write_annotation(output: Path, table: dict, groups_json: Path, groups: dict):
    with atomic(output) as temporary:
        scipy.io.savemat(temporary, table, appendmat=False)
        write_json(groups_json, groups)


def provenance(opt: argparse.Namespace, clip: Clip, images: int, division: Optional[int]) -> dict:
    return {
        "clip": opt.clip,
        "weights_sha256": clip.weights_sha256(),
        "from": opt.source,
        "images": images,
        "random_id": division,
        "attribute_prompts": opt.prompts,
        "class_prompts": CLASS_PROMPTS,
        "vocabulary": opt.vocabulary,
        "vocabulary_sha256": sha256(opt.vocabulary),
    }


def print_report(
    opt: argparse.Namespace,
    classes: List[str],
    names: List[str],
    scores: np.ndarray,
    labels: np.ndarray,
    division: Optional[int],
):
    """What stands for the classes, and the strongest attributes of the first of them. scores: [C, A]"""
    pictured = len(np.unique(labels))
    print(f"clip    {opt.clip}")
    print(
        f"from    {len(labels)} images of {pictured} classes, the names of {len(classes) - pictured}; {len(names)} attributes"
    )
    if division is not None:
        print(
            f"note: seen and unseen are those of --random_id {division}: annotate every other division anew"
        )
    for name, row in list(zip(classes, scores))[:SHOWN_CLASSES]:
        print(
            f"        {readable(name):24} {', '.join(names[a] for a in np.argsort(-row, kind='stable')[:SHOWN_ATTRIBUTES])}"
        )


def print_agreement(scores: np.ndarray, truth: np.ndarray):
    """scores, truth: [C, A], what CLIP saw and what is there, each as `att` has it: standardised per attribute, unit norm per class"""
    everywhere, within = agreement(scores, truth)
    print(
        f"truth   rank correlation with att_true {everywhere:.3f} over all {scores.size} class-attribute pairs, "
        f"{within:.3f} within an attribute, on average"
    )


def agreement(scores: np.ndarray, truth: np.ndarray) -> Tuple[float, float]:
    """Spearman's rank correlation of two [C, A] matrices in the same units: over all pairs, and the mean over
    attributes of that over the classes. An attribute that is the same in all classes has no ranks, and is left out of the mean."""
    within = [
        spearmanr(scores[:, a], truth[:, a])[0]
        for a in range(scores.shape[1])
        if np.ptp(truth[:, a]) and np.ptp(scores[:, a])
    ]
    return float(spearmanr(scores, truth, axis=None)[0]), float(np.mean(within))


if __name__ == "__main__":
    main()
