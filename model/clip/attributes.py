"""What CLIP says of attributes: vocabulary, prompts, embeddings, and the class-attribute matrix they give.

Shapes: `n` images, `A` attributes, `C` classes, `P` dimensions of CLIP's common space.
"""

from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from torch import Tensor

from clip.embed import Clip
from support.errors import InputError
from support.untrusted import are_words, parse_json

ATTRIBUTE_PROMPTS = (
    "an aerial photograph with {}.",
    "a satellite image with {}.",
    "an overhead view of {}.",
    "{} seen from above.",
)
CLASS_PROMPTS = (
    "a satellite image of a {}.",
    "an aerial photograph of a {}.",
    "an overhead view of {}.",
    "{} seen from above.",
)


def load_vocabulary(path: Path) -> Dict[str, List[str]]:
    """{"functions": ["runways", ...], "materials": [...], ...}: an attribute's index is its place in the order of reading."""
    try:
        groups = parse_json(Path(path).read_text(), object_pairs_hook=each_once)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable vocabulary, a JSON object of group name -> list of attribute names: {error}"
        ) from error
    if not (
        isinstance(groups, dict)
        and groups
        and all(isinstance(names, list) and names for names in groups.values())
        and all(map(are_words, [*groups, *flat(groups)]))
    ):
        raise InputError(
            f"{path}: expected a JSON object of group name -> list of attribute names, none of them empty"
        )
    names = [name.strip().lower() for name in flat(groups)]  # CLIP reads no capitals
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{path} names the attribute {twice!r} twice: take one away")
    return groups


def each_once(pairs: List[tuple]) -> dict:
    """A JSON object whose keys are all different; json itself would keep the last of two."""
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has {twice!r} twice")
    return dict(pairs)


def flat(groups: Dict[str, List[str]]) -> List[str]:
    return [name for names in groups.values() for name in names]


def group_indices(groups: Dict[str, List[str]]) -> Dict[str, List[int]]:
    """The groups as `attri_group_3.json` has them: 0-based attribute indices."""
    index = {name: number for number, name in enumerate(flat(groups))}
    return {group: [index[name] for name in names] for group, names in groups.items()}


def similarities(
    clip: Clip,
    attributes: Sequence[str],
    prompts: Sequence[str],
    words: Sequence[str],
    class_prompts: Sequence[str],
    batches: Iterable[Tensor],
    labels: np.ndarray,
) -> Tuple[np.ndarray, np.ndarray]:
    """Cosines of attribute sentences with class sentences and with images, each [C, A]; NaN for a class without images.

    words: what stands for each of the C classes in sentences
    batches: of the n images, from `clip.loader`;  labels: [n]
    """
    vectors = clip.embed_words(attributes, prompts)  # [A, P]
    by_name, by_image = (
        (embedded @ vectors.T).double().numpy()
        for embedded in (clip.embed_words(words, class_prompts), clip.embed_images(batches))
    )
    return by_name, class_means(by_image, labels, len(words))


def class_means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """values: [n, A] of images;  labels: [n].  Returns [C, A], the mean of each class's images; NaN for a class without."""
    means = np.full((classes, values.shape[1]), np.nan)
    for c in np.unique(labels):
        means[c] = values[labels == c].mean(axis=0)
    return means


def standardize(values: np.ndarray, reference: Optional[np.ndarray] = None) -> np.ndarray:
    """Each column in units of its deviation from its mean over `reference` (default: over `values`); 0 where nothing varies."""
    reference = values if reference is None else reference
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    varies = deviation > 1e-9
    return np.where(varies, (values - mean) / np.where(varies, deviation, 1), 0)


def merge_sources(by_name: np.ndarray, by_image: np.ndarray, known: Optional[int] = None) -> np.ndarray:
    """Class-attribute similarities from two sources -> [C, A], standardised per attribute over the first `known` classes, or all.

    by_name:  [C, A] of class-name sentences
    by_image: [C, A] of images, NaN for a class that has none and is described by its name

    Image-text cosines lie lower than text-text ones, and spread otherwise. So before they share a column, either source is
    expressed relative to the same classes, those with images: "more runway than the seen classes have", in deviations.
    Classes that come after the `known` ones take their place among these and move none of them.
    """
    known = len(by_name) if known is None else known
    pictured = ~np.isnan(by_image).any(axis=1)
    reference = pictured & (np.arange(len(pictured)) < known)
    merged = standardize(by_name, by_name[reference] if reference.any() else by_name[:known])
    if reference.any():
        merged[pictured] = standardize(by_image[pictured], by_image[reference])
    return standardize(merged, merged[:known])


def unit_norm(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
