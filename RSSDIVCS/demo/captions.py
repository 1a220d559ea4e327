"""English sentences about what a label map shows. They name attributes, never a class."""

from collections import Counter
from typing import Dict, List, Sequence

import numpy as np
from scipy import ndimage

from .attributes import ATTRIBUTES, GROUPS, NOTABLE, areas

MOSTLY = 0.4  # share of a thing's pixels that makes an attribute its own
NOUNS = {  # other ways to say it; what is not here goes by its name
    "runway": ("a runway",),
    "aircraft": ("aircraft", "airplanes"),
    "cars": ("cars", "vehicles"),
    "ships": ("ships", "boats"),
    "pier": ("a pier",),
    "sports field": ("a sports field",),
    "storage tanks": ("storage tanks", "tanks"),
    "rail tracks": ("rail tracks", "tracks"),
    "elevated road": ("an elevated road",),
    "parking bays": ("parking bays", "marked bays"),
    "containers": ("containers", "stacked boxes"),
    "seating stands": ("seating stands", "stands"),
    "swimming pool": ("a swimming pool",),
    "trees": ("trees", "tree crowns"),
    "bare soil": ("bare soil", "bare ground"),
    "rock": ("rock", "rocky ground"),
    "crops": ("crops", "plants in rows"),
}
COUNTED = {
    "aircraft": "aircraft",
    "ships": "ship",
    "storage tanks": "storage tank",
    "houses": "house",
    "large buildings": "large building",
    "swimming pool": "swimming pool",
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
ADJECTIVES = {
    "dense": ("dense", "densely packed"),
    "sparse": ("sparse", "scattered"),
    "circular": ("circular", "round"),
    "rippled": ("rippled", "wavy"),
    "curved": ("curved", "winding"),
}
OPENINGS = (
    "an aerial photo of {}",
    "a satellite image of {}",
    "an overhead view of {}",
    "{} seen from above",
    "{} in an aerial image",
    "a photo from the air showing {}",
    "{}",
)
AMID = ("{} surrounded by {}", "{} on {}", "{} with {} around")
BESIDE = ("{} next to {}", "{} beside {}", "{} along {}")


class Thing:
    """All that an image shows of one function, or of one bare material."""

    def __init__(self, name: str):
        self.name = name
        self.kinds: List[int] = []  # its values in the label map
        self.attributes: Counter = Counter()  # pixels that also have these
        self.area = 0  # pixels
        self.pieces = 0  # that can be told apart
        self.around: Dict[Thing, float] = {}  # share of its rim that each other thing holds

    def has(self, group: str) -> List[str]:
        return [
            name for name in GROUPS[group] if name != self.name and self.attributes[name] > MOSTLY * self.area
        ]

    def describe(self, rng: np.random.Generator) -> str:
        """Such as "two shiny storage tanks" or "dense houses with tiled roof"."""
        looks = [
            pick(rng, ADJECTIVES.get(name, (name,)))
            for name in self.has("surface_properties")
            if rng.random() < 0.8
        ]
        rng.shuffle(looks)
        made_of = [name for name in self.has("materials") if rng.random() < 0.6]
        looks += [name for name in made_of if name in ("asphalt", "concrete", "grass")]
        tail = "".join(f" with {name}" for name in made_of if name.endswith("roof"))
        article, noun = "", pick(rng, NOUNS.get(self.name, (self.name,)))
        if noun.startswith(("a ", "an ")):
            article, noun = noun.split(" ", 1)
        if self.name in COUNTED and self.pieces and rng.random() < 0.6:
            article = NUMBERS[self.pieces] if self.pieces < len(NUMBERS) else "many"
            noun = COUNTED[self.name] + "s" * (self.pieces > 1 and self.name != "aircraft")
        words = " ".join([*looks, noun])
        if article in ("a", "an"):
            article = "an" if words[0] in "aeiou" else "a"
        return f"{article} {words}{tail}".strip()


def pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[rng.integers(len(choices))]


def things(label: np.ndarray, bits: np.ndarray) -> List[Thing]:
    """What is worth naming in a label map (see attributes.pack_masks)."""
    found: Dict[str, Thing] = {}
    for kind, area in enumerate(np.bincount(label.ravel(), minlength=len(bits)).tolist()):
        names = [name for i, name in enumerate(ATTRIBUTES) if int(bits[kind]) >> i & 1]
        if area and names:  # functions come first in names, then materials
            thing = found.setdefault(names[0], Thing(names[0]))
            thing.kinds.append(kind)
            thing.area += area
            thing.attributes.update(dict.fromkeys(names, area))
    notable = [thing for thing in found.values() if thing.area >= NOTABLE * label.size]
    for thing in notable:
        look_around(thing, notable, label)
    return notable


def look_around(thing: Thing, others: List[Thing], label: np.ndarray) -> None:
    """Count the pieces of a thing and see what lies around them."""
    where = np.isin(label, thing.kinds)
    pieces, _ = ndimage.label(where)
    thing.pieces = int((np.bincount(pieces.ravel())[1:] >= 12).sum())
    rim = np.bincount(label[ndimage.maximum_filter(where, 9) & ~where], minlength=256)
    thing.around = {
        other: rim[other.kinds].sum() / max(rim.sum(), 1) for other in others if other is not thing
    }


def captions(label: np.ndarray, bits: np.ndarray, rng: np.random.Generator, count: int = 5) -> List[str]:
    """Sentences about one image, in which relations are said only where they are true.

    After them comes the name of each of its attributes.
    """
    seen = things(label, bits)
    sentences = []
    for _ in range(count):
        most = (
            len(seen) if rng.random() < 0.5 else rng.integers(1, 4)
        )  # half of the sentences name all that there is
        chosen = [seen[i] for i in rng.permutation(len(seen))[:most]]
        near, share = max(chosen[0].around.items(), key=lambda item: item[1], default=(None, 0))
        if len(chosen) < 3 and share > 0.15 and rng.random() < 0.5:
            body = pick(rng, AMID if share > 0.65 else BESIDE).format(
                chosen[0].describe(rng), near.describe(rng)
            )
        else:
            *first, last = [thing.describe(rng) for thing in chosen]
            body = f"{', '.join(first)} and {last}" if first else last
        sentences.append(pick(rng, OPENINGS).format(body))
    return sentences + [name for name, area in zip(ATTRIBUTES, areas(label, bits)) if area >= NOTABLE]
