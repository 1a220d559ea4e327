"""Baselines without training, on the same division and by the same measure as DSVA.

    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd
    python model/zero_shot_clip.py --image_embedding 61 --clip flax-community/clip-rsicd --gzsl --attributes
    python model/zero_shot_clip.py ... --gzsl --attributes --closed_forms     and two ridge regressions
    python model/zero_shot_clip.py ... --random_id all --output runs/clip     all divisions, their mean

names       cosine of the image's embedding with that of the class-name sentences; the splits file needs no
            attributes, as prepare.py writes it
attributes  cosine of the image's similarities to the attribute sentences with the class's attribute vector:
            what `att` gives without DSVA
ESZSL, SAE  --closed_forms: classic ridge regressions between CLIP's embeddings of the training images and the
            class attributes, which need no names. How strongly they are regularised, and their constant
            of calibrated stacking, is chosen on seen classes that play the unseen ones, as main.py
            --protocol clean chooses
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import math

from support.cli import Help, Parser, add_clip_options, add_data_options, number, path
from support.notes import counted


def get_parser() -> Parser:
    parser = Parser(
        prog="zero_shot_clip.py",
        allow_abbrev=False,
        formatter_class=Help,
        description="What CLIP knows without training: zero-shot classification by class name, "
        "by attributes alone, and by classic closed forms.",
    )
    add_data_options(parser, several=True)
    add_clip_options(parser)
    parser.add_argument(
        "--attributes",
        action="store_true",
        help="also by attributes alone; the splits file must name them, as those of annotate.py do",
    )
    parser.add_argument(
        "--closed_forms",
        action="store_true",
        help="also ESZSL and SAE, ridge regressions from CLIP's embeddings of the training images to the "
        "class attributes; all that they have to choose is chosen on validation classes",
    )
    parser.add_argument("--gzsl", action="store_true", help="generalised: seen and unseen classes compete")
    parser.add_argument(
        "--calibrated_stacking",
        type=number(float, -math.inf),
        default=0.0,
        help="GZSL: taken from the probabilities of seen classes; 0 to 1. Not of --closed_forms, "
        "which choose their own",
    )
    parser.add_argument("--output", type=path, metavar="FOLDER", help="write results.json there")
    return parser


if __name__ == "__main__":
    get_parser().start()

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, standardize
from clip.embed import Clip
from clip.embeddings import Embeddings, Kept
from data.benchmark import ATTRIBUTE_NAMES, Benchmark, BenchmarkFiles, load_benchmark, readable
from data.matlab import read_mat
from dsva.closed_form_choice import learn_and_score, validation_folds
from dsva.closed_forms import METHODS
from dsva.metrics import score_all
from dsva.protocol import refuse_overlap, training_part
from runs.console import LABELS
from runs.folder import summarise
from runs.settings import benchmark_files, divisions_to_run, embedding_folder, with_options
from support.errors import InputError, exits_cleanly
from support.files import write_json
from support.machine import circumstances, pick_device
from support.processes import init_processes, rank_zero


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    parts = {division: with_options(opt, random_id=division) for division in divisions_to_run(opt)}
    data = {}
    for division, part in parts.items():
        data[division] = load_data(part)  # or an error, before anything is embedded

    clip = Clip(opt.clip, device)
    if opt.bands:
        clip.preprocessing = clip.preprocessing.of_bands(opt.bands)
    kept = Kept(embedding_folder(opt), benchmark_files(part).image_root)
    embeddings = Embeddings(clip, kept)
    results = {}
    for division, part in parts.items():
        found = score_division(part, data[division], clip, embeddings)
        results[f"division-{division}"] = {**found, "options": vars(part), **circumstances()}
    kept.print_summary()
    if isinstance(opt.random_id, int):
        (found,) = results.values()
        print_scores(found)
    else:
        found = summarised(opt, results)
        print_all(found)
    if opt.output:
        rank_zero(write_results, Path(opt.output), found)
        print(f"results in {opt.output}")


def get_options(arguments=None) -> argparse.Namespace:
    opt = get_parser().parse_args(arguments)
    if opt.calibrated_stacking and not opt.gzsl:
        print("note: accepted, without effect: --calibrated_stacking (ZSL has no seen candidates)")
    return opt


# ---- data ------------------------------------------------------------------------------------------


def load_data(opt: argparse.Namespace) -> Benchmark:
    """The benchmark, with attributes if these are asked for.

    Raises InputError, too, if the closed forms have nothing to choose on.
    """
    files = find_splits(opt)
    if opt.attributes:
        check_attributes_are_named(files.splits_mat)
    data = load_benchmark(files, described=needs_attributes(opt))
    if opt.closed_forms:
        part = training_part(opt.gzsl, clean=True)
        refuse_overlap(data, part, opt.gzsl)
        validation_folds(data, part, opt.gzsl)
    return data


def needs_attributes(opt: argparse.Namespace) -> bool:
    """Are the classes told by their attributes, in any baseline?"""
    return opt.attributes or opt.closed_forms


def find_splits(opt: argparse.Namespace) -> BenchmarkFiles:
    """The files that are asked for. By name, those of prepare.py will do if there are no attributes yet."""
    files = benchmark_files(opt)
    if needs_attributes(opt) or opt.class_embedding or files.splits_mat.is_file():
        return files
    plain = benchmark_files(with_options(opt, class_embedding=opt.image_embedding))
    is_there = plain.splits_mat.is_file() and plain.splits_mat != plain.images_mat
    return plain if is_there else files


def check_attributes_are_named(splits_mat: Path):
    """Raise InputError if a splits file does not tell what its attributes are called."""
    if not read_mat(splits_mat, [], ATTRIBUTE_NAMES).keys() & set(ATTRIBUTE_NAMES):
        raise InputError(
            f"--attributes: {splits_mat} does not name its attributes; annotate.py writes files that do"
        )


# ---- the baselines ---------------------------------------------------------------------------------


def score_division(
    opt: argparse.Namespace, data: Benchmark, clip: Clip, embeddings: Embeddings
) -> Dict[str, Any]:
    """Scores of each baseline, its accuracy of every class, and chance, in percent."""
    classes = data.candidates(opt.gzsl)
    tested = data.test_images(opt.gzsl)

    embedded: Dict[bytes, Tensor] = {}

    def embed(images: np.ndarray) -> Tensor:
        numbers = images.tobytes()
        if numbers not in embedded:  # two baselines may need the same ones
            paths = [data.image_paths[i] for i in images]
            embedded[numbers] = embeddings.embed(paths, opt.batch_size, opt.workers)
        return embedded[numbers]

    images = embed(tested)  # [n, P]
    cosines = {"names": by_name(clip, data, images, classes)}
    if opt.attributes:
        seen_images = embed(data.splits["train_gzsl_loc"])
        cosines["attributes"] = by_attributes(clip, data, images, seen_images, classes)
    probabilities = {name: to_probabilities(cosine, clip.scale) for name, cosine in cosines.items()}

    scores, per_class = score_all(
        probabilities, data.labels[tested], classes, data.seen, data.unseen, opt.gzsl, opt.calibrated_stacking
    )
    chosen: Dict[str, Dict[str, float]] = {}
    if opt.closed_forms:
        added, added_per_class, chosen = score_closed_forms(opt, data, embed)
        scores.update(added)
        per_class.update(added_per_class)
    accuracies = {name: values.tolist() for name, values in per_class.items()}
    return {
        "scores": scores,
        **({"chosen": chosen} if chosen else {}),
        "per_class": {"class": [data.class_names[c] for c in classes], **accuracies},
        "images": len(tested),
        "chance": 100 / len(data.unseen),
    }


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


def score_closed_forms(
    opt: argparse.Namespace, data: Benchmark, embed: Callable[[np.ndarray], Tensor]
) -> Tuple[Dict[str, Dict[str, float]], Dict[str, np.ndarray], Dict[str, Dict[str, float]]]:
    """Of each method its scores, its accuracy of every class, and what was chosen on validation classes.

    embed: numbers of images -> [n, P]
    """
    part = training_part(opt.gzsl, clean=True)
    classes, tested = data.candidates(opt.gzsl), data.test_images(opt.gzsl)
    found = embed(tested)
    features = np.zeros((len(data.image_paths), found.shape[1]))
    features[tested] = found.numpy()
    features[data.splits[part]] = embed(data.splits[part]).numpy()
    scores, per_class, chosen = {}, {}, {}
    for method in METHODS:
        probabilities, choice = learn_and_score(method, data, features, part, opt.gzsl)
        chosen[method] = choice.as_json()
        of_method = score_all(
            {method: probabilities},
            data.labels[tested],
            classes,
            data.seen,
            data.unseen,
            opt.gzsl,
            choice.constant or 0.0,
        )
        scores.update(of_method[0])
        per_class.update(of_method[1])
    return scores, per_class, chosen


# ---- what is printed and written -------------------------------------------------------------------


def print_scores(results: Dict[str, Any]):
    """Of one division, a line for each baseline, and what was chosen for it."""
    print(
        f"{results['images']} test images, {len(results['per_class']['class'])} candidate classes; "
        f"chance among the unseen classes: {results['chance']:.2f}"
    )
    for name, scores in results["scores"].items():
        words = [f"{LABELS.get(score, score + ' ')}{value:5.2f}" for score, value in scores.items()]
        print(f"{name:>10} " + " ".join(words))
    for method, chosen in results.get("chosen", {}).items():
        words = [f"{key} {value:.3g}" for key, value in chosen.items()]
        print(f"    chosen on validation classes for {method}: {', '.join(words)}")


def print_all(results: Dict[str, Any]):
    """Of each division, and mean and deviation."""
    for part, found in results["runs"].items():
        print(part)
        print_scores(found)
    print(f"\nmean and deviation of {counted(len(results['runs']), 'division')}")
    for name, scores in results["mean_and_deviation"]["scores"].items():
        words = [f"{score} {mean:.1f} ± {deviation:.1f}" for score, (mean, deviation) in scores.items()]
        print(f"{name:>10} " + "  ".join(words))


def summarised(opt: argparse.Namespace, results: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    """All results with their mean and deviation, as main.py has them: see runs.folder.write_summary."""
    scores = summarise([found["scores"] for found in results.values()])
    return {
        "branch": list(scores)[-1],
        "mean_and_deviation": {"scores": scores},
        "runs": results,
        "options": vars(opt),
        **circumstances(),
    }


def write_results(folder: Path, results: Dict[str, Any]):
    """results.json; of several divisions also one in a folder for each, which tables.py reads."""
    for part, found in results.get("runs", {}).items():
        write_json(folder / part / "results.json", found)
    write_json(folder / "results.json", results)


if __name__ == "__main__":
    main()
