"""From a picture file to what a network takes. Every program goes this way, each with its `Preprocessing`.

    file -> decode (resize) -> cut (S x S) -> batch -> Normalize (on the device)

Shapes: `B` images of `S x S` pixels; `H x W` pixels of a whole picture after its resize.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from data.bands import Bands
from data.decoded import Decoded
from data.images import from_pillow, read_image
from support.loader import Loader

NORMALIZATIONS = {  # mean and standard deviation of R, G, B in [0, 1]
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
Key = Union[int, Tuple[int, int]]  # an image's index, or with a draw that decides a random crop


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its pictures: everything in which networks differ.

    size:         S, side of the square that the network sees, in pixels
    shorter_side: of the whole picture, to which it is resized before a square is cut out
    mean, std:    of R, G and B in [0, 1]
    bicubic:      interpolation of the resize: bicubic as in CLIP, or bilinear as in DSVA
    shape:        height and width to which the whole picture is squeezed, for the few CLIPs that want that
                  and not a resize that keeps its shape
    bands:        of a picture that are red, green and blue, counted from 1; by default the first three
    """

    size: int
    shorter_side: int
    mean: Tuple[float, float, float]
    std: Tuple[float, float, float]
    bicubic: bool = False
    shape: Optional[Tuple[int, int]] = None
    bands: Optional[Tuple[int, ...]] = None

    def of_bands(self, bands: Optional[Bands]) -> "Preprocessing":
        """The same for pictures whose red, green and blue are these bands."""
        return replace(self, bands=tuple(bands) if bands else None)


def dsva_preprocessing(size: int, normalization: str, bands: Optional[Bands] = None) -> Preprocessing:
    """As published for 224 pixels: shorter side 256. Other sizes in proportion.

    normalization: "imagenet" (as published) or "clip"
    bands:         that are red, green and blue, if not the first three
    """
    mean, std = NORMALIZATIONS[normalization]
    return Preprocessing(size, round(size * 256 / 224), mean, std).of_bands(bands)


# ---- one picture -----------------------------------------------------------------------------------


def load_image(path: Path, how: Preprocessing, draw: Optional[int] = None) -> Tensor:
    """uint8 [3, S, S]: the centre of a picture, or the crop and flip that a draw decides.

    Raises InputError if the file is no readable picture.
    """
    return cut(decode(path, how), how.size, draw)


def decode(path: Path, how: Preprocessing) -> Tensor:
    """uint8 [3, H, W]: a whole picture, resized."""
    return resize_all(read_image(path, how.bands), how)


def cut_from_pillow(image: Image.Image, how: Preprocessing, name: str) -> Tensor:
    """uint8 [3, S, S]: the centre of a picture that Pillow has, of any mode and size.

    name: for the message of an InputError, if it cannot be read
    """
    return cut(resize_all(from_pillow(image, name, how.bands), how), how.size)


def resize_all(picture: Image.Image, how: Preprocessing) -> Tensor:
    """uint8 [3, H, W]: a whole picture.  picture: of 8 bits in RGB"""
    return resize(picture, how, list(how.shape) if how.shape else how.shorter_side)


def squeeze(picture: Image.Image, how: Preprocessing) -> Tensor:
    """uint8 [3, S, S]: all of a picture, whatever its shape; a tile of a larger one."""
    return resize(picture, how, [how.size, how.size])


def resize(picture: Image.Image, how: Preprocessing, size: Union[int, List[int]]) -> Tensor:
    """uint8 [3, H, W].  size: of the shorter side, or [H, W]"""
    interpolation = InterpolationMode.BICUBIC if how.bicubic else InterpolationMode.BILINEAR
    return TF.pil_to_tensor(TF.resize(picture, size, interpolation))


def cut(pixels: Tensor, size: int, draw: Optional[int] = None) -> Tensor:
    """[..., H, W] -> [..., S, S]: the centre, or the crop and flip that a draw decides."""
    height, width = pixels.shape[-2:]
    top, left, flipped = crop_and_flip(height, width, size, draw)
    part = pixels[..., top : top + size, left : left + size]
    return part.flip(-1) if flipped else part


def crop_and_flip(height: int, width: int, size: int, draw: Optional[int]) -> Tuple[int, int, bool]:
    """Top and left of a crop, and whether it is flipped. The same draw gives the same crop anywhere."""
    if draw is None:
        return round((height - size) / 2), round((width - size) / 2), False
    rng = random.Random(draw)
    return rng.randint(0, height - size), rng.randint(0, width - size), rng.random() < 0.5


