"""From what is said of a new class to its attributes: a column of M.

A new class takes its place among the known ones and moves none of them, and its class scores are as large as
theirs. Pictures are compared with the run's classes per attribute, as their own pictures were; a sentence is
taken apart into attributes.

Shapes: `A` attributes, `C` known classes, `n` new ones, `P` dimensions of CLIP's common space.
"""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, merge_sources, similarities
from clip.embed import Clip
from clip.embeddings import Embeddings, Kept
from clip.sentences import Sentences, match_sizes, wanted_scores
from data.bands import Bands
from data.classes import Classes, Similarities
from data.names import find_class, suggest
from dsva.discriminant import Discriminant
from inference.new_classes import NewClass, phrases
from support.errors import InputError
from support.files import read_json
from support.notes import note

# {class: {attribute: value}}, or a JSON file that holds it
ClassValues = Union[str, Path, Mapping[str, Mapping[str, float]]]

# ---- what a branch makes of a column ---------------------------------------------------------------


def class_vectors(columns: np.ndarray, discriminant: Optional[Discriminant] = None) -> np.ndarray:
    """Class attributes [A, n] -> [A, n], what a branch multiplies its attribute scores with.

    discriminant: of the branch; None if it has none, as published
    """
    if discriminant is None:
        return columns
    on_device = torch.from_numpy(columns).to(discriminant.centre)
    return discriminant.directions(on_device).cpu().numpy()


def columns_of_vectors(vectors: np.ndarray, discriminant: Optional[Discriminant] = None) -> np.ndarray:
    """The way back: class attributes [A, n] whose class vectors point where these [A, n] do.

    They have such lengths that their class scores have the deviation 1 within a class.
    """
    columns = vectors
    if discriminant is not None:
        precision = discriminant.precision.cpu().double().numpy()
        columns = np.linalg.solve(precision, vectors)
    return columns / np.sqrt((vectors * columns).sum(axis=0)).clip(1e-12)


def match_class_scores(
    columns: np.ndarray, known: np.ndarray, discriminant: Optional[Discriminant] = None
) -> np.ndarray:
    """New columns [A, n], scaled so that their class scores are as large as those of the known ones.

    known: [A, C];  discriminant: of the branch.  See `clip.sentences.match_sizes`.
    """
    return match_sizes(
        columns, class_vectors(columns, discriminant), known, class_vectors(known, discriminant)
    )


# ---- words and pictures ----------------------------------------------------------------------------


def columns_by_clip(
    new: Sequence[NewClass],
    known: np.ndarray,
    data: Classes,
    clip_folder: Union[str, Path, None] = None,
    discriminant: Optional[Discriminant] = None,
    kept: Optional[Kept] = None,
    bands: Optional[Bands] = None,
    class_prompts: Optional[Sequence[str]] = None,
) -> np.ndarray:
    """What CLIP says of new classes: [A, n], in the units of `data.class_attributes`.

    known:        numbers of the run's classes that the new ones are compared with
    clip_folder:  None for the CLIP that they were described with
    discriminant: of the branch that counts
    kept:         embeddings of pictures from earlier, if any are kept
    bands:        of the pictures, that are red, green and blue, if not the first three
    class_prompts: sentences in which new names stand, if not those of the run's classes
    """
    recorded = recorded_similarities(data)
    by_name = recorded.by_name[known]  # [C, A]
    by_image = recorded.by_image[known]
    has_images = recorded.has_images[known]
    has_no_images = not has_images.any()
    is_pictured = np.array([bool(c.pictures) for c in new])
    if is_pictured.any() and has_no_images:
        words = "descriptions alone" if data.provenance.get("descriptions") else "their names alone"
        raise InputError(
            f"the new class {new[is_pictured.argmax()].name}: the run's classes were described by {words}, "
            "so there are no pictures to compare its own with; describe it in words"
        )
    device = data.class_attributes.device
    clip = load_describing_clip(clip_folder, data.provenance, device)
    if bands:
        clip.preprocessing = clip.preprocessing.of_bands(bands)
    columns = np.empty((len(data.attribute_names), len(new)))
    if is_pictured.any():
        pictured = [c for c in new if c.pictures]
        embeddings = Embeddings(clip, kept or Kept(None, Path()))
        columns[:, is_pictured] = columns_by_pictures(
            embeddings, pictured, by_name, by_image, has_images, data
        )
    if not is_pictured.all():
        in_words = [c for c in new if not c.pictures]
        similarity = by_name if has_no_images else by_image[has_images]
        columns[:, ~is_pictured] = columns_by_words(
            clip, in_words, similarity, data, discriminant, class_prompts
        )
    return match_class_scores(columns, data.class_attributes[:, known].cpu().numpy(), discriminant)


def columns_by_pictures(
    embeddings: Embeddings,
    new: Sequence[NewClass],
    by_name: np.ndarray,
    by_image: np.ndarray,
    has_images: np.ndarray,
    data: Classes,
) -> np.ndarray:
    """[A, n], as CLIP described the run's classes.

    by_name, by_image: [C, A], cosines of these;  has_images: [C], which of them have a row in by_image
    """
    paths = [Path(picture) for c in new for picture in c.pictures]
    labels = np.repeat(np.arange(len(new)), [len(c.pictures) for c in new])
    attribute_prompts, class_prompts = prompts(data)
    new_by_name, new_by_image, all_pictured = similarities(
        embeddings.clip,
        data.attribute_names,
        attribute_prompts,
        [c.words for c in new],
        class_prompts,
        embeddings.embed(paths, batch_size=64, workers=0),
        labels,
    )
    merged = merge_sources(
        np.vstack([by_name, new_by_name]),
        np.vstack([by_image, new_by_image]),
        np.append(has_images, all_pictured),
        known=len(by_name),
    )
    return merged[len(by_name) :].T


