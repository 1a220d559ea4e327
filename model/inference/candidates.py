"""The classes that an image may be given: those of a run, and those that are added to them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from data.classes import Classes
from dsva.metrics import calibrated_stacking
from inference.new_classes import (
    SHOWN_NAMES,
    NewClass,
    check_names,
    known_classes,
    named_classes,
    print_asked,
)
from inference.new_columns import ClassValues, columns_by_clip, columns_by_hand, prompts
from inference.saved import SavedRun
from support.errors import InputError
from support.files import sha256
from support.notes import first_of, note

SHOWN_ATTRIBUTES = 5  # of a new class
ENOUGH_TO_COMPARE = 3  # classes: the mean and the deviation of fewer say little
# What is printed if nobody says which classes there are, by whether the run is of GZSL.
DEFAULT_IN_WORDS = {
    True: "as in this GZSL run's own test; --classes unseen leaves the seen ones out",
    False: "as in this ZSL run's own test; --classes all lets the seen ones compete, too",
}


@dataclass
class NamedCandidates:
    """The K classes that an image may be given, whatever names it.

    names:       [K]
    kinds:       [K], "seen", "unseen", or what any other one is known from
    calibration: taken from the probabilities of the seen ones, before others compete with them
    """

    names: List[str]
    kinds: List[str]
    calibration: float

    @property
    def is_calibrated(self) -> bool:
        """May a class come before a more probable one?"""
        return self.calibration != 0

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """[n, K] -> [n, K], what classes are ranked by. Without calibration these are the probabilities."""
        return calibrated_stacking(probabilities, np.array(self.kinds) == "seen", self.calibration)


@dataclass(frozen=True)
class Choice:
    """What a user says of the candidates: arguments of `choose_candidates`, which explains them."""

    classes: Union[str, Sequence[str], None] = None
    without: Sequence[str] = ()
    added: Sequence[NewClass] = ()
    values: Optional[ClassValues] = None
    clip_folder: Union[str, Path, None] = None
    calibration: Optional[float] = None
    class_prompts: Optional[Sequence[str]] = None


@dataclass
class Candidates(NamedCandidates):
    """The same for a run, which knows them by their attributes.

    attributes: [A, K], on the device
    choice:     what they were chosen by
    """

    attributes: Tensor
    choice: Choice


def default_classes(run: SavedRun) -> str:
    """Which classes of a run compete if nobody says: those that did in its own test."""
    return "all" if run.gzsl else "unseen"


def choose_candidates(
    run: SavedRun,
    classes: Union[str, Sequence[str], None] = None,
    without: Sequence[str] = (),
    added: Sequence[NewClass] = (),
    values: Optional[ClassValues] = None,
    clip_folder: Union[str, Path, None] = None,
    calibration: Optional[float] = None,
    class_prompts: Optional[Sequence[str]] = None,
) -> Candidates:
    """The run's own classes, then those added in words or pictures, then those added by attribute values.

    classes:     of the run: "unseen", "all", "none", or names, in a list or with commas between them. By
                 default those that its own test had: all in GZSL, the unseen ones in ZSL
    without:     names of the run's classes that are left out, as if it had never heard of them
    values:      a JSON file or what one holds, see `columns_by_hand`
    clip_folder: CLIP for the added classes, by default the one that described the run's
    calibration: taken from the probabilities of seen classes, by default the run's
    class_prompts: sentences in which the names of added classes stand, by default those of the run's

    Raises InputError if a name is unknown or there twice, or no class is left.
    """
    choice = Choice(classes, without, added, values, clip_folder, calibration, class_prompts)
    data = run.data
    known = known_classes(data.class_names, without)
    own = np.intersect1d(own_classes(run, classes or default_classes(run)), known)
    matrix = data.class_attributes.cpu().numpy()  # [A, C]
    reference = known
    if added or values:
        reference = classes_to_compare(data, known)
    by_hand = {}
    if values:
        by_hand = columns_by_hand(values, data.attribute_names, matrix[:, reference], run.discriminant)
    added_names = [new.name for new in added]
    check_names([*added_names, *by_hand], [data.class_names[c] for c in known])
    if not len(own) + len(added) + len(by_hand):
        raise InputError("no candidate class is left: name fewer in --without, or add some")

    columns = [matrix[:, own]]  # [A, ...] each
    if added:
        bands = run.preprocessing.bands
        new_columns = columns_by_clip(
            added, reference, data, clip_folder, run.discriminant, run.kept, bands, class_prompts
        )
        columns.append(new_columns)
    columns += [column[:, None] for column in by_hand.values()]
    kinds = ["seen" if c in data.seen else "unseen" for c in own]
    kinds += [new.source() for new in added]
    kinds += ["values"] * len(by_hand)
    if calibration is None:
        calibration = run.calibration
    compete = "seen" in kinds and set(kinds) != {"seen"}
    return Candidates(
        names=[*(data.class_names[c] for c in own), *added_names, *by_hand],
        kinds=kinds,
        attributes=torch.from_numpy(np.hstack(columns).astype(np.float32)).to(run.device),
        calibration=calibration if compete else 0.0,
        choice=choice,
    )


def own_classes(run: SavedRun, classes: Union[str, Sequence[str]]) -> np.ndarray:
    """Numbers of the run's classes.  classes: "unseen", "all", "none", or names, as of `choose_candidates`"""
    if classes == "none":
        return np.array([], int)
    if classes in ("unseen", "all"):
        return run.data.candidates(classes == "all")
    typed = classes.split(",") if isinstance(classes, str) else classes
    return named_classes(run.data.class_names, typed, "--classes")


