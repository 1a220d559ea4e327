"""What names images among the classes that it chooses from: the interface, and a saved run as one such."""

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor

from data.appearance import Appearance
from data.pipeline import Preprocessing
from inference.arrays import Looked, Prediction, joined
from inference.candidates import Candidates, Choice, NamedCandidates, choose_candidates, fingerprint
from inference.contributions import Contributions, distinctions
from inference.familiarity import Familiarity
from inference.new_classes import (
    SHOWN_NAMES,
    NewClass,
    check_names,
    checked_classes,
    checked_prompts,
    known_classes,
)
from inference.new_columns import ClassValues, table_of_values
from inference.pictures import Pictures, prepared
from inference.prediction_lines import LineForm
from inference.predictions import in_batches
from inference.saved import SavedRun
from support.errors import InputError
from support.notes import counted, first_of, quietly

# Files of a batch, the readable ones as uint8 [b, 3, S, S], what is wrong with the others.
DecodedBatches = Iterable[Tuple[List[str], Tensor, Mapping[str, str]]]


class BaseClassifier(ABC):
    """Names images, one of K classes each, and tells some of A attributes of each.

    candidates:      the K classes
    attribute_names: [A]
    preprocessing:   how it wants its images
    device:          where it computes
    told:            what a line tells of an attribute, beside its name
    totals:          what a line tells of all attributes together
    notes:           what a program would have printed while it was made, if that was from Python
    trained_on:      how its training images look, if it was trained and knows
    """

    candidates: NamedCandidates
    attribute_names: List[str]
    preprocessing: Preprocessing
    device: torch.device
    told: Tuple[str, ...]
    totals: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    trained_on: Optional[Appearance] = None

    # ---- for notebooks -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        names = first_of(self.candidates.names, SHOWN_NAMES)
        return f"{type(self).__name__} of {counted(len(self.candidates.names), 'class', 'classes')}: {names}"

    def predict(self, pictures: Pictures, batch_size: int = 64, maps: bool = True) -> Prediction:
        """Name pictures, as predict.py does.

        pictures:   one or many; paths, PIL images, a tensor uint8 [n, 3, S, S]: see `pictures.prepared`.
                    Of none, n is 0 in all shapes
        batch_size: how many the network sees at once, all that are in memory at a time
        maps:       are maps and windows wanted? Those of 1,000 pictures and 98 attributes take 20 to 80 MB

        Raises InputError, one line, at the first picture that cannot be read.
        """
        if type(batch_size) is not int or batch_size < 1:
            raise InputError(f"batch_size: expected a whole number from 1 on, found {batch_size!r}")
        with quietly() as notes:
            familiarity = Familiarity(self.trained_on)
            parts = []
            for batch in in_batches(prepared(pictures, self.preprocessing), batch_size):
                images = torch.stack(batch)
                parts.append(self.look(images, maps))
                familiarity.add(images, self.names_by(parts[-1].probabilities))
            familiarity.tell()
        together = joined(parts) if parts else self.look_at_nothing(maps)
        return Prediction(
            class_names=list(self.candidates.names),
            attribute_names=list(self.attribute_names),
            scores=self.candidates.calibrated(together.probabilities),
            notes=tuple(notes.values()),
            **together._asdict(),
        )

    def look_at_nothing(self, maps: bool) -> Looked:
        """Arrays of the right shapes, without a row."""
        size = self.preprocessing.size
        looked = self.look(torch.zeros(1, 3, size, size, dtype=torch.uint8), maps)
        return Looked(*(None if array is None else array[:0] for array in looked))

    def prepare(self, pictures: Pictures) -> Tensor:
        """uint8 [n, 3, S, S]: the squares that the network sees, for `describe`, or to draw maps over.

        pictures: as of `predict`
        """
        size = self.preprocessing.size
        with quietly():
            squares = list(prepared(pictures, self.preprocessing))
        return torch.stack(squares) if squares else torch.empty(0, 3, size, size, dtype=torch.uint8)

    @abstractmethod
    def with_classes(self, *new: Union[str, NewClass]) -> "BaseClassifier":
        """Another classifier, which has these candidates, too. This one stays as it is.

        new: each as in --add_class: "wind farm", "wind farm: tall turbines on grass", "port=examples/*.jpg";
             or a `NewClass`, for a list of pictures

        Raises InputError if a name is taken or empty, or a picture cannot be read.
        """

    # ---- for programs, too -------------------------------------------------------------------------

    @abstractmethod
    def look(self, images: Tensor, maps: bool = False) -> Looked:
        """images: [B, 3, S, S] uint8, B > 0;  maps: are maps and windows wanted?"""

    @abstractmethod
    def tell_attributes(self, looked: Looked, image: int, most: int) -> dict:
        """{"attributes": [{"attribute", and `told`}, ...], and `totals`}, the first one first.

        image: number in the batch;  most: attributes
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Of all that decides, beside the options, what an image is called."""

    def line_form(self) -> LineForm:
        """What the lines of its predictions have."""
        candidates = self.candidates
        names, attributes = frozenset(candidates.names), frozenset(self.attribute_names)
        return LineForm(names, attributes, candidates.is_calibrated, self.told, self.totals)

    def probabilities(self, images: Tensor) -> np.ndarray:
        """[B, 3, S, S] uint8 -> [B, K]"""
        return self.look(images).probabilities

    def names_by(self, probabilities: np.ndarray) -> List[str]:
        """[B, K] -> [B], the best class of each image."""
        best = self.candidates.calibrated(probabilities).argmax(axis=1)
        return [self.candidates.names[k] for k in best]

    def describe(self, images: Tensor, top: int = 3, attributes: int = 3) -> List[dict]:
        """Of each image, its best classes, and attributes: see `tell_attributes` of each kind of classifier.

        images: [B, 3, S, S] uint8;  top, attributes: how many at most

        {"classes": [{"class", "probability"}, ...], "attributes": [{"attribute", ...}, ...], ...}. With
        calibrated stacking a class has a "calibrated_score", too, by which classes are ranked: its
        probability, less the constant if it is a seen one.
        """
        if not len(images):
            return []
        looked = self.look(images)
        calibrated = self.candidates.calibrated(looked.probabilities)
        ranked = np.argsort(-calibrated, axis=1, kind="stable")[:, :top]  # [B, top]
        descriptions = []
        for image, classes in enumerate(ranked):
            description: dict = {"classes": []}
            for k in classes:
                entry = {"class": self.candidates.names[k]}
                if self.candidates.is_calibrated:
                    entry["calibrated_score"] = six_digits(calibrated[image, k])
                entry["probability"] = six_digits(looked.probabilities[image, k])
                description["classes"].append(entry)
            description.update(self.tell_attributes(looked, image, attributes))
            descriptions.append(description)
        return descriptions


