"""Natural and farmed land: ground covers, woods, fields, waters. Canvas pixels, radians."""

from functools import partial
from typing import Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

from . import objects, textures
from .geometry import at, disc, lattice, ray, rect, scatter, walk
from .scene import SHADE, SIDE, Scene, Where, mask_of

MIDDLE = SIDE / 2
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)

GROUND = {
    "grass": (textures.grass, ("grass",)),
    "scrub": (textures.scrub, ("grass",)),
    "lawn": (textures.lawn, ("grass", "striped")),
    "forest": (textures.canopy, ("trees", "dense")),
    "soil": (textures.soil, ("bare soil",)),
    "sand": (textures.sand, ("sand",)),
    "dunes": (textures.dunes, ("sand", "rippled")),
    "rock": (textures.rock, ("rock",)),
    "snow": (textures.snow, ("snow",)),
    "concrete": (textures.concrete, ("concrete",)),
    "asphalt": (textures.asphalt, ("asphalt",)),
}


def ground(scene: Scene, cover: str, where: Where = None, soft: float = 0, extra: Sequence[str] = ()) -> None:
    """Lay one of the GROUND covers."""
    texture, attributes = GROUND[cover]
    if cover == "forest" and where is not None:  # its edge shades the clearing
        shift = np.rint(7 * scene.shadow_length * scene.sun[::-1]).astype(int)
        scene.tint(SHADE, 0.5 * np.roll(mask_of(where), shift, (0, 1)))
    scene.cover(texture, (*attributes, *extra), where, soft)


def countryside(scene: Scene, woods: float = 0.5, snow: float = 0.08) -> None:
    """Open ground with what grows on it; woods and snow: chances."""
    base = "snow" if scene.chance(snow) else scene.rng.choice(("scrub", "scrub", "grass", "soil"))
    ground(scene, base)
    if base == "soil":
        ground(scene, "scrub", patches(scene, 0.45), soft=4)
    if scene.chance(woods):
        ground(scene, "forest", patches(scene, scene.rng.uniform(0.1, 0.4)), soft=1)


def patches(scene: Scene, share: float) -> np.ndarray:
    """Random natural patches, bool [SIDE, SIDE], covering about this share of the canvas."""
    field = textures.noise(scene.rng, X.shape, s128=1, s64=0.6, s32=0.35, s8=0.12, s2=0.06)
    return field > np.quantile(field[::8, ::8], 1 - share)


def mountain(scene: Scene) -> np.ndarray:
    """Rock with snow from some height on, over the whole canvas. Returns the height, float [SIDE, SIDE]."""
    height = textures.mountain_height(scene.rng, X.shape)
    scene.cover(textures.rock(scene, X.shape, height), ("rock",))
    line = np.quantile(height[::8, ::8], scene.rng.uniform(0.1, 0.8)) + textures.noise(
        scene.rng, X.shape, s2=0.03, s8=0.08, s32=0.1
    )
    scene.cover(textures.snow(scene, X.shape, height), ("snow",), height > line, soft=1)
    return height


# plants


def bushes(
    scene: Scene,
    count: int,
    low: float = 3,
    high: float = 7,
    taken: Sequence[Tuple[float, float, float]] = (),
) -> None:
    """Lone trees and shrubs, radius low..high, outside the circles (x, y, radius) in taken."""
    for x, y in scatter(scene.rng, count, 14, taken=taken):
        objects.tree(scene, x, y, scene.rng.uniform(low, high), ("sparse",))


def hedge(scene: Scene, points: np.ndarray, density: float = 0.8) -> None:
    """Trees along a line."""
    for x, y, _ in walk(points, 13, scene.rng.uniform(0, 13)):
        if scene.chance(density):
            objects.tree(scene, *scene.rng.normal((x, y), 3), scene.rng.uniform(5, 10))


def orchard(scene: Scene, angle: float, pitch: float, radius: float, where: Where = None) -> None:
    """Trees on a grid, over the canvas or where a mask says."""
    for x, y in lattice(MIDDLE, MIDDLE, angle, 640, 640, pitch, pitch * 1.15):
        if (
            0 <= x < SIDE
            and 0 <= y < SIDE
            and (where is None or where[int(y), int(x)])
            and not scene.chance(0.04)
        ):
            objects.tree(scene, x, y, radius * scene.rng.uniform(0.8, 1.15), ("gridded",))


# fields


def pivot(scene: Scene, x: float, y: float, radius: float) -> None:
    """A field watered by a turning arm: rings, and sectors sown at different times."""
    if not scene.sees(x, y, radius):
        return
    rng = scene.rng
    start, cuts = rng.uniform(0, 6.28), np.sort(rng.uniform(0, 6.28, rng.integers(0, 4)))
    disk, bearing = np.hypot(X - x, Y - y) < radius, (np.arctan2(Y - y, X - x) - start) % (2 * np.pi)
    for low, high in zip((0, *cuts), (*cuts, 6.3)):
        rows = partial(textures.crops, angle=rng.uniform(0, np.pi), spacing=rng.uniform(4, 7))
        scene.cover(rows, ("crops", "circular"), disk & (bearing >= low) & (bearing < high))
    for r in np.arange(radius * 0.15, radius, radius * rng.uniform(0.08, 0.16)):
        scene.outline(disc(x, y, r, corners=60), (60, 64, 44), 1, alpha=60)
    scene.line(ray(x, y, start, 0, radius), (206, 200, 184), 2, alpha=170)


