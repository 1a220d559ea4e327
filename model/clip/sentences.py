"""Classes in words: what a sentence says of each attribute, and a file of such sentences.

predict.py takes new classes apart in this way, and annotate.py --descriptions those of a benchmark.

Shapes: `A` attributes, `C` classes, `n` described ones, `P` dimensions of CLIP's common space.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from clip.attributes import dict_of_different_keys, merge_sources, unit_norm
from clip.embed import Clip
from data.names import find_class
from support.errors import InputError
from support.files import read_text
from support.untrusted import are_words, parse_json

SENTENCE_RIDGE = 0.3  # chosen on seen classes of the demo and of AID; 0.1 to 1 differ little
FORM = '{"airport": "runways, aircraft on asphalt", "beach": ["sand", "open water"]}'


@dataclass(frozen=True)
class Sentences:
    """What is said of a class: phrases that count the same, and the prompts in which CLIP reads each."""

    phrases: Sequence[str]
    prompts: Sequence[str]


def phrases_of(description: str) -> List[str]:
    """Those of a description stand between commas or semicolons."""
    return [phrase for phrase in re.split(r"\s*[,;]\s*", description.strip()) if phrase]


# ---- sentences as sums of attributes ---------------------------------------------------------------


def wanted_scores(
    clip: Clip,
    said: Sequence[Sentences],
    attributes: Sequence[str],
    attribute_prompts: Sequence[str],
    similarity: np.ndarray,
) -> List[np.ndarray]:
    """For each class [A, phrases]: what its images' attribute scores are multiplied with.

    similarity: [C, A], CLIP's of the classes that others are compared with and the attributes

    A sentence's embedding is fitted by those of the attributes' sentences (ridge regression). The mean of the
    latter, which every image is like, is taken from all of them before. So an image gets the class score that
    CLIP gives it for the sentence, as far as attributes can tell.
    """
    vectors = clip.embed_words(attributes, attribute_prompts).double().numpy()  # [A, P]
    mean = vectors.mean(axis=0)
    vectors = vectors - mean
    gram = vectors @ vectors.T
    gram += (SENTENCE_RIDGE * gram.diagonal().mean() + 1e-9) * np.eye(len(gram))
    deviation = similarity.std(axis=0)[:, None]  # from a cosine to an attribute's score
    wanted = []
    for sentences in said:
        embedded = clip.embed_words(sentences.phrases, sentences.prompts).double().numpy() - mean
        shares = np.linalg.solve(gram, vectors @ embedded.T)  # [A, phrases]
        wanted.append(deviation * (shares - shares.mean(axis=0)))
    return wanted


def sum_of_phrases(wanted: np.ndarray) -> np.ndarray:
    """[A, phrases] -> [A], each phrase with the length 1 before."""
    return (wanted / np.linalg.norm(wanted, axis=0).clip(1e-12)).sum(axis=1)


def match_sizes(
    columns: np.ndarray, vectors: np.ndarray, known: np.ndarray, known_vectors: np.ndarray
) -> np.ndarray:
    """Columns [A, n], scaled so that their class scores are as large as those of the known ones.

    vectors, known_vectors: what attribute scores are multiplied with, [A, n] and [A, C]: the columns
                            themselves, where nothing is decorrelated
    known:                  [A, C]

    They get the mean likeness to the known ones that these have among themselves. A column of unit norm whose
    attributes do not go together in images, as words or values by hand may say, has small class scores for
    all images, and would lose against columns that images have made.
    """
    size = np.linalg.norm(known.T @ vectors, axis=0)  # [n]
    known_size = np.linalg.norm(known.T @ known_vectors, axis=0)  # [C]
    return columns * known_size.mean() / np.where(size > 1e-12, size, np.inf)


def matrix_with_sentences(
    clip: Clip,
    described: Mapping[int, Sequence[str]],
    attributes: Sequence[str],
    attribute_prompts: Sequence[str],
    by_name: np.ndarray,
    by_image: np.ndarray,
    pictured: np.ndarray,
) -> np.ndarray:
    """M's rows [C, A]: of described classes what is said of them, of the others what images or names say.

    described:         class -> its phrases
    by_name, by_image: [C, A], of `clip.attributes.similarities`
    pictured:          [C], which classes have images; none that is described has any

    As in predict.py, classes in words take their place among the others, and move none of them. The rows of
    the others have unit norm, and so have all if all are described.
    """
    in_words = np.array(sorted(described))
    others = np.setdiff1d(np.arange(len(by_name)), in_words)
    reference = by_image[pictured] if pictured.any() else by_name
    if len(reference) < 2:
        raise InputError(
            "--descriptions: one class alone is described by images, so there is none to compare it with: "
            "describe it, too, or use --from names"
        )
    said = [Sentences(described[c], attribute_prompts) for c in in_words]
    wanted = wanted_scores(clip, said, attributes, attribute_prompts, reference)
    columns = np.stack([sum_of_phrases(phrases) for phrases in wanted], axis=1)  # [A, described]
    matrix = np.zeros(by_name.shape)
    matrix[in_words] = unit_norm(columns.T)
    if len(others):
        compared = others if pictured.any() else np.arange(len(by_name))
        matrix[compared] = merge_sources(by_name[compared], by_image[compared], pictured[compared])
        matrix[others] = unit_norm(matrix[others])
        known = matrix[others].T
        matrix[in_words] = match_sizes(columns, columns, known, known).T
    return matrix


# ---- a file of descriptions ------------------------------------------------------------------------


def read_descriptions(file: Path, names: Sequence[str], folders: Mapping[str, str]) -> Dict[int, List[str]]:
    """{number of a class: its phrases}, in the order of the classes.

    The file is JSON, {class: a sentence, or a list of phrases}. Classes may be written as their names in any
    spelling, or as their folders: see `find_class`.

    names:   [C] of the classes
    folders: {folder: class name}
    Raises InputError if a class is unknown or there twice, or nothing is said of it.
    """
    try:
        table = parse_json(read_text(file), object_pairs_hook=dict_of_different_keys)
    except (OSError, ValueError) as error:
        raise InputError(f"--descriptions: {file} is not readable JSON: {error}") from error
    if not isinstance(table, dict) or not table:
        raise InputError(f"--descriptions: {file}: expected classes and what is said of each, such as {FORM}")
    found: Dict[int, List[str]] = {}
    written: Dict[int, str] = {}
    for typed, said in table.items():
        try:
            c = find_class(typed, names, folders)
        except InputError as error:
            raise InputError(f"--descriptions: {file}: {error}") from error
        if c in written:
            raise InputError(
                f"--descriptions: {file} describes {names[c]} twice, as {written[c]!r} and {typed!r}: "
                "keep one of them"
            )
        written[c] = typed
        found[c] = phrases_said(said, f"--descriptions: {file}: {typed}")
    return dict(sorted(found.items()))


def phrases_said(said: Any, where: str) -> List[str]:
    """The phrases in a sentence, or in a list.  where: for the message of an InputError"""
    phrases: List[str] = []
    if are_words(said):
        phrases = phrases_of(said)
    elif isinstance(said, list) and all(map(are_words, said)):
        phrases = [phrase.strip() for phrase in said]
    if not phrases:
        raise InputError(
            f"{where} should have a sentence or a list of phrases, none of them empty, "
            f"and has {str(said)[:60]!r}"
        )
    return phrases
