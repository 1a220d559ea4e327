"""Scene classes of land and water: each function draws one random scene of its class."""

import numpy as np

from . import built, land, objects, textures
from .geometry import at, bend, blob, disc, ray, scatter
from .land import MIDDLE, X, ground
from .recipe import frame, middle, scene_class, turn
from .scene import SHADE, SIDE, Scene


@scene_class
def beach(s: Scene) -> None:
    a, width = turn(s), s.rng.uniform(50, 120)
    sea, inland = (
        land.shore_distance(s, a, s.rng.uniform(-60, 60)),
        s.rng.choice(("scrub", "grass", "forest", "rock")),
    )
    ground(s, inland)
    if inland in ("scrub", "grass"):
        land.bushes(s, 40)
        built.road(s, ray(*at((-width - 60, 0), MIDDLE, MIDDLE, a), a + np.pi / 2), 20)
    ground(s, "sand", sea + textures.noise(s.rng, X.shape, s8=2, s32=6) > -width, soft=2)
    land.water(s, sea > 0, s.rng.uniform(0.45, 1))
    land.shoal(s, sea, 40)
    land.surf(s, sea)
    for x, y in scatter(s.rng, int(s.rng.integers(0, 60)), 9):  # parasols
        if -width * 0.7 < sea[int(y), int(x)] < -14:
            s.polygon(disc(x, y, 3.2, corners=8) + s.sun * 3, SHADE, alpha=120)
            s.polygon(
                disc(x, y, 3.2, corners=8),
                s.pick(((230, 230, 225), (190, 60, 50), (60, 110, 170), (230, 200, 90))),
            )


@scene_class
def circular_farmland(s: Scene) -> None:
    ground(s, s.rng.choice(("sand", "scrub", "soil")))
    pitch = s.rng.choice((130, 170, 240, 380))
    for x in np.arange(-s.rng.uniform(0, pitch), SIDE + pitch, pitch + 6):
        for y in np.arange(-pitch * 0.4, SIDE + pitch, pitch + 6):
            if s.chance(0.88):
                land.pivot(s, x, y, pitch / 2 * s.rng.choice((1, 1, 0.93)))


@scene_class
def desert(s: Scene) -> None:
    ground(s, s.rng.choice(("dunes", "dunes", "sand")))
    if s.chance(0.45):
        ground(s, "rock", land.patches(s, s.rng.uniform(0.08, 0.4)), soft=2)
    land.bushes(s, int(s.rng.integers(0, 40)), 2, 4.5)
    if s.chance(0.25):
        built.road(s, bend(s.rng, *middle(s, 90), turn(s), 14), 14, 0.1)


@scene_class
def forest(s: Scene) -> None:
    ground(s, "forest")
    if s.chance(0.7):
        ground(
            s,
            s.rng.choice(("scrub", "soil", "snow", "snow", "rock")),
            land.patches(s, s.rng.uniform(0.05, 0.5)),
            soft=2,
        )
    if s.chance(0.3):
        built.road(s, bend(s.rng, *middle(s, 90), turn(s), 20), 12, 0.05)


@scene_class
def golf_course(s: Scene) -> None:
    ground(s, "scrub")
    ground(s, "forest", land.patches(s, s.rng.uniform(0.15, 0.4)), soft=1)
    for _ in range(s.rng.integers(2, 4)):
        fairway = land.river_distance(
            s, bend(s.rng, *middle(s, 150), turn(s), 50, 700), s.rng.uniform(50, 80)
        )
        ground(s, "lawn", fairway > 0, soft=3, extra=("curved",))
    if s.chance(0.5):
        land.water(s, blob(s.rng, *middle(s, 150), s.rng.uniform(30, 60)), 0.2)
    for x, y in scatter(s.rng, 4, 110, 40, SIDE - 40):
        ground(s, "lawn", blob(s.rng, x, y, 24, 0.15), extra=("circular",))
        for _ in range(s.rng.integers(2, 5)):
            bunker = at((s.rng.uniform(30, 50), 0), x, y, turn(s))
            ground(s, "sand", blob(s.rng, *bunker, s.rng.uniform(8, 17), 0.35), extra=("curved",))
    land.bushes(s, 24, 5, 9)


