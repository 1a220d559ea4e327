"""What all recipes share: the register of scene classes, and places chosen at random."""

from typing import Callable, Dict, Tuple

import numpy as np

from .geometry import at
from .land import MIDDLE
from .scene import Scene

Recipe = Callable[[Scene], None]
REGISTER: Dict[str, Recipe] = {}


def scene_class(draw: Recipe) -> Recipe:
    """dense_residential is the class DenseResidential."""
    REGISTER[draw.__name__.title().replace("_", "")] = draw
    return draw


def turn(s: Scene) -> float:
    return s.rng.uniform(0, 2 * np.pi)


def middle(s: Scene, spread: float = 40) -> np.ndarray:
    """A point that far from the middle at most, in x and in y."""
    return MIDDLE + s.rng.uniform(-spread, spread, 2)


def frame(s: Scene, spread: float = 40) -> Tuple[float, Callable[[float, float], np.ndarray]]:
    """A random direction, and a function to canvas coordinates about a random centre.

    The function takes (along, across) the direction.
    """
    a, (x, y) = turn(s), middle(s, spread)
    return a, lambda u, v: at((u, v), x, y, a)