class Classifier(BaseClassifier):
    """A saved run, and the K classes that it chooses from.

    Of attributes it tells the reasons: those that add most to the lead of the best class on the mean of all
    candidates, see `inference.contributions`. "score" is the attribute's in the branch that counts, below 0
    where it is lacking. "contribution" is what that adds, in logits; "rest" is what all attributes add that
    are not told. "logit_difference" is the lead: what contributions and rest sum to.
    """

    told = ("score", "contribution")
    totals = ("rest", "logit_difference")

    def __init__(self, run: SavedRun, candidates: Candidates):
        self.run = run
        self.candidates: Candidates = candidates
        self.attribute_names = run.data.attribute_names
        self.preprocessing = run.preprocessing
        self.device = run.device
        self.trained_on = run.looks
        self.distinctions = distinctions(run, candidates)  # [K, A]

    def with_classes(
        self,
        *new: Union[str, NewClass],
        values: Optional[ClassValues] = None,
        clip: Union[str, Path, None] = None,
        prompts: Optional[Sequence[str]] = None,
    ) -> "Classifier":
        """The same run with these candidates, too. This one stays as it is.

        values:  classes by their attributes, {"wind farm": {"grass": 1.5, "roads": -1}}, or a JSON file of
                 that: in deviations from the mean class, 0 where an attribute is not named
        clip:    folder of the CLIP that reads words and pictures, by default the one that described the run
        prompts: sentences in which names stand, {} is the name; by default those of the run

        clip and prompts hold for classes that were added before, too.
        """
        choice = self.candidates.choice
        added = checked_classes(new, "with_classes")
        table = table_of_values(values) if values is not None else {}
        earlier = table_of_values(choice.values) if choice.values is not None else {}
        check_names([*(c.name for c in added), *table], self.taken_names(), "with_classes")
        return self.choosing(
            replace(
                choice,
                added=[*choice.added, *added],
                values={**earlier, **table} or None,
                clip_folder=clip or choice.clip_folder,
                class_prompts=checked_prompts(prompts) or choice.class_prompts,
            )
        )

    def among(
        self,
        classes: Union[str, Sequence[str], None] = None,
        without: Sequence[str] = (),
        calibration: Optional[float] = None,
    ) -> "Classifier":
        """The same run with other classes of its own as candidates; added ones stay. This one stays as it is.

        classes:     "unseen", "all", "none", or names; by default those of the run's own test
        without:     names of classes that are left out, as if the run had never heard of them
        calibration: taken from the probabilities of seen classes, by default the run's
        """
        without = [without] if isinstance(without, str) else list(without)
        choice = self.candidates.choice
        return self.choosing(replace(choice, classes=classes, without=without, calibration=calibration))

    def choosing(self, choice: Choice) -> "Classifier":
        """The same run with other candidates."""
        with from_python() as notes:
            candidates = choose_candidates(self.run, **vars(choice))
        other = Classifier(self.run, candidates)
        other.notes = (*self.notes, *notes.values())
        return other

    def taken_names(self) -> List[str]:
        """Of the run's classes that were not left out, and of the added ones."""
        names = self.run.data.class_names
        known = [names[c] for c in known_classes(names, self.candidates.choice.without)]
        return [*known, *(name for name in self.candidates.names if name not in known)]

    @torch.inference_mode()
    def look(self, images: Tensor, maps: bool = False) -> Looked:
        """Probabilities and contributions of the branch that counts, and the attention branch's scores."""
        out = self.run.look(images, self.candidates.attributes)
        probabilities = self.run.class_scores(out).softmax(dim=1).cpu().numpy()
        best = self.candidates.calibrated(probabilities).argmax(axis=1)  # [B]
        deciding = self.run.evidence(out).cpu().numpy()
        looked = Looked(
            probabilities,
            attributes=out.attributes_attention.cpu().numpy(),
            deciding=deciding,
            contributions=deciding.astype(float) * self.distinctions[best],
        )
        if not maps:
            return looked
        boxes = self.run.model.find_windows(out) if out.boxes is None else out.boxes
        return looked._replace(maps=out.maps.cpu().numpy(), windows=boxes.cpu().numpy())

    def tell_attributes(self, looked: Looked, image: int, most: int) -> dict:
        assert looked.deciding is not None and looked.contributions is not None  # of a run they are there
        found = Contributions(looked.deciding[image], looked.contributions[image])
        strongest = found.strongest(most)
        entries = []
        for a in strongest:
            entry = {
                "attribute": self.attribute_names[a],
                "score": six_digits(found.scores[a]),
                "contribution": six_decimals(found.values[a]),
            }
            entries.append(entry)
        return {
            "attributes": entries,
            "rest": six_decimals(found.rest(strongest)),
            "logit_difference": six_decimals(found.lead),
        }

    def fingerprint(self) -> str:
        return fingerprint(self.run.dataset.checkpoint, self.candidates)


def describe_batches(
    classifier: BaseClassifier, batches: DecodedBatches, familiarity: Familiarity, top: int, attributes: int
) -> Iterator[List[dict]]:
    """The lines of predictions.jsonl, batch by batch.

    batches: of `predictions.decoded_batches`;  familiarity: is told of each;  top, attributes: see `describe`
    """
    for files, images, errors in batches:
        described = classifier.describe(images, top, attributes)
        familiarity.add(images, [description["classes"][0]["class"] for description in described])
        descriptions = iter(described)
        lines = []
        for file in files:
            result = {"error": errors[file]} if file in errors else next(descriptions)
            lines.append({"image": file, **result})
        yield lines


@contextmanager
def from_python() -> Iterator[Dict[str, str]]:
    """Inside, nothing is printed, and torch's random numbers stay as they are. Yields the notes."""
    with quietly() as notes, torch.random.fork_rng(devices=[]):  # new networks are filled with random numbers
        yield notes


def six_digits(value: float) -> float:
    """As it is written into files."""
    return float(f"{value:.6g}")


def six_decimals(value: float) -> float:
    """As what is to be added up is written into files; no -0."""
    return round(float(value), 6) + 0.0
