"""Automatic attribute annotation: how well each attribute, as a sentence, fits each class, according to CLIP.

    python model/annotate.py --image_embedding 61 --clip flax-community/clip-rsicd \\
        --output RSSDIVCS/files/mine_splits.mat --group_file mine
    python model/annotate.py --show RSSDIVCS/files/mine_splits.mat --picture similarity.png
    python model/annotate.py --show RSSDIVCS/files/mine_splits.mat --against other_splits.mat

`--from` says what stands for a class:
    images   all its images, as in the paper. Unseen classes are described by their own test images
    untested all that are no test image of the division, if every class has some
             (the demo keeps a few of each unseen class)
    seen     the training images of the seen classes, the names of the others: no test image is touched
    names    its name: no image is touched at all

Every class is compared with every attribute (cosine of CLIP embeddings, averaged over the class's images);
the result is standardised per attribute over the classes, and has unit norm per class.

`--show` prints what an annotation says: the strongest attributes of each class, how alike the classes are,
how far two annotations agree.
"""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import scipy.io

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
from clip.description import Annotation, agreement, closest_pairs, cosines, draw_similarity, read_annotation
from clip.embed import Clip
from data.benchmark import BenchmarkFiles, readable
from data.checks import image_path
from data.matlab import cell_array, divisions_of, from_matlab, read_mat, strings
from runs.settings import benchmark_files
from support.cli import Parser, add_clip_options, add_data_options, number, path
from support.errors import InputError, exits_cleanly
from support.files import atomic, read_json, sha256, write_json
from support.machine import REPOSITORY, pick_device
from support.processes import init_processes, progress, rank_zero

SHOWN_CLASSES, SHOWN_ATTRIBUTES = 10, 5  # after an annotation
SHOWN_PAIRS = 5  # of classes, with --show
OF_A_DIVISION = r".+_\d+"  # variables of a splits file


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    if opt.show:
        show_annotation(Path(opt.show), opt.top, opt.against, opt.picture)
    else:
        annotate(opt)


def annotate(opt: argparse.Namespace):
    """Read the vocabulary and the classes, let CLIP compare them, and write the matrix."""
    device = init_processes(pick_device(opt.device))
    files = benchmark_files(opt)
    output = Path(opt.output)
    groups_json = output.parent / (opt.group_file.removesuffix(".json") + ".json")

    vocabulary = load_vocabulary(opt.vocabulary)
    attributes = flat(vocabulary)
    groups = group_indices(vocabulary)
    check_targets(output, files.splits_mat, groups_json, groups)
    source = read_source(files.splits_mat)
    classes = strings(source["allclasses_names"])
    truth = true_attributes(source, attributes)
    paths, labels, division = images_to_describe(opt.source, files, len(classes))

    clip = Clip(opt.clip, device)
    if opt.bands:
        clip.preprocessing = clip.preprocessing.of_bands(opt.bands)
    by_name, by_image = similarities(
        clip,
        attributes,
        opt.prompts,
        [readable(name) for name in classes],
        CLASS_PROMPTS,
        progress(clip.loader(paths, opt.batch_size, opt.workers), "images"),
        labels,
    )
    scores = merge_sources(by_name, by_image)  # [C, A]

    table = {key: value for key, value in source.items() if re.fullmatch(OF_A_DIVISION, key)}
    table["att"] = unit_norm(scores).T
    table["allclasses_names"] = source["allclasses_names"]
    table["attribute_names"] = cell_array(attributes)
    table["similarity_names"] = by_name.T
    table["similarity_images"] = by_image.T
    table["provenance"] = json.dumps(provenance(opt, clip, len(paths), division))
    if truth is not None:
        table["att_true"] = truth.T
    rank_zero(write_annotation, output, table, groups_json, groups)

    print(f"clip    {opt.clip}")
    print_report(classes, attributes, scores, labels, division)
    if truth is not None:
        print_agreement(unit_norm(scores), unit_norm(standardize(truth)))
    print(f"wrote   {output}\n        {groups_json}")


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="annotate.py",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Let CLIP write the class-attribute matrix: a splits file in the published format, "
        "and its groups file.",
    )
    add_data_options(parser)
    add_clip_options(parser)
    parser.add_argument(
        "--vocabulary",
        type=path,
        default=str(REPOSITORY / "RSSDIVCS" / "files" / "attributes_98.json"),
        help='attribute names in groups, {"functions": ["runways", ...], ...}. '
        "The default one is our own: the authors' list is not public",
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=["images", "untested", "seen", "names"],
        default="images",
        help="what stands for a class: all its images, as published; those outside the test sets; "
        "training images of seen classes and names of the others; names",
    )
    parser.add_argument(
        "--prompts",
        nargs="+",
        default=list(ATTRIBUTE_PROMPTS),
        help="sentences about an attribute, averaged; {} is its name",
    )
    parser.add_argument("--output", type=path, metavar="FILE", help="the new NAME_splits.mat")
    add_show_options(parser)
    opt = parser.parse_args(arguments)
    if not opt.show and not opt.output:
        parser.error("the following arguments are required: --output (or --show)")
    if not opt.show and (opt.against or opt.picture):
        parser.error("--against and --picture go with --show")
    return opt


