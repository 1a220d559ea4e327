"""What a page can choose from: finished runs, and CLIPs alone. Each is loaded when it is first asked for.

What is loaded is kept and shared by all who ask: nothing of it changes. A file that has changed is loaded
anew, and one that is gone is said to be gone.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, Callable, Hashable, List, Optional, Sequence, Tuple

from clip.embed import Clip
from clip.kinds import loaded_files
from inference.candidates import default_classes, own_classes
from inference.classifier import BaseClassifier, Classifier, from_python
from inference.clip_classifier import ClipClassifier
from inference.loading import VOCABULARY, checked_vocabulary, load_run
from inference.new_classes import NewClass
from runs.chosen import ENDING, chosen_checkpoint
from runs.results import is_finished
from runs.several import find_runs
from support.errors import InputError
from support.machine import pick_device
from support.notes import quietly

MOST_LOADED = 3  # runs and CLIPs
MOST_CHOSEN = 32  # choices of classes: without weights of their own
OF_GPU_CHECK = "gpu.json"  # of a folder of gpu_check.py, whose runs are of random pictures
DRAWN = "clip-demo"  # has seen no photograph: the last one to be offered


@dataclass(frozen=True)
class Offer:
    """A run or a CLIP that can be chosen.

    name:  as it is listed
    place: of a run its folder or a checkpoint, of a CLIP its folder
    """

    name: str
    place: Path
    is_run: bool


def named_offer(place: Path, is_run: bool) -> Offer:
    """One that a user has named: called by its folder and the one around it, which tell several runs apart.

    Raises InputError if it is not there.
    """
    if not os.path.exists(place):  # noqa: PTH110, Path.exists raises an error if a name is too long
        raise InputError(f"{place} is not there: check its name")
    return Offer("/".join(place.parts[-2:]), place, is_run)


def find_finished_runs(folder: Path) -> List[Offer]:
    """Finished runs with a checkpoint below a folder, the newest first, but none of a check of the GPU."""
    found = []
    for place in find_runs(folder):
        is_whole = is_finished(place) and any(place.glob(f"*{ENDING}"))
        if is_whole and not is_of_gpu_check(place, folder):
            found.append(place)
    found.sort(key=lambda place: (place / "results.json").stat().st_mtime, reverse=True)
    names = [str(place.relative_to(folder)) if place != folder else place.name for place in found]
    return [Offer(name, place, is_run=True) for name, place in zip(names, found)]


def is_of_gpu_check(place: Path, folder: Path) -> bool:
    """Has gpu_check.py trained this run, to measure the time?  folder: that it was found below"""
    around = [above for above in place.parents if above == folder or folder in above.parents]
    return any((above / OF_GPU_CHECK).is_file() for above in around)


def find_clips(folder: Path) -> List[Offer]:
    """CLIPs whose folders lie in a folder, by name; last the demo's, which knows drawn scenes alone."""
    places = [file.parent for file in folder.glob("*/config.json") if loaded_files(file.parent)]
    places.sort(key=lambda place: (place.name == DRAWN, place.name))
    return [Offer(place.name, place, is_run=False) for place in places]


def stamp(offer: Offer) -> Tuple[Tuple[str, int, int], ...]:
    """Path, time and size of its weights: another one when they have changed.

    Raises InputError if they are gone.
    """
    files = [Path(chosen_checkpoint(offer.place))] if offer.is_run else loaded_files(offer.place)
    found = []
    for file in files:
        if file.is_file():
            facts = file.stat()
            found.append((str(file), facts.st_mtime_ns, facts.st_size))
    if not found or len(found) < len(files):
        raise InputError(f"{offer.name} is not there any more: choose another one, or put {offer.place} back")
    return tuple(found)


class Kept:
    """The last few things that were made, by what they were made for."""

    def __init__(self, most: int):
        self.most = most
        self.things: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The one that is there, or a new one."""
        if key not in self.things:
            self.things[key] = make()
            while len(self.things) > self.most:
                self.things.popitem(last=False)
        self.things.move_to_end(key)
        return self.things[key]


class Models:
    """Classifiers for many visitors.

    device, bands: as of `load_run`
    clip:          reads added classes of runs whose own CLIP is not where it was
    busy:          held while something is computed: torch's random numbers and matplotlib's settings are
                   those of the whole process, and are put back afterwards
    """

    def __init__(
        self,
        device: str = "auto",
        bands: Optional[Sequence[int]] = None,
        clip: Optional[Path] = None,
    ):
        self.device = pick_device(device)
        self.bands = list(bands) if bands else None
        self.clip = clip
        self.busy = RLock()
        self.loaded = Kept(MOST_LOADED)
        self.chosen = Kept(MOST_CHOSEN)

    def run(self, offer: Offer) -> Classifier:
        """A run with the candidates of its own test. Raises InputError if it cannot be loaded."""
        with self.busy, quietly():
            key = stamp(offer)
            return self.loaded.get(key, lambda: load_run(offer.place, str(self.device), self.bands))

    def classifier(
        self, offer: Offer, own: Optional[str] = None, added: Sequence[NewClass] = ()
    ) -> BaseClassifier:
        """One that chooses among these classes.

        own:   of a run's classes, "all", "unseen" or "none"; by default those of its own test
        added: further classes; of a CLIP alone all there are

        Raises InputError if two classes have one name, none is left, or a file is gone or cannot be read.
        """
        with self.busy, quietly():
            key = (stamp(offer), own, tuple(added))
            make = self.with_run if offer.is_run else self.with_clip
            return self.chosen.get(key, lambda: make(offer, own, added))

    def with_run(self, offer: Offer, own: Optional[str], added: Sequence[NewClass]) -> Classifier:
        """See `classifier`."""
        classifier = self.run(offer)
        own = own or default_classes(classifier.run)
        if not added and not len(own_classes(classifier.run, own)):
            raise InputError("no class is left to choose from: add some, or let the run's own compete")
        described = Path(classifier.run.data.provenance.get("clip", ""))
        folder = None if loaded_files(described) else self.clip
        choice = classifier.candidates.choice
        return classifier.choosing(replace(choice, classes=own, added=added, clip_folder=folder))

    def with_clip(self, offer: Offer, own: Optional[str], added: Sequence[NewClass]) -> ClipClassifier:
        """See `classifier`."""
        if not added:
            raise InputError("a CLIP alone has no classes of its own: type some, one a line")
        with from_python() as notes:
            clip = self.loaded.get(stamp(offer), lambda: self.load_clip(offer))
            found = ClipClassifier(clip, added, checked_vocabulary(VOCABULARY))
        found.notes = tuple(notes.values())
        return found

    def load_clip(self, offer: Offer) -> Clip:
        """Its weights."""
        clip = Clip(offer.place, self.device)
        clip.preprocessing = clip.preprocessing.of_bands(self.bands)
        return clip
