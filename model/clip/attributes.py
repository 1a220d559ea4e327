"""What CLIP says of attributes: vocabulary, prompts, and the class-attribute matrix M.

Shapes: `n` images, `A` attributes, `C` classes, `P` dimensions of CLIP's common space.
"""

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from torch import Tensor

from clip.embed import Clip
from data.prompts import ATTRIBUTE_PROMPTS as ATTRIBUTE_PROMPTS  # for those who import them from here
from data.prompts import CLASS_PROMPTS as CLASS_PROMPTS
from support.errors import InputError
from support.files import read_text
from support.untrusted import are_words, parse_json

# ---- vocabulary ------------------------------------------------------------------------------------


def load_vocabulary(path: Path) -> Dict[str, List[str]]:
    """{"functions": ["runways", ...], "materials": [...], ...}

    An attribute's index is its place when the groups are read one after another.
    """
    try:
        groups = parse_json(read_text(path), object_pairs_hook=dict_of_different_keys)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable vocabulary, a JSON object of group name -> list of attribute names: "
            f"{error}"
        ) from error
    if not is_vocabulary(groups):
        raise InputError(
            f"{path}: expected a JSON object of group name -> list of attribute names, none of them empty"
        )
    names = [name.strip().lower() for name in flat(groups)]  # CLIP's tokens have no capitals
    repeated = first_repeated(names)
    if repeated:
        raise InputError(f"{path} names the attribute {repeated!r} twice: take one away")
    return groups


def is_vocabulary(groups) -> bool:
    """Groups and attributes, all with a name that is not blank, and no group without attributes."""
    if not isinstance(groups, dict) or not groups:
        return False
    if not all(isinstance(names, list) and names for names in groups.values()):
        return False
    return all(are_words(name) for name in [*groups, *flat(groups)])


def dict_of_different_keys(pairs: List[tuple]) -> dict:
    """A JSON object. Raises ValueError if a key is there twice, of which json would keep the last."""
    repeated = first_repeated([name for name, _ in pairs])
    if repeated is not None:
        raise ValueError(f"it has {repeated!r} twice")
    return dict(pairs)


def first_repeated(names: Sequence[str]) -> Optional[str]:
    """The first that is there more than once, None if all are different."""
    for name in names:
        if names.count(name) > 1:
            return name
    return None


def flat(groups: Dict[str, List[str]]) -> List[str]:
    """The A names of all groups."""
    return [name for names in groups.values() for name in names]


def group_indices(groups: Dict[str, List[str]]) -> Dict[str, List[int]]:
    """The groups as `attri_group_3.json` has them: 0-based attribute indices."""
    index = {name: number for number, name in enumerate(flat(groups))}
    return {group: [index[name] for name in names] for group, names in groups.items()}


# ---- from cosines to M -----------------------------------------------------------------------------


def similarities(
    clip: Clip,
    attributes: Sequence[str],
    prompts: Sequence[str],
    words: Sequence[str],
    class_prompts: Sequence[str],
    image_vectors: Tensor,
    labels: np.ndarray,
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines of attribute sentences with class sentences and with images.

    words:         what stands for each of the C classes in sentences
    image_vectors: [n, P] of the images, as CLIP embeds them
    labels:        [n], class of each image

    Returns by_name [C, A], by_image [C, A], and which classes have images, [C]: the rows of by_image that
    mean something.
    """
    attribute_vectors = clip.embed_words(attributes, prompts)  # [A, P]
    class_vectors = clip.embed_words(words, class_prompts)  # [C, P]
    by_name = (class_vectors @ attribute_vectors.T).double().numpy()
    by_image = (image_vectors @ attribute_vectors.T).double().numpy()  # [n, A]
    pictured = np.isin(np.arange(len(words)), labels)
    return by_name, class_means(by_image, labels, len(words)), pictured


def class_means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The mean over each class's images; 0 for a class without.

    values: [n, A] of images;  labels: [n].  Returns [C, A].
    """
    means = np.zeros((classes, values.shape[1]))
    for c in np.unique(labels):
        means[c] = values[labels == c].mean(axis=0)
    return means


def merge_sources(
    by_name: np.ndarray, by_image: np.ndarray, pictured: np.ndarray, known: Optional[int] = None
) -> np.ndarray:
    """Class-attribute similarities from two sources -> [C, A], standardised per attribute.

    by_name:  [C, A] of class-name sentences
    by_image: [C, A] of images
    pictured: [C], has this class images? If not, it is described by its name
    known:    how many classes, the first, have a say in the units; by default all

    Image-text cosines lie lower than text-text ones, and spread otherwise. So before they share a column,
    either source is expressed relative to the same classes, those with images: "more runway than the seen
    classes have", in standard deviations. Classes after the known ones take their place among these, and
    move none of them.
    """
    known = len(by_name) if known is None else known
    reference = pictured & (np.arange(len(pictured)) < known)
    if not reference.any():
        merged = standardize(by_name, by_name[:known])
    else:
        merged = standardize(by_name, by_name[reference])
        merged[pictured] = standardize(by_image[pictured], by_image[reference])
    return standardize(merged, merged[:known])


def standardize(values: np.ndarray, reference: Optional[np.ndarray] = None) -> np.ndarray:
    """Each column in standard deviations from its mean, both over `reference` (by default over `values`).

    A column that does not vary there becomes 0.
    """
    reference = values if reference is None else reference
    mean = reference.mean(axis=0)
    deviation = reference.std(axis=0)
    is_constant = deviation <= 1e-9  # which no NaN is: it is passed on
    return np.where(is_constant, 0, (values - mean) / np.where(is_constant, 1, deviation))


def unit_norm(rows: np.ndarray) -> np.ndarray:
    """[C, A], each row of length 1; a row of zeros stays so."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
