"""Pictures as a notebook has them: paths, PIL images, tensors. From any of these to what a network sees."""

import os
from pathlib import Path
from typing import Any, Iterable, Iterator, Union

import torch
from PIL import Image
from torch import Tensor

from data.pipeline import Preprocessing, cut_from_pillow, load_image
from support.errors import InputError

Picture = Union[str, "os.PathLike[str]", Image.Image, Tensor]
Pictures = Union[Picture, Iterable[Picture]]


def prepared(pictures: Pictures, how: Preprocessing) -> Iterator[Tensor]:
    """uint8 [3, S, S] of each picture, one after another as they are asked for.

    pictures: one, or any number of them in a list or a generator:
        a path             read as the programs read it; no folder, whose pictures glob.glob lists
        a PIL image        of any mode and size, which goes the same way: the centre of the resized picture
        a tensor           uint8 [3, S, S], taken as it is; several in one tensor are [n, 3, S, S]

    Raises InputError with the number of a picture that cannot be read, counted from 0.
    """
    for number, picture in enumerate(listed(pictures, how.size)):
        if isinstance(picture, (str, os.PathLike)):
            yield load_image(checked_file(expanded(picture)), how)
        elif isinstance(picture, Image.Image):
            yield cut_from_pillow(picture, how, f"picture {number}")
        else:
            check_is_square(picture, f"picture {number}", how.size)
            yield picture.cpu()


def expanded(place: Union[str, "os.PathLike[str]"]) -> Path:
    """The path, in which a first ~ is the user's folder."""
    return Path(os.path.expanduser(place))  # noqa: PTH111, Path.expanduser fails if there is no such user


def checked_file(place: Path) -> Path:
    """The path itself. Raises InputError if it is a folder: which row is which picture would not be known."""
    if os.path.isdir(place):
        pattern = str(place / "*.jpg")
        raise InputError(f"{place} is a folder: name its pictures, as sorted(glob.glob({pattern!r})) does")
    return place


def listed(pictures: Pictures, size: int) -> Iterable[Any]:
    """One picture as a list of one. Raises InputError if it is neither one nor many."""
    if isinstance(pictures, (str, os.PathLike, Image.Image)):
        return [pictures]
    if isinstance(pictures, Tensor):
        if pictures.ndim not in (3, 4):
            raise InputError(f"expected a tensor [n, 3, {size}, {size}], found {list(pictures.shape)}")
        return pictures[None] if pictures.ndim == 3 else pictures
    if not isinstance(pictures, Iterable):
        raise InputError(f"expected paths, PIL images or a tensor, found {kind_of(pictures)}")
    return pictures


def check_is_square(picture: Any, name: str, size: int):
    """Raise InputError if it is no uint8 [3, S, S].  name: of the picture;  size: S"""
    expected = f"expected a path, a PIL image, or a uint8 tensor [3, {size}, {size}]"
    if not isinstance(picture, Tensor):
        hint = "; Image.fromarray makes a PIL image of an array" if hasattr(picture, "__array__") else ""
        raise InputError(f"{name}: {expected}, found {kind_of(picture)}{hint}")
    if picture.dtype != torch.uint8 or tuple(picture.shape) != (3, size, size):
        kind = str(picture.dtype).replace("torch.", "")
        raise InputError(f"{name}: {expected}, found {kind} {list(picture.shape)}")


def kind_of(value: Any) -> str:
    """Of what type it is, in words."""
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"
