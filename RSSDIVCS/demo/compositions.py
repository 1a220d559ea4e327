"""Random compositions: any ground with any few elements at any place, following no class's recipe."""

from functools import partial
from typing import Callable, List

import numpy as np

from . import built, land, objects, sport, textures
from .geometry import at, bend, blob, lattice, ray, rect, scatter
from .land import ground
from .scene import SIDE, Scene, Where

ELEMENTS: List[Callable[[Scene, float, float, float, float], None]] = []


def element(draw: Callable) -> Callable:
    """An element is drawn at (x, y), about r pixels in radius, turned by angle a."""
    ELEMENTS.append(draw)
    return draw


def compose(s: Scene) -> None:
    """One random scene: one or two grounds and one to five elements."""
    base, other = s.rng.choice(list(land.GROUND), 2, replace=False)
    if s.chance(0.9):
        lay(s, base, None)
    elif s.chance(0.5):
        ground(s, base)
        land.mosaic(s, s.rng.uniform(0, 2 * np.pi), s.rng.uniform(60, 190))
    else:
        land.mountain(s)
    if s.chance(0.5):
        line = land.shore_distance(s, s.rng.uniform(0, 2 * np.pi), s.rng.uniform(-60, 60)) > 0
        lay(s, other, line if s.chance(0.5) else land.patches(s, s.rng.uniform(0.2, 0.5)))
    for i in s.rng.permutation(len(ELEMENTS))[: s.rng.integers(1, 6)]:
        radius = s.rng.uniform(50, 150) * (2 if s.chance(0.15) else 1)
        ELEMENTS[i](s, *s.rng.uniform(70, SIDE - 70, 2), radius, s.rng.uniform(0, 2 * np.pi))


def lay(s: Scene, cover: str, where: Where) -> None:
    """Ground; under open sky it may as well be water."""
    if s.chance(0.15):
        land.water(s, where, s.rng.uniform(0, 1))
    else:
        ground(s, cover, where, soft=2)


# grounds


@element
def pond(s, x, y, r, a):
    shore = land.island_distance(s, x, y, r)
    flood(s, shore)


@element
def stream(s, x, y, r, a):
    flood(s, land.river_distance(s, bend(s.rng, x, y, a, s.rng.uniform(4, 60)), s.rng.uniform(0.4, 1.6) * r))


def flood(s: Scene, shore: np.ndarray) -> None:
    """Water where the distance from its shore is positive; it may have banks, and surf."""
    if s.chance(0.4):
        ground(s, s.rng.choice(("sand", "soil", "rock", "forest")), shore > -s.rng.uniform(3, 50), soft=2)
    land.water(s, shore > 0, s.rng.uniform(0, 1))
    land.shoal(s, shore, 12)
    if s.chance(0.25):
        land.surf(s, shore)


@element
def clearing(s, x, y, r, a):
    ground(s, s.rng.choice(("sand", "dunes", "snow", "rock", "soil")), blob(s.rng, x, y, r), soft=2)


@element
def specks(s, x, y, r, a):
    cover = s.rng.choice(("sand", "snow", "soil"))
    for u, v in scatter(s.rng, int(s.rng.integers(2, 8)), 36, -r, r):
        ground(s, cover, blob(s.rng, x + u, y + v, s.rng.uniform(8, 34), 0.35), extra=("curved",))


@element
def lawn(s, x, y, r, a):
    ground(s, "lawn", blob(s.rng, x, y, r), soft=2)


@element
def trees(s, x, y, r, a):
    kind = s.rng.integers(4)
    if kind == 3:
        land.hedge(s, ray(x, y, a) if s.chance(0.5) else bend(s.rng, x, y, a, 30), s.rng.uniform(0.3, 1))
    elif kind == 0:
        ground(s, "forest", land.island_distance(s, x, y, r) > 0, soft=1)
    elif kind == 1:
        land.orchard(s, a, 24, 9, land.island_distance(s, x, y, r) > 0)
    else:
        land.bushes(s, 40, 4, 10)


@element
def round_field(s, x, y, r, a):
    land.pivot(s, x, y, r)


@element
def long_field(s, x, y, r, a):
    rows = partial(textures.crops, angle=a, spacing=6)
    s.cover(rows, ("crops", "striped", "straight"), rect(x, y, 2.4 * r, 1.6 * r, a))


@element
def contour_fields(s, x, y, r, a):
    land.terraces(s, land.island_distance(s, x, y, 1.2 * r) > 0)


# ways


@element
def straight_road(s, x, y, r, a):
    built.road(s, ray(x, y, a), s.rng.uniform(16, 60), s.rng.uniform(0, 0.8))


@element
def winding_road(s, x, y, r, a):
    built.road(s, bend(s.rng, x, y, a, 30), s.rng.uniform(12, 36), s.rng.uniform(0, 0.8))


@element
def ring(s, x, y, r, a):
    built.ring_road(
        s,
        x,
        y,
        0.7 * min(r, 150),
        s.rng.uniform(24, 40),
        a + np.pi / 2 * s.rng.permutation(4)[: s.rng.integers(0, 5)],
    )


