"""The scene classes by name, in alphabetical order."""

from typing import Dict

from . import scenes_land, scenes_town  # noqa: F401, they fill the register
from .recipe import REGISTER, Recipe

CLASSES: Dict[str, Recipe] = dict(sorted(REGISTER.items()))
