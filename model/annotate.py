"""Automatic attribute annotation: how well each attribute, as a sentence, fits each class, according to CLIP.

    python model/annotate.py --image_embedding 61 --clip flax-community/clip-rsicd \\
        --output RSSDIVCS/files/mine_splits.mat --group_file mine
    python model/annotate.py ... --descriptions classes.json
    python model/annotate.py --show RSSDIVCS/files/mine_splits.mat --picture similarity.png
    python model/annotate.py --show RSSDIVCS/files/mine_splits.mat --against other_splits.mat

`--from` says what stands for a class:
    untested all its images that are no test image of the division. The default if each class has some, as
             `prepare.py --described 0.2` sees to
    images   all its images, as in the paper: unseen classes are described by their own test images. The
             default of other divisions, such as the published ones
    seen     the training images of the seen classes, the names of the others: no test image is touched
    names    its name: no image is touched at all

`--descriptions` has a sentence, or a list of phrases, for each class, or for the unseen ones alone. They are
taken apart into attributes, as predict.py does with those of new classes. Classes without one are described
as --from says, but no image of an unseen class is touched.

Every class is compared with every attribute (cosine of CLIP embeddings, averaged over the class's images);
the result is standardised per attribute over the classes, and has unit norm per class.

`--show` prints what an annotation says: the strongest attributes of each class, how alike the classes are,
how far two annotations agree.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from data.prompts import ATTRIBUTE_PROMPTS, CLASS_PROMPTS
from support.cli import REPOSITORY, Help, Parser, add_clip_options, add_data_options, number, path


def get_parser() -> Parser:
    parser = Parser(
        prog="annotate.py",
        allow_abbrev=False,
        formatter_class=Help,
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
        choices=["untested", "images", "seen", "names"],
        help="what stands for a class: its images outside the test sets; all its images, as published; "
        "training images of seen classes and names of the others; names "
        "(default: untested if each class has such images, or else images)",
    )
    parser.add_argument(
        "--descriptions",
        type=path,
        metavar="FILE.json",
        help='classes in words: {"airport": "runways, aircraft on asphalt", "beach": ["sand", "sea"]}, '
        "for each class or for the unseen ones alone, by name or by folder; the others are described as "
        "--from says",
    )
    parser.add_argument(
        "--prompts",
        nargs="+",
        default=list(ATTRIBUTE_PROMPTS),
        help="sentences about an attribute, averaged; {} is its name",
    )
    parser.add_argument("--output", type=path, metavar="FILE", help="the new NAME_splits.mat")
    add_show_options(parser)
    return parser


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


if __name__ == "__main__":
    get_parser().start()

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import numpy as np
import scipy.io

from clip.attributes import (
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
from clip.embeddings import Embeddings, Kept
from clip.sentences import matrix_with_sentences, read_descriptions
from data.benchmark import CLASS_FOLDERS, class_folders, read_class_names, readable
from data.describing import ClassImages, images_to_describe
from data.matlab import cell_array, read_mat, strings
from runs.settings import benchmark_files, embedding_folder
from support.errors import InputError, exits_cleanly
from support.files import atomic, read_json, sha256, write_json
from support.machine import pick_device
from support.notes import counted
from support.processes import init_processes, rank_zero

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
    classes = read_class_names(source, files.splits_mat, files.images_mat)
    truth = true_attributes(source, attributes)
    folders = dict(zip(class_folders(source), classes))
    sentences = read_descriptions(opt.descriptions, classes, folders) if opt.descriptions else {}
    described = images_to_describe(opt.source, files, classes, list(sentences))
    if opt.source and described.source != opt.source:
        print("note: accepted, without effect: --from (every class has a description)")

    clip = Clip(opt.clip, device)
    if opt.bands:
        clip.preprocessing = clip.preprocessing.of_bands(opt.bands)
    kept = Kept(embedding_folder(opt), files.image_root)
    by_name, by_image, pictured = similarities(
        clip,
        attributes,
        opt.prompts,
        [readable(name) for name in classes],
        CLASS_PROMPTS,
        Embeddings(clip, kept).embed(described.paths, opt.batch_size, opt.workers),
        described.labels,
    )
    if sentences:
        scores = matrix_with_sentences(clip, sentences, attributes, opt.prompts, by_name, by_image, pictured)
    else:
        scores = unit_norm(merge_sources(by_name, by_image, pictured))  # [C, A]

    table = {key: value for key, value in source.items() if re.fullmatch(OF_A_DIVISION, key)}
    table["att"] = scores.T
    table["allclasses_names"] = cell_array(classes)
    table[CLASS_FOLDERS] = cell_array(class_folders(source))
    table["attribute_names"] = cell_array(attributes)
    table["similarity_names"] = by_name.T
    table["similarity_images"] = by_image.T
    table["classes_with_images"] = pictured
    table["provenance"] = json.dumps(provenance(opt, clip, described, classes, sentences))
    if truth is not None:
        table["att_true"] = truth.T
    rank_zero(write_annotation, output, table, groups_json, groups)

    print(f"clip    {opt.clip}")
    kept.print_summary()
    print_report(classes, attributes, scores, described, list(sentences), output)
    if truth is not None:
        print_agreement(unit_norm(scores), unit_norm(standardize(truth)))
    print(f"wrote   {output}\n        {groups_json}")


def get_options(arguments=None) -> argparse.Namespace:
    parser = get_parser()
    opt = parser.parse_args(arguments)
    if not opt.show and not opt.output:
        parser.error("the following arguments are required: --output (or --show)")
    if not opt.show and (opt.against or opt.picture):
        parser.error("--against and --picture go with --show")
    return opt


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
    optional = [CLASS_FOLDERS, "attribute_names", "att_true"]
    return read_mat(splits_mat, ["allclasses_names", *divided], optional)


def true_attributes(source: Dict[str, np.ndarray], names: List[str]) -> Optional[np.ndarray]:
    """How present each attribute truly is, [C, A], if the splits file tells it of all (the demo's does)."""
    known = strings(source.get("attribute_names", np.array([])))
    if "att_true" not in source or not set(names) <= set(known):
        return None
    return source["att_true"][[known.index(name) for name in names]].T


# ---- what is written -------------------------------------------------------------------------------


def write_annotation(output: Path, table: Dict[str, Any], groups_json: Path, groups: dict):
    """Both files or none."""
    with atomic(output) as temporary:
        scipy.io.savemat(temporary, table, appendmat=False)
        write_json(groups_json, groups)


def provenance(
    opt: argparse.Namespace,
    clip: Clip,
    described: ClassImages,
    classes: List[str],
    sentences: Mapping[int, List[str]],
) -> Dict[str, Any]:
    """How the matrix was made.  sentences: class -> its phrases, of those in words"""
    facts = {
        "clip": opt.clip,
        "weights_sha256": clip.weights_sha256(),
        "from": described.source,
        "images": len(described.paths),
        "random_id": described.division,
        "attribute_prompts": opt.prompts,
        "class_prompts": CLASS_PROMPTS,
        "vocabulary": opt.vocabulary,
        "vocabulary_sha256": sha256(opt.vocabulary),
    }
    if sentences:
        facts["descriptions_file"] = opt.descriptions
        facts["descriptions"] = {classes[c]: phrases for c, phrases in sentences.items()}
    return facts


def print_report(
    classes: List[str],
    attributes: List[str],
    scores: np.ndarray,
    described: ClassImages,
    in_words: List[int],
    output: Path,
):
    """What stands for the classes, and the strongest attributes of the first of them.

    scores:   [C, A]
    in_words: numbers of the classes that have a description
    output:   the new splits file
    """
    pictured = len(np.unique(described.labels))
    named = len(classes) - pictured - len(in_words)
    sources = [f"descriptions of {counted(len(in_words), 'class', 'classes')}"] if in_words else []
    if pictured:
        images = counted(len(described.paths), "image")
        sources.append(f"{images} of {counted(pictured, 'class', 'classes')}")
    if named:
        sources.append(f"the names of {counted(named, 'class', 'classes')}")
    print(f"from    {described.source}: {', '.join(sources)}; {counted(len(attributes), 'attribute')}")
    if described.tested:
        print(
            f"note: {described.tested} test images describe the unseen classes, as in the paper, so that "
            "scores are too good: --from seen does without, and prepare.py --described 0.2 keeps images for "
            "--from untested"
        )
    if described.division is not None and not tells_division(output, described.division):
        print(
            f"note: seen and unseen are those of --random_id {described.division}: "
            "annotate every other division anew"
        )
    if in_words:
        print(
            "note: what sentences became is below; to describe a class by pictures was much better where we "
            "measured it: RSSDIVCS/README.md tells"
        )
    print("        attributes in which a class lies most above the others:")
    shown = sorted(in_words) or range(len(classes))[:SHOWN_CLASSES]
    for c in shown:
        print(f"        {readable(classes[c]):24} {strongest(scores[c], attributes, SHOWN_ATTRIBUTES)}")
    if len(classes) > len(shown):
        print(f"        and {len(classes) - len(shown)} more: annotate.py --show tells all")


def tells_division(splits_mat: Path, division: int) -> bool:
    """Has a file's name the number of its division, as ann_0_splits.mat has? Then its maker knows."""
    return str(division) in splits_mat.stem.split("_")


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