def add_show_options(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("an annotation that exists")
    group.add_argument(
        "--show",
        type=path,
        metavar="FILE",
        help="print what this NAME_splits.mat says, and do nothing else; it must name its attributes, "
        "as those do that this program writes",
    )
    group.add_argument("--top", type=number(int, 1), default=5, help="attributes of a class")
    group.add_argument(
        "--against",
        type=path,
        metavar="FILE",
        help="another annotation of the same classes with the same attributes",
    )
    group.add_argument(
        "--picture", type=path, metavar="PNG", help="draw the similarity of the classes, like beside like"
    )


# ---- what is read ----------------------------------------------------------------------------------


def check_targets(output: Path, splits_mat: Path, groups_json: Path, groups: dict):
    """Raise InputError if something that is needed elsewhere would be written over."""
    if output.resolve() == splits_mat.resolve():
        raise InputError(f"--output {output} is the splits file that is read: name another")
    if not groups_json.stem.strip("."):
        raise InputError(f"--group_file: {groups_json.name} is no name for a file; expected a word")
    if groups_json.is_file() and read_json(groups_json) != groups:
        raise InputError(
            f"{groups_json} groups other attributes, and other splits may need it: "
            "name another with --group_file"
        )


def read_source(splits_mat: Path) -> Dict[str, np.ndarray]:
    """Of a splits file the classes' names, all divisions and, if there, the attributes' names and truth."""
    read_mat(splits_mat, ["allclasses_names"])  # or an error that says what is wrong with the file
    divided = [name for name, _, _ in scipy.io.whosmat(splits_mat) if re.fullmatch(OF_A_DIVISION, name)]
    return read_mat(splits_mat, ["allclasses_names", *divided], ["attribute_names", "att_true"])


def true_attributes(source: Dict[str, np.ndarray], names: List[str]) -> Optional[np.ndarray]:
    """How present each attribute truly is, [C, A], if the splits file tells it of all (the demo's does)."""
    known = strings(source.get("attribute_names", np.array([])))
    if "att_true" not in source or not set(names) <= set(known):
        return None
    return source["att_true"][[known.index(name) for name in names]].T


def images_to_describe(
    source: str, files: BenchmarkFiles, classes: int
) -> Tuple[List[Path], np.ndarray, Optional[int]]:
    """The images that stand for their classes.

    Returns their files, their labels [n], and the only division that they are good for, None if for all.
    """
    if source == "names":
        return [], np.array([], int), None
    images = read_mat(files.images_mat, ["labels", "image_files"])
    names = strings(images["image_files"])
    labels = from_matlab(images["labels"], classes, f"labels in {files.images_mat}", "classes")
    if len(labels) != len(names):
        raise InputError(
            f"{files.images_mat}: {len(labels)} labels for {len(names)} image_files, expected as many"
        )
    chosen, division = indices_to_describe(source, files, len(names))
    without = np.setdiff1d(np.arange(classes), labels[chosen])
    if len(without) and source != "seen":
        raise InputError(
            f"--from {source}: class {without[0] + 1} of {classes} has no such image in "
            f"{files.images_mat}: use --from seen or --from names"
        )
    paths = [image_path(names[i], files.image_root, files.images_mat) for i in chosen]
    return paths, labels[chosen], division


def indices_to_describe(source: str, files: BenchmarkFiles, images: int) -> Tuple[np.ndarray, Optional[int]]:
    """0-based indices, and the only division that they are good for, None if for all.

    Of "seen" and "untested" no test image of the division, be its class seen or unseen.
    """
    every_image = np.arange(images)
    if source == "images":
        return every_image, None
    tested = tested_images(files, images)
    if source == "seen":
        return np.setdiff1d(read_division(files, "train_gzsl_loc", images), tested), files.random_id
    same_in_all = True
    for k in divisions_of(files.splits_mat):
        same_in_all &= np.array_equal(tested, tested_images(replace(files, random_id=k), images))
    return np.setdiff1d(every_image, tested), None if same_in_all else files.random_id


def tested_images(files: BenchmarkFiles, images: int) -> np.ndarray:
    """0-based indices of the test images of the chosen division, sorted."""
    seen = read_division(files, "test_seen_loc", images)
    unseen = read_division(files, "test_unseen_loc", images)
    return np.union1d(seen, unseen)


def read_division(files: BenchmarkFiles, name: str, images: int) -> np.ndarray:
    """0-based image indices of one part of the chosen seen/unseen division."""
    key = f"{name}_{files.random_id}"
    indices = read_mat(files.splits_mat, [key])[key]
    return from_matlab(indices, images, f"{key} in {files.splits_mat}", "images")


# ---- what is written -------------------------------------------------------------------------------


def write_annotation(output: Path, table: Dict[str, Any], groups_json: Path, groups: dict):
    """Both files or none."""
    with atomic(output) as temporary:
        scipy.io.savemat(temporary, table, appendmat=False)
        write_json(groups_json, groups)


def provenance(opt: argparse.Namespace, clip: Clip, images: int, division: Optional[int]) -> Dict[str, Any]:
    """How the matrix was made."""
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
    classes: List[str],
    attributes: List[str],
    scores: np.ndarray,
    labels: np.ndarray,
    division: Optional[int],
):
    """What stands for the classes, and the strongest attributes of the first of them.

    scores: [C, A];  labels: [n], class of each image that stands for it
    """
    pictured = len(np.unique(labels))
    named = len(classes) - pictured
    print(
        f"from    {len(labels)} images of {pictured} classes, the names of {named}; "
        f"{len(attributes)} attributes"
    )
    if division is not None:
        print(
            f"note: seen and unseen are those of --random_id {division}: annotate every other division anew"
        )
    for name, row in list(zip(classes, scores))[:SHOWN_CLASSES]:
        print(f"        {readable(name):24} {strongest(row, attributes, SHOWN_ATTRIBUTES)}")