def columns_by_words(
    clip: Clip,
    new: Sequence[NewClass],
    similarity: np.ndarray,
    data: Classes,
    discriminant: Optional[Discriminant],
    class_prompts: Optional[Sequence[str]] = None,
) -> np.ndarray:
    """[A, n]: a sentence as a sum of attributes, see `clip.sentences.wanted_scores`.

    similarity: [C, A], CLIP's of the run's classes and the attributes, of those classes that have one
    """
    attribute_prompts, described_with = prompts(data)
    class_prompts = class_prompts or described_with
    said = [Sentences(phrases(c), class_prompts if c.is_named() else attribute_prompts) for c in new]
    columns = []
    for wanted in wanted_scores(clip, said, data.attribute_names, attribute_prompts, similarity):
        columns.append(columns_of_vectors(wanted, discriminant).sum(axis=1))
    return np.stack(columns, axis=1)


def prompts(data: Classes) -> Tuple[Sequence[str], Sequence[str]]:
    """For attributes and for class names, those that the run's classes were described with."""
    attribute_prompts = data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS)
    class_prompts = data.provenance.get("class_prompts", CLASS_PROMPTS)
    return attribute_prompts, class_prompts


def recorded_similarities(data: Classes) -> Similarities:
    """Cosines of all classes' sentences and images with the attributes, from annotate.py.

    Raises InputError if the run does not have them.
    """
    if data.similarities is None:
        raise InputError(
            "a class cannot be added in words or pictures, since the run does not know how its own ones were "
            "described: annotate.py writes files that tell. predict.py --class_values works without"
        )
    return data.similarities


def load_describing_clip(folder: Union[str, Path, None], provenance: dict, device: torch.device) -> Clip:
    """The CLIP in a folder, by default the one that described the run's classes. Says so if it is another."""
    described = provenance.get("clip", "")
    try:
        clip = Clip(Path(folder or described), device)
    except InputError as error:
        if folder or Path(described, "config.json").is_file():
            raise
        raise InputError(
            f"the CLIP that described the run's classes was in {described or 'a folder that is not known'} "
            "and is not there: name the folder where it lies now with --clip"
        ) from error
    if clip.weights_sha256() != provenance.get("weights_sha256"):
        note(
            f"{folder or described} has other weights than the CLIP that described the run's classes: "
            "new ones are not quite comparable"
        )
    return clip


# ---- values by hand --------------------------------------------------------------------------------


def columns_by_hand(
    values: ClassValues,
    attribute_names: Sequence[str],
    known: np.ndarray,
    discriminant: Optional[Discriminant] = None,
) -> Dict[str, np.ndarray]:
    """{"wind farm": {"turbine": 2, "grass": 1}, ...}, or a JSON file that holds it -> {class: [A]}.

    Values are deviations from the mean class, 0 where an attribute is not named.

    known: [A, C], columns of the run's classes, with which the new ones have to compete
    """
    table = table_of_values(values)
    where = "values" if isinstance(values, Mapping) else str(values)
    columns = [column_by_hand(where, name, row, attribute_names) for name, row in table.items()]
    scaled = match_class_scores(np.stack(columns, axis=1), known, discriminant)
    return dict(zip(table, scaled.T))


def table_of_values(values: ClassValues) -> Mapping[str, Mapping[str, Any]]:
    """{class: {attribute: value}}, read if it is a file. Raises InputError if it has another form."""
    table: Any = values
    where = "values"
    if isinstance(values, (str, Path)):
        table = read_json(Path(values))
        where = str(values)
    if not is_table_of_classes(table):
        raise InputError(f'{where}: expected {{"a class": {{"an attribute": 1.5, ...}}, ...}}')
    return table


def is_table_of_classes(table) -> bool:
    """Is it {class: {...}, ...}, with at least one class?"""
    if not isinstance(table, Mapping) or not table:
        return False
    for name, values in table.items():
        if not isinstance(values, Mapping) or not all(isinstance(word, str) for word in (name, *values)):
            return False
    return True


def column_by_hand(
    where: str, name: str, values: Mapping[str, Any], attribute_names: Sequence[str]
) -> np.ndarray:
    """{"turbine": 2, "grass": 1} -> [A]. InputError names what is no attribute, or no number, and where.

    Attributes may be written in any spelling, as classes: see `find_class`.
    """
    column = np.zeros(len(attribute_names))
    written: Dict[int, str] = {}
    for attribute, value in values.items():
        try:
            a = find_class(attribute, attribute_names)
        except InputError as error:
            raise InputError(
                f"{where}: {name} has an unknown attribute {attribute!r}; "
                f"{suggest(attribute, attribute_names)}"
            ) from error
        if a in written:
            raise InputError(
                f"{where}: {name} has {attribute_names[a]!r} twice, as {written[a]!r} and {attribute!r}: "
                "keep one of them"
            )
        written[a] = attribute
        if not is_number(value) or not abs(value) < 1000:
            raise InputError(
                f"{where}: {attribute!r} of {name} should be a number of deviations from the mean class, "
                f"-3 to 3, and is {value!r}"
            )
        column[a] = value
    if not column.any():
        raise InputError(
            f"{where}: all values of {name} are 0, as of a class that is average in everything: "
            "give at least one that is not"
        )
    return column


def is_number(value) -> bool:
    """Is it one of Python's, or of numpy's?"""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
