"""Do pictures look like those that a run was trained with? Said once, with a number, if they do not.

Pictures of an unseen class look otherwise than those of each seen class, too. So they are held against how
far the seen classes are from each other. And the mean of many classes is near to any other mean. So pictures
are compared in groups: those that are given one class are of about one kind. README.md has how often a note
is right.
"""

from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from torch import Tensor

from data.appearance import Appearance, appearance
from support.notes import note
from support.processes import all_gather, rank

FEWEST_OF_GROUP = 5  # pictures whose mean says something
FEWEST = 20  # pictures in such groups, to say anything at all
FAR = 3.0  # deviations from what is usual
MOST_KINDS = 9  # that count as so many independent ones: pictures of one source have more in common
ENOUGH = 2000  # pictures that are all looked at; of further batches every tenth
ALIKE = 1e-6  # classes whose logarithms of distances deviate less than this are all equally far
UNKNOWN = (1.0, 0.0)  # of `Familiarity.distance`, where nothing can be told

Group = Tuple[int, np.ndarray]  # pictures, and the sum [F] of their `appearance`


class Familiarity:
    """Collects how pictures look, batch by batch, in constant memory."""

    def __init__(self, trained_on: Optional[Appearance]):
        """trained_on: of the training images, None if the run does not tell: then nothing is said"""
        self.trained_on = trained_on
        self.groups: Dict[str, Group] = {}
        self.pictures = 0
        self.batches = 0

    def add(self, images: Tensor, names: Sequence[str]):
        """images: [B, 3, S, S] uint8;  names: [B], what each was called"""
        self.batches += 1
        if self.trained_on is None or not len(images):
            return
        if self.pictures >= ENOUGH and self.batches % 10:
            return
        self.pictures += len(images)
        for name, numbers in zip(names, appearance(images).numpy()):
            self.add_group(name, (1, numbers))

    def add_group(self, name: str, group: Group):
        count, total = self.groups.get(name, (0, np.zeros_like(group[1])))
        self.groups[name] = (count + group[0], total + group[1])

    def distance(self) -> Tuple[float, float]:
        """How many times as far as the run's own classes are from each other, and how unusual that is.

        The first is a factor, of the geometric mean over the pictures. The second is in deviations of the
        logarithm among the classes. UNKNOWN if there are too few pictures to tell, or if the classes do not
        differ: a prediction never ends because of how pictures look.
        """
        assert self.trained_on is not None
        large = [group for group in self.groups.values() if group[0] >= FEWEST_OF_GROUP]
        if sum(count for count, _ in large) < FEWEST:
            return UNKNOWN
        try:
            with np.errstate(all="ignore"):
                found = compare(self.trained_on, large)
        except np.linalg.LinAlgError:  # of training images that are all of one colour
            return UNKNOWN
        return found if np.isfinite(found).all() else UNKNOWN

    def tell_together(self):
        """The first process says of what all saw. Every process must call it."""
        of_processes = all_gather(self.groups)
        if rank() > 0:
            return
        for groups in of_processes[1:]:
            for name, group in groups.items():
                self.add_group(name, group)
        self.tell()

    def tell(self):
        """Say so if they look otherwise."""
        if self.trained_on is None:
            return
        factor, deviations = self.distance()
        if deviations > FAR:
            note(in_words(factor))


def compare(trained_on: Appearance, groups: Sequence[Group]) -> Tuple[float, float]:
    """See `Familiarity.distance`. Not finite, or LinAlgError, if the classes do not differ."""
    counts = np.array([count for count, _ in groups])
    logs = []
    for count, total in groups:
        mean = total / count / trained_on.scale
        logs.append(np.log(trained_on.distance(mean, count)))
    usual = np.log(trained_on.own_distances)
    further = np.average(logs, weights=counts) - usual.mean()
    shares = counts / counts.sum()
    kinds = min(1 / np.square(shares).sum(), MOST_KINDS)  # of one size, that would be as many
    spread = usual.std() if usual.std() > ALIKE else np.nan
    return float(np.exp(further)), float(further / spread * np.sqrt(kinds))


def in_words(factor: float) -> str:
    """factor: see `Familiarity.distance`"""
    return (
        "the pictures do not look like the run's training images. In colour, brightness, contrast and "
        f"sharpness they are {factor:.1f} times as far from these as its classes are from each other. What "
        "they are called may be wrong. Bring them to the training images' ground resolution and bands, or "
        "train a run on pictures like these: ./script/my_images.sh FOLDER"
    )