def strongest(row: np.ndarray, attributes: List[str], count: int) -> str:
    """The names of a class's strongest attributes.  row: [A]"""
    order = np.argsort(-row, kind="stable")[:count]
    return ", ".join(attributes[a] for a in order)


def print_agreement(scores: np.ndarray, truth: np.ndarray):
    """What CLIP saw and what is there: [C, A] each, standardised per attribute, unit norm per class."""
    everywhere, within = agreement(scores, truth)
    print(
        f"truth   rank correlation with att_true {everywhere:.3f} over all {scores.size} "
        f"class-attribute pairs, {within:.3f} within an attribute, on average"
    )


# ---- --show ----------------------------------------------------------------------------------------


def show_annotation(splits_mat: Path, top: int, against: Optional[str], picture: Optional[str]):
    """What an annotation says.

    top: attributes of each class;  against: another splits file;  picture: the new file
    """
    annotation = read_annotation(splits_mat)
    values, classes = annotation.values, annotation.classes
    for name, row in zip(classes, values):
        print(f"{name:24} {strongest(row, annotation.attributes, top)}")
    pairs = []
    for i, j, cosine in closest_pairs(values, SHOWN_PAIRS):
        pairs.append(f"{classes[i]} and {classes[j]} {cosine:.2f}")
    print(f"most alike  {'; '.join(pairs)}")
    if against:
        compare(splits_mat, annotation, Path(against))
    if picture:
        with atomic(Path(picture)) as temporary:
            draw_similarity(cosines(values, values), classes, temporary)
        print(f"wrote   {picture}")


def compare(splits_mat: Path, annotation: Annotation, against: Path):
    """How far another annotation of the same classes agrees."""
    other = read_annotation(against)
    if other.classes != annotation.classes or other.attributes != annotation.attributes:
        raise InputError(
            f"{against} has other classes or attributes than {splits_mat}: "
            "expected the same, in the same order"
        )
    everywhere, within = agreement(annotation.values, other.values)
    nearest = cosines(annotation.values, other.values).argmax(axis=1)
    found = 100 * (nearest == np.arange(len(nearest))).mean()
    print(
        f"against {against}: rank correlation {everywhere:.3f} over all pairs, "
        f"{within:.3f} within an attribute; "
        f"{found:.0f} % of the classes are nearest to their own description there"
    )


if __name__ == "__main__":
    main()