# ---- many ------------------------------------------------------------------------------------------


class Images(Dataset):
    """Pictures and their labels, as uint8 so that little is copied between processes.

    A key is an image's index (centre crop: test), or a pair (index, draw) whose second number decides a
    random crop and flip (train).
    """

    def __init__(
        self,
        paths: Sequence[Path],
        how: Preprocessing,
        labels: Optional[np.ndarray] = None,
        decoded: Optional[Decoded] = None,
    ):
        """labels: [n], by default each image's own index;  decoded: pictures that are decoded already"""
        self.paths = paths
        self.how = how
        self.labels = np.arange(len(paths)) if labels is None else labels
        self.decoded = decoded

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: Key) -> Tuple[Tensor, int]:
        """uint8 [3, S, S], and its label."""
        index, draw = key if isinstance(key, tuple) else (key, None)
        label = int(self.labels[index])
        pixels = None if self.decoded is None else self.decoded[index]
        if pixels is None:
            return load_image(self.paths[index], self.how, draw), label
        return cut(pixels, self.how.size, draw), label


class ImagesOnDevice(Dataset):
    """The same for pictures that lie decoded on a GPU: a batch is cut out of them at once.

    A key is a list of keys of `Images`.
    """

    def __init__(self, images: Images):
        assert images.decoded is not None
        self.images = images
        self.content = images.decoded.content  # uint8 of all pictures, one after another
        self.places = images.decoded.places  # [n, 3], first byte, height and width of each

    def __getitem__(self, keys: Sequence[Key]) -> Tuple[Tensor, Tensor]:
        """uint8 [B, 3, S, S] on the device, and labels [B]."""
        size = self.images.how.size
        pairs = [key if isinstance(key, tuple) else (key, None) for key in keys]
        corners = [self.corner(index, draw) for index, draw in pairs]

        # [4, B] -> four of [B, 1, 1, 1]
        numbers = torch.tensor(corners).T.to(self.content.device)
        corner, channel_step, row_step, column_step = numbers[:, :, None, None, None]
        side = torch.arange(size, device=self.content.device)
        channel = channel_step * torch.arange(3, device=self.content.device)[:, None, None]  # [B, 3, 1, 1]
        row = row_step * side[:, None]  # [B, 1, S, 1]
        column = column_step * side  # [B, 1, 1, S]
        pixels = self.content[corner + channel + row + column]
        return pixels, torch.from_numpy(self.images.labels[[index for index, _ in pairs]])

    def corner(self, index: int, draw: Optional[int]) -> List[int]:
        """Where the first pixel of a crop lies, and how far it is to the next channel, row and column."""
        first, height, width = self.places[index].tolist()
        size = self.images.how.size
        if not height:
            decode(self.images.paths[index], self.images.how)  # raises what is wrong with the file
        top, left, flipped = crop_and_flip(height, width, size, draw)
        corner = first + top * width + left
        if flipped:
            return [corner + size - 1, height * width, width, -1]
        return [corner, height * width, width, 1]


class Normalize(nn.Module):
    """[B, 3, S, S] uint8, or floats in 0..255 -> float32, normalised by mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, how: Preprocessing):
        super().__init__()
        self.register_buffer("mean", torch.tensor(how.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(how.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images / 255).sub_(self.mean).div_(self.std)  # in place: new memory costs more than the sums


class DeviceLoader:
    """Batches on a device as a network takes them: normalised float32 [B, 3, S, S], and labels [B]."""

    def __init__(self, loader: DataLoader, how: Preprocessing, device: torch.device):
        self.loader = loader
        self.device = device
        self.normalize = Normalize(how).to(device)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            on_device = images.to(self.device, non_blocking=True)
            yield self.normalize(on_device), labels.to(self.device, non_blocking=True)


def image_loader(images: Images, batches, workers: int, device: torch.device) -> DeviceLoader:
    """From wherever the pictures are kept.

    batches: a sampler of batches, or a list of them, each a list of keys of `Images`
    workers: processes that decode; none where nothing is left to decode
    """
    decoded = images.decoded
    if decoded is not None and isinstance(decoded.content, Tensor):
        return DeviceLoader(
            Loader(ImagesOnDevice(images), workers=0, batch_size=None, sampler=batches), images.how, device
        )
    in_memory = decoded is not None and decoded.file is None
    loader = Loader(
        images,
        batch_sampler=batches,
        workers=0 if in_memory else workers,
        pin_memory=device.type == "cuda",
    )
    return DeviceLoader(loader, images.how, device)