def classes_to_compare(data: Classes, known: np.ndarray) -> np.ndarray:
    """Numbers of the classes that new ones are compared with: the known ones, if they are enough.

    Of fewer than ENOUGH_TO_COMPARE there is hardly a mean or a deviation: then all classes of the run, and a
    note says so. Where the run's classes were described by images, those that were are counted.
    """
    is_described = np.full(len(data.class_names), True)
    if data.similarities is not None and data.similarities.has_images.any():
        is_described = data.similarities.has_images
    if is_described[known].sum() >= min(ENOUGH_TO_COMPARE, is_described.sum()):
        return known
    note(
        f"{len(known)} known classes are too few to compare new ones with: these are compared with all "
        f"{len(data.class_names)} of the run, those that are left out, too"
    )
    return np.arange(len(data.class_names))


def fingerprint(checkpoint: Union[str, Path], candidates: Candidates) -> str:
    """Of all that decides, beside the options, what an image is called: weights and class attributes."""
    attributes = np.round(candidates.attributes.cpu().numpy().astype(float), 4) + 0.0  # no -0
    digest = hashlib.sha256(f"{sha256(checkpoint)} {candidates.names}".encode())
    digest.update(attributes.tobytes())
    return digest.hexdigest()


# ---- what is printed -------------------------------------------------------------------------------


def print_candidates(
    run: SavedRun,
    candidates: Candidates,
    by_default: bool,
    added: Sequence[NewClass] = (),
    class_prompts: Optional[Sequence[str]] = None,
):
    """Which of the run's classes there are, what each new one is like, and what CLIP was asked about those.

    by_default: has nobody said which of the run's there are?
    added, class_prompts: as in `choose_candidates`
    """
    by_kind: Dict[str, List[str]] = {}
    for name, kind in zip(candidates.names, candidates.kinds):
        if kind in ("seen", "unseen"):
            by_kind.setdefault(kind, []).append(name)
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in by_kind.items())
    line = "classes " + (counts or "none of the run's")
    if by_default and by_kind:
        line += f" ({DEFAULT_IN_WORDS[run.gzsl]})"
    print(line)
    if candidates.is_calibrated:
        change = f"{abs(candidates.calibration):.3g} {'less' if candidates.calibration > 0 else 'more'}"
        print(
            f"        calibrated stacking ranks seen classes as if {change} probable: "
            "the first may not be the most probable"
        )
    for kind, names in by_kind.items():
        print(f"{kind:7} {first_of(names, SHOWN_NAMES)}")
    columns = candidates.attributes.T.cpu().numpy()  # [K, A]
    for name, kind, column in zip(candidates.names, candidates.kinds, columns):
        if kind not in by_kind:
            print(f"new     {name:24} by {kind}: {strongest(column, run.data.attribute_names)}")
    of_attributes, of_classes = prompts(run.data)
    print_asked(added, class_prompts or of_classes, of_attributes)


def strongest(column: np.ndarray, names: Sequence[str]) -> str:
    """The attributes that a class has most, in words.  column: [A], deviations from the mean class"""
    order = np.argsort(-column, kind="stable")
    has = [names[a] for a in order[:SHOWN_ATTRIBUTES] if column[a] > 0]
    lacks = [names[a] for a in order[::-1][:SHOWN_ATTRIBUTES] if column[a] < 0]
    if has:
        return ", ".join(has)
    return f"nothing more than the mean class, least {', '.join(lacks)}" if lacks else "nothing of its own"