@scene_class
def island(s: Scene) -> None:
    land.water(s, None, s.rng.uniform(0.2, 1))
    coast = land.island_distance(s, *middle(s), s.rng.uniform(110, 170))
    land.shoal(s, -coast, 24)
    ground(s, s.rng.choice(("sand", "sand", "rock")), coast > 0, soft=1)
    land.surf(s, -coast)
    width = s.rng.uniform(8, 40) + textures.noise(s.rng, X.shape, s8=2, s64=8)
    ground(s, s.rng.choice(("forest", "forest", "scrub")), coast > width, soft=1)
    for x, y in scatter(s.rng, int(s.rng.integers(0, 7)), 40):
        if coast[int(y), int(x)] > 40:
            objects.house(s, x, y, turn(s), extra=("sparse",))
        elif coast[int(y), int(x)] < -40:
            objects.boat(s, x, y, turn(s), 26, ("sparse",))


@scene_class
def lake(s: Scene) -> None:
    land.countryside(s, 0.75, 0.12)
    coast = land.island_distance(s, *middle(s, 60), s.rng.uniform(90, 160))
    ground(s, s.rng.choice(("sand", "soil", "rock")), coast > -s.rng.uniform(3, 14), soft=2)
    land.water(s, coast > 0, s.rng.uniform(0, 0.7))
    land.shoal(s, coast, 14)
    for x, y in scatter(s.rng, 60, 16):
        if coast[int(y), int(x)] < -12:
            objects.tree(s, x, y, s.rng.uniform(4, 9), ("sparse",))


@scene_class
def meadow(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "scrub")))
    ground(s, s.rng.choice(("lawn", "scrub")), land.patches(s, s.rng.uniform(0.2, 0.6)), soft=6)
    for side in s.rng.uniform(-40, 40, 2) * s.chance(0.5):  # wheel tracks
        s.line(bend(s.rng, *middle(s, 90), turn(s), 20) + side, s.palette["sand"][0] * 0.9, 2, alpha=120)
    if s.chance(0.4):
        ground(s, s.rng.choice(("soil", "snow")), land.patches(s, s.rng.uniform(0.05, 0.25)), soft=4)
    land.bushes(s, int(s.rng.integers(3, 40)), 3, 9)


@scene_class
def orchard(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "scrub", "soil")))
    a, to = frame(s)
    pitch = s.rng.uniform(17, 30)
    land.orchard(s, a, pitch, pitch * s.rng.uniform(0.3, 0.46))
    if s.chance(0.5):
        built.road(s, np.array([to(-600, 60), to(600, 60)]), 14, 0.05)
    if s.chance(0.3):
        objects.house(s, *to(40, 100), a, 40, 26, ("sparse",))


@scene_class
def rectangular_farmland(s: Scene) -> None:
    ground(s, "scrub")
    a, to = frame(s)
    land.mosaic(s, a, s.rng.uniform(70, 190))
    if s.chance(0.5):
        built.road(s, np.array([to(-600, 0), to(600, 0)]), 13, 0.1)
    if s.chance(0.4):
        land.hedge(s, np.array([to(90, -600), to(90, 600)]), 0.7)
    if s.chance(0.3):
        objects.house(s, *to(40, 40), a, 40, 26, ("sparse",))
        objects.building(s, *to(100, 50), a, 70, 34, "metal roof", 12)


@scene_class
def river(s: Scene) -> None:
    land.countryside(s, 0.7, 0.1)
    line = bend(s.rng, *middle(s, 60), turn(s), s.rng.uniform(25, 70), s.rng.uniform(350, 700))
    flow = land.river_distance(s, line, s.rng.uniform(36, 110))
    ground(
        s,
        s.rng.choice(("sand", "soil", "forest")),
        flow > -textures.noise(s.rng, X.shape, s64=9).clip(2),
        soft=2,
    )
    land.water(s, flow > 0, s.rng.uniform(0, 0.7), glint=s.chance(0.2))
    land.shoal(s, flow, 7)


@scene_class
def snowy_mountain(s: Scene) -> None:
    height = land.mountain(s)
    if s.chance(0.7):
        ground(s, "forest", height < np.quantile(height[::8, ::8], s.rng.uniform(0.05, 0.6)), soft=1)


@scene_class
def terraced_farmland(s: Scene) -> None:
    land.terraces(s)
    if s.chance(0.5):
        ground(s, "forest", land.patches(s, s.rng.uniform(0.06, 0.25)), soft=1)
    if s.chance(0.4):
        built.road(s, bend(s.rng, *middle(s, 90), turn(s), 40), 11, 0.05)
    for x, y in scatter(s.rng, int(s.rng.integers(0, 5)), 60, 60, 390):
        objects.house(s, x, y, turn(s), 26, 18, ("sparse",))