@element
def raised_road(s, x, y, r, a):
    built.elevated_road(
        s, ray(x, y, a) if s.chance(0.5) else bend(s.rng, x, y, a, 24, 700), s.rng.uniform(26, 46)
    )


@element
def airstrip(s, x, y, r, a):
    built.runway(s, x, y, a, s.rng.uniform(34, 60))


@element
def rails(s, x, y, r, a):
    built.tracks(
        s, ray(x, y, a) if s.chance(0.6) else bend(s.rng, x, y, a, 16, 900), int(s.rng.integers(2, 9)), 0.45
    )


# things


@element
def planes(s, x, y, r, a):
    if s.chance(0.5):
        ground(s, s.rng.choice(("concrete", "asphalt")), rect(x, y, 2.6 * r, 1.8 * r, a))
    for u, v in scatter(s.rng, int(s.rng.integers(1, 6)), 64, -r, r):
        objects.aircraft(s, x + u, y + v, s.rng.uniform(0, 6.28), s.rng.uniform(42, 74))


@element
def boats(s, x, y, r, a):
    land.water(s, land.island_distance(s, x, y, r * 1.2) > 0, s.rng.uniform(0, 1))
    if s.chance(0.3):
        objects.ship(s, x, y, a, 2 * r, s.chance(0.5))
    for u, v in scatter(s.rng, int(s.rng.integers(1, 7)), 30, -0.7 * r, 0.7 * r):
        objects.boat(s, x + u, y + v, a + s.rng.normal(0, 0.5), s.rng.uniform(24, 44), ("sparse",))


@element
def jetties(s, x, y, r, a):
    land.water(s, rect(x, y, 2.6 * r, 2.2 * r, a), s.rng.uniform(0, 0.8))
    built.piers(s, *at((-1.3 * r, 0), x, y, a), a, 2 * r, int(s.rng.integers(1, 4)), 84, s.rng.uniform(0, 1))


@element
def dense_houses(s, x, y, r, a):
    length = s.rng.uniform(24, 34)
    for hx, hy in lattice(
        x, y, a, 2.6 * r, 2 * r, length * s.rng.uniform(1.2, 1.5), length * s.rng.uniform(1.2, 2)
    ):
        objects.house(
            s, hx, hy, a + s.rng.normal(0, 0.04), length, length * s.rng.uniform(0.6, 0.75), ("dense",)
        )


@element
def trailers(s, x, y, r, a):
    slant = s.rng.uniform(-0.4, 0.4)
    for hx, hy in lattice(x, y, a, 2.6 * r, 2 * r, s.rng.uniform(20, 30), s.rng.uniform(38, 60)):
        if s.chance(0.9):
            objects.trailer(s, hx, hy, a + np.pi / 2 + slant)


@element
def lone_houses(s, x, y, r, a):
    length = s.rng.uniform(24, 42)
    for u, v in scatter(s.rng, int(s.rng.integers(1, 8)), 60, -r, r):
        objects.house(s, x + u, y + v, s.rng.uniform(0, 6.28), length, 0.67 * length, ("sparse",))


@element
def halls(s, x, y, r, a):
    u, v = s.rng.uniform(60, 150), s.rng.uniform(40, 100)
    for hx, hy in lattice(x, y, a, u * s.rng.integers(1, 4), v * s.rng.integers(1, 3), u, v):
        objects.building(s, hx, hy, a, u * s.rng.uniform(0.6, 0.9), v * s.rng.uniform(0.5, 0.8))


@element
def pools(s, x, y, r, a):
    for u, v in scatter(s.rng, int(s.rng.integers(1, 8)), 40, -r, r):
        objects.pool(s, x + u, y + v, a, s.rng.uniform(12, 60) if s.chance(0.5) else 14)


@element
def tanks(s, x, y, r, a):
    built.tank_yard(s, x, y, a, *s.rng.integers(1, 5, 2), s.rng.uniform(14, 32))


@element
def panels(s, x, y, r, a):
    built.solar_rows(s, x, y, a, 2.4 * r, 1.8 * r)


@element
def boxes(s, x, y, r, a):
    objects.containers(s, x, y, a, 1.8 * r, 1.2 * r)


@element
def bays(s, x, y, r, a):
    built.parking(s, x, y, a, 2.4 * r, 1.7 * r, s.rng.uniform(0, 1))


@element
def playground(s, x, y, r, a):
    kind = s.rng.integers(4)
    if kind == 0:
        sport.pitch(s, x, y, a, 1.7 * r)
    elif kind == 1:
        sport.running_track(s, x, y, a, 1.5 * r)
    elif kind == 2:
        sport.diamond(s, x, y, a, 1.6 * r)
    else:
        colours = sport.court_colours(s)
        for cx, cy in lattice(x, y, a, 90 * s.rng.integers(1, 3), 45 * s.rng.integers(1, 4), 90, 45):
            sport.court(s, cx, cy, a, 90, colours)


@element
def arena(s, x, y, r, a):
    sport.stands(s, x, y, a, r, 0.6 * r, s.rng.uniform(0.65, 1), s.chance(0.4))