def mosaic(scene: Scene, angle: float, pitch: float, bare: float = 0.15) -> None:
    """Rectangular fields of unequal size side by side, over the whole canvas; bare: share left fallow."""
    rng, v = scene.rng, -330.0
    while v < 330:
        depth, u = pitch * rng.uniform(0.7, 1.4), -330 - rng.uniform(0, 60)
        while u < 330:
            length = pitch * rng.uniform(0.6, 2.2)
            field = rect(
                *at((u + length / 2, v + depth / 2), MIDDLE, MIDDLE, angle), length - 2, depth - 2, angle
            )
            rows = partial(
                textures.crops, angle=angle + rng.integers(2) * np.pi / 2, spacing=rng.uniform(4, 8)
            )
            if scene.chance(bare):
                ground(scene, "soil", field)
            else:
                scene.cover(rows, ("crops", "striped", "straight"), field)
            u += length
        v += depth


def terraces(scene: Scene, where: Where = None) -> None:
    """Narrow fields that follow the contours of a slope."""
    rng = scene.rng
    height = (
        textures.noise(rng, X.shape, s64=0.5, s128=1.2) + X * rng.normal(0, 0.006) + Y * rng.normal(0, 0.006)
    )
    steps = height * rng.uniform(5, 8)
    band, edge = np.floor(steps).astype(int), steps % 1
    crop = scene.palette["crops"][0]
    tones = np.stack([scene.jitter(crop.mean(0), 0.1) for _ in range(97)]).astype(np.float32)
    light = (
        1
        + textures.noise(rng, X.shape, s1=0.06, s4=0.06, s32=0.1, s128=0.1)
        - 0.3 * (edge < 0.12)
        + 0.1 * (edge > 0.88)
    )
    scene.cover(tones.take(band % 97, 0) * light[..., None], ("crops", "striped", "curved"), where)


# waters


def shore_distance(scene: Scene, angle: float, offset: float) -> np.ndarray:
    """Distance into the sea, float [SIDE, SIDE]; negative on land.

    The sea lies towards angle, behind a natural shoreline.
    """
    across = (X - MIDDLE) * np.float32(np.cos(angle)) + (Y - MIDDLE) * np.float32(np.sin(angle))
    return across - offset + textures.noise(scene.rng, X.shape, s4=0.8, s32=5, s128=16)


def river_distance(scene: Scene, line: np.ndarray, width: float) -> np.ndarray:
    """Distance into a river along a line [n, 2], float [SIDE, SIDE]; negative on land; ragged banks."""
    stencil = Image.new("L", (SIDE // 4, SIDE // 4), 1)
    ImageDraw.Draw(stencil).line((line / 4).ravel().tolist(), fill=0)
    quarter = Image.fromarray(4 * distance_transform_edt(stencil).astype(np.float32))
    distance = np.asarray(quarter.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return width / 2 - distance + textures.noise(scene.rng, X.shape, s4=0.7, s16=2, s64=width * 0.1)


def island_distance(scene: Scene, x: float, y: float, radius: float) -> np.ndarray:
    """Distance from the shore of an island, float [SIDE, SIDE]; positive on land."""
    distance = np.hypot(X - x, (Y - y) * scene.rng.uniform(0.75, 1.3))
    return radius - distance + textures.noise(scene.rng, X.shape, s64=radius * 0.2, s32=6, s16=3, s4=0.7)


def water(scene: Scene, where: Where = None, waves: float = 0.5, glint: Optional[bool] = None) -> None:
    """Open water, rippled if waves > 0.4 (0..1); with sun glint, or not, or left to chance."""
    rng, attributes = scene.rng, ("water", "rippled") if waves > 0.4 else ("water",)
    scene.cover(partial(textures.water, waves=waves), attributes, where, soft=1)
    if glint or glint is None and scene.chance(0.35):
        where, x, y, reach = mask_of(where), *rng.uniform(60, 390, 2), rng.uniform(70, 140)
        near = np.exp(-((X - x) ** 2 + ((Y - y) * rng.uniform(0.6, 1.6)) ** 2) / reach**2)
        sparks = (textures.noise(rng, X.shape, s1=0.4, s2=0.8, s4=0.6) + near > 1.25) * near
        scene.tint((238, 244, 248), where * (0.35 * near**2 + 0.6 * sparks))
        scene.mark((*attributes, "shiny"), where & (near > 0.4))


def shoal(scene: Scene, sea: np.ndarray, reach: float) -> None:
    """Shallow water, paler, up to reach pixels from a shore; sea [SIDE, SIDE]: distance into the water."""
    scene.tint((150, 178, 160), 0.55 * np.exp(-sea.clip(0) / reach) * (sea > 0))


def surf(scene: Scene, sea: np.ndarray) -> None:
    """Lines of foam and wet sand along a shore; sea [SIDE, SIDE]: distance into the water."""
    rng = scene.rng
    wobble = sea + textures.noise(rng, X.shape, s64=6, s16=2.5, s4=0.8)
    foam = sum(
        np.exp(-(((wobble - line) / rng.uniform(1.5, 4)) ** 2)) * rng.uniform(0.35, 0.9)
        for line in np.arange(2, 60, rng.uniform(14, 22))
    )
    texture = (0.75 + textures.noise(rng, X.shape, s2=0.25, s8=0.25)).clip(0, 1)
    scene.tint((92, 82, 66), 0.4 * ((wobble < 2) & (wobble > -9)) * (sea < 0))
    scene.tint((236, 240, 240), (foam * texture).clip(0, 0.95))
