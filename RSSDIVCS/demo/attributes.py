"""The attributes of the demo, their groups, and the file that says where in an image each of them is."""

import io
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

import numpy as np

GROUPS: Dict[str, Tuple[str, ...]] = {
    "functions": (
        "runway",
        "aircraft",
        "cars",
        "ships",
        "pier",
        "sports field",
        "seating stands",
        "storage tanks",
        "solar panels",
        "rail tracks",
        "trains",
        "houses",
        "large buildings",
        "roads",
        "elevated road",
        "parking bays",
        "containers",
        "swimming pool",
    ),
    "materials": (
        "water",
        "sand",
        "trees",
        "grass",
        "bare soil",
        "asphalt",
        "concrete",
        "tiled roof",
        "metal roof",
        "snow",
        "crops",
        "rock",
    ),
    "surface_properties": (
        "striped",
        "gridded",
        "circular",
        "dense",
        "sparse",
        "curved",
        "straight",
        "shiny",
        "rippled",
    ),
}
ATTRIBUTES: Tuple[str, ...] = sum(GROUPS.values(), ())
NOTABLE = 0.002  # share of an image from which on an attribute counts as present, and is worth a word
INDEX: Dict[str, int] = {name: i for i, name in enumerate(ATTRIBUTES)}


def group_indices() -> Dict[str, List[int]]:
    """The published attri_group_3.json: 0-based attribute indices of each group."""
    return {group: [INDEX[name] for name in names] for group, names in GROUPS.items()}


def pack_masks(label: np.ndarray, kinds: Iterable[Tuple[str, ...]]) -> bytes:
    """The bytes of a mask file.

    label: uint8 [H, W], which kind of primitive shows
    kinds: the attributes of each kind
    """
    bits = [sum(1 << INDEX[name] for name in kind) for kind in kinds]
    file = io.BytesIO()
    np.savez_compressed(file, label=label, bits=np.array(bits, np.uint64))
    return file.getvalue()


def areas(label: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Share of the image that each attribute covers, [A]. label, bits: as in the file."""
    shares = np.bincount(label.ravel(), minlength=len(bits)) / label.size
    return shares @ (bits[:, None] >> np.arange(len(ATTRIBUTES), dtype=np.uint64) & np.uint64(1)).astype(
        float
    )


def read_masks(path: "str | Path | io.BytesIO") -> np.ndarray:
    """bool [A, H, W]: the pixels of each attribute."""
    with np.load(path) as file:
        bits = file["bits"][file["label"]]
    shifts = np.arange(len(ATTRIBUTES), dtype=np.uint64)[:, None, None]
    return (bits >> shifts & np.uint64(1)).astype(bool)
