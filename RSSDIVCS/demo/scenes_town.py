"""Scene classes that people built: each function draws one random scene of its class."""

import numpy as np

from . import built, land, objects, sport
from .geometry import at, bend, beside, lattice, ray, rect, scatter
from .land import ground
from .recipe import frame, middle, scene_class, turn
from .scene import SHADE, Scene


@scene_class
def airport(s: Scene) -> None:
    ground(s, "grass")
    a, to = frame(s)
    size = s.rng.uniform(48, 78)
    built.runway(s, *to(s.rng.uniform(-150, 150), -125), a, s.rng.uniform(38, 56))
    paint = s.pick(((120, 120, 120), (160, 157, 150)))
    for taxiway in (
        (to(-600, -45), to(600, -45)),
        (to(-160, -120), to(-100, -45)),
        (to(60, -120), to(120, -45)),
    ):
        s.line(np.array(taxiway), paint, 20, ("concrete", "straight"))
        s.line(np.array(taxiway), (214, 180, 60), 1, alpha=200)
    built.apron(s, *to(0, 40), a, 700, 130, 8, size)
    for u in (-200, -20, 160):
        if s.chance(0.8):
            objects.building(s, *to(u, 135), a, s.rng.uniform(110, 165), 44, height=16)
    built.parking(s, *to(0, 205), a, 420, 70, s.rng.uniform(0.3, 0.9))


@scene_class
def baseball_field(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "scrub")))
    size = s.rng.uniform(190, 300)
    a, to = frame(s, 25)
    if s.chance(0.5):
        built.parking(s, *to(0, size * 0.8), a, 340, 90, s.rng.uniform(0.2, 0.9))
    if s.chance(0.5):
        sport.diamond(s, *to(-size * 0.62, 0), a + np.pi, size * 0.8)
    sport.diamond(s, *to(-size * 0.45, 0), a, size)
    land.hedge(s, np.array([to(size * 0.72, -300), to(size * 0.72, 300)]), s.rng.uniform(0, 1))
    land.bushes(s, 14, 6, 11, taken=[(*to(0, 0), size * 0.8)])


@scene_class
def bridge(s: Scene) -> None:
    land.countryside(s)
    a, to = frame(s, 15)
    river = land.river_distance(s, bend(s.rng, *to(0, 0), a, s.rng.uniform(4, 20)), s.rng.uniform(120, 260))
    land.water(s, river > 0, s.rng.uniform(0, 0.9))
    for shift in s.rng.choice(((0, 0), (-30, 30)))[: s.rng.integers(1, 3)]:
        deck = ray(*to(shift, 0), a + np.pi / 2)
        built.elevated_road(s, deck, s.rng.uniform(24, 44), s.rng.uniform(14, 30), s.rng.uniform(0.2, 0.8))
    if s.chance(0.6):
        x, y = to(s.rng.choice((-130, 130)), 0)
        objects.wake(s, x, y, a, 40)
        objects.boat(s, x, y, a, 40)


@scene_class
def container_port(s: Scene) -> None:
    ground(s, s.rng.choice(("concrete", "asphalt")))
    a, to = frame(s, 30)
    across = a + np.pi / 2
    quay = rect(*to(440, 0), 800, 1600, a)
    land.water(s, quay, s.rng.uniform(0.1, 0.8))
    for u in np.arange(-48, -400, -66):
        for v in np.arange(-300, 320, 124) + s.rng.uniform(-8, 8):
            if s.chance(0.9):
                objects.containers(s, *to(u, v), across, 114, 46)
    for u in (22, 6):  # crane rails
        s.line(np.array([to(u, -500), to(u, 500)]), (90, 90, 90), 1)
    objects.ship(s, *to(72, s.rng.uniform(-60, 60)), across, s.rng.uniform(270, 340), laden=True)
    for v in s.rng.uniform(-180, 180, 3):  # gantry cranes
        boom = np.array([to(0, v), to(100, v)])
        s.line(boom + s.sun * 24 * s.shadow_length, SHADE, 7, alpha=110)
        s.line(boom, s.pick(((60, 100, 160), (190, 70, 50), (220, 220, 216))), 6)
    for v in s.rng.uniform(-250, 250, 7):
        objects.truck(s, *to(-14, v), across)


@scene_class
def dense_residential(s: Scene) -> None:
    ground(s, "scrub")
    plot = s.rng.uniform(34, 44)
    built.neighbourhood(s, turn(s), plot, depth=s.rng.uniform(38, 48), house=0.74 * plot)


@scene_class
def freeway(s: Scene) -> None:
    land.countryside(s)
    (x, y), a, width = middle(s), turn(s), s.rng.uniform(44, 66)
    line = ray(x, y, a) if s.chance(0.6) else bend(s.rng, x, y, a, 16, 900)
    for side in (-1, 1):
        built.road(s, beside(line, side * (width / 2 + 7)), width, s.rng.uniform(0.25, 0.9), ("striped",))
        if s.chance(0.4):
            land.hedge(s, beside(line, side * (width + 34)))


@scene_class
def harbor(s: Scene) -> None:
    land.water(s, None, s.rng.uniform(0, 0.7))
    a, to = frame(s, 30)
    across = a + np.pi / 2
    quay = rect(*to(-480, 0), 800, 1600, a)
    s.shadow(quay, 4)
    ground(s, s.rng.choice(("concrete", "asphalt", "soil", "scrub")), quay)
    built.piers(
        s, *to(-80, 0), a, s.rng.uniform(180, 320), 7, s.rng.uniform(86, 112), s.rng.uniform(0.55, 0.95)
    )
    built.road(s, np.array([to(-150, -600), to(-150, 600)]), 20)
    for v in np.arange(-270, 280, 90):
        if s.chance(0.7):
            objects.building(s, *to(-112, v), across, s.rng.uniform(30, 70), 28, height=12)
    built.parking(s, *to(-205, 0), across, 500, 70)


@scene_class
def industrial_area(s: Scene) -> None:
    ground(s, s.rng.choice(("concrete", "asphalt", "soil", "scrub")))
    a, to = frame(s)
    for v in (-260, 0, 260):
        built.road(s, np.array([to(-600, v), to(600, v)]), 24, 0.4)
        for u in np.arange(-330, 340, 165):
            for side in (-1, 1):
                lot = to(u + s.rng.normal(0, 8), v + side * 72)
                if s.chance(0.72):
                    objects.building(s, *lot, a, s.rng.uniform(90, 145), s.rng.uniform(50, 90))
                elif s.chance(0.5):
                    built.parking(s, *lot, a, 140, 84, s.rng.uniform(0.2, 0.9))
                elif s.chance(0.5):
                    built.tank_yard(s, *lot, a, 3, 2, 15)
                else:
                    objects.containers(s, *lot, a, 110, 50)


@scene_class
def intersection(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "concrete")))
    a, to = frame(s, 30)
    widths = s.rng.uniform(36, 62, 2)
    for u, v in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        if s.chance(0.6):
            built.parking(s, *to(145 * u, 145 * v), a, 190, 190, s.rng.uniform(0.2, 0.8))
            objects.building(s, *to(150 * u, 150 * v), a, s.rng.uniform(80, 140), s.rng.uniform(60, 120))
        else:
            for x, y in scatter(s.rng, 20, 20, 60, 250):
                objects.tree(s, *to(x * u, y * v), s.rng.uniform(6, 12))
    for i in (0, 1):
        built.road(s, ray(*to(0, 0), a + i * np.pi / 2), widths[i], s.rng.uniform(0.2, 0.8))
    built.crossing(s, *to(0, 0), a, *widths)


@scene_class
def mobile_home_park(s: Scene) -> None:
    ground(s, s.rng.choice(("scrub", "soil", "grass")))
    a, to = frame(s)
    for v in np.arange(-350, 360, 74):
        built.road(s, np.array([to(-600, v), to(600, v)]), 14, 0.1)
        for side in (-1, 1):
            for u in np.arange(-330, 340, 24):
                if s.chance(0.93):
                    objects.trailer(s, *to(u, v + side * 23), a + np.pi / 2 + side * 0.25)
                if s.chance(0.25):
                    objects.tree(s, *to(u + 12, v + side * s.rng.uniform(10, 36)), s.rng.uniform(4, 8))


@scene_class
def overpass(s: Scene) -> None:
    land.countryside(s, 0.4)
    (x, y), a, width = middle(s), turn(s), s.rng.uniform(40, 56)
    built.road(s, ray(x, y, a), width, s.rng.uniform(0.3, 0.8))
    for side in (-1, 1):  # slip roads
        built.road(s, bend(s.rng, *at((0, side * 120), x, y, a), a, 22, 700), 18, 0.2)
    across = a + np.pi / 2 + s.rng.normal(0, 0.25)
    built.elevated_road(s, ray(x, y, across), s.rng.uniform(30, 50), 24)
    if s.chance(0.5):
        built.elevated_road(s, bend(s.rng, x, y, across + 0.7, 24, 800), 26, 34)


@scene_class
def parking_lot(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "concrete", "scrub")))
    a, to = frame(s, 30)
    filled = s.rng.uniform(0.25, 0.97)
    for u in (-1, 1):
        for v in (-1, 1):
            built.parking(s, *to(152 * u, 130 * v), a, 290, 247, filled)
    if s.chance(0.6):
        objects.building(s, *to(s.rng.choice((-200, 200)), 0), a, 130, s.rng.uniform(90, 300))
    land.hedge(s, np.array([to(0, -400), to(0, 400)]), s.rng.uniform(0, 0.8))


@scene_class
def railway(s: Scene) -> None:
    ground(s, s.rng.choice(("scrub", "soil", "concrete", "snow"), p=(0.4, 0.25, 0.25, 0.1)))
    (x, y), a = middle(s), turn(s)
    for shift in (-170, 170):
        for u in np.arange(-260, 270, 110):
            if s.chance(0.5):
                objects.building(s, *at((u, shift * s.rng.uniform(0.9, 1.1)), x, y, a), a, 90, 46)
            else:
                objects.tree(s, *at((u, shift), x, y, a), s.rng.uniform(8, 13))
    line = ray(x, y, a) if s.chance(0.65) else bend(s.rng, x, y, a, 12, 1100)
    built.tracks(s, line, int(s.rng.integers(3, 13)), s.rng.uniform(0.1, 0.6))


@scene_class
def roundabout(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "grass", "concrete")))
    a, to = frame(s, 30)
    land.bushes(s, 30, 6, 11, taken=[(*to(0, 0), 150)])
    for u, v in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        if s.chance(0.5):
            objects.building(s, *to(165 * u, 165 * v), a, s.rng.uniform(70, 120), s.rng.uniform(50, 100))
    arms = a + np.arange(4) * np.pi / 2 + s.rng.normal(0, 0.12, 4)
    built.ring_road(s, *to(0, 0), s.rng.uniform(55, 95), s.rng.uniform(26, 36), arms[: s.rng.integers(3, 5)])


@scene_class
def solar_farm(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "scrub", "soil", "sand")))
    a, to = frame(s, 30)
    tilt, width = s.rng.normal(0, 0.1), s.rng.uniform(150, 250)
    for u in (-1, 0, 1):
        for v in (-1, 0, 1):
            if s.chance(0.9):
                built.solar_rows(s, *to(u * (width + 18), v * 190), a + tilt, width, 172)
    built.road(s, np.array([to(-600, 95), to(600, 95)]), 10, 0.03)
    if s.chance(0.4):
        ground(s, "forest", land.patches(s, 0.12), soft=1)


@scene_class
def sparse_residential(s: Scene) -> None:
    land.countryside(s, 0.7)
    line = bend(s.rng, *middle(s), turn(s), 25)
    built.road(s, line, 16, 0.1)
    built.homesteads(s, line, int(s.rng.integers(4, 10)))
    land.bushes(s, 30, 5, 11)


@scene_class
def stadium(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "concrete", "asphalt")))
    a, to = frame(s, 25)
    if s.chance(0.7):
        built.parking(s, *to(0, 215), a, 460, 110, s.rng.uniform(0.2, 0.9))
    built.road(s, np.array([to(-600, -195), to(600, -195)]), 26)
    outer, pitch = s.rng.uniform(165, 195), s.rng.uniform(150, 175)
    athletics = s.chance(0.4)
    sport.stands(s, *to(0, 0), a, outer, pitch * (0.82 if athletics else 0.62), 0.8, s.chance(0.5))
    if athletics:
        sport.running_track(s, *to(0, 0), a, pitch)
    sport.pitch(s, *to(0, 0), a, pitch * (0.9 if athletics else 1))


@scene_class
def tank_farm(s: Scene) -> None:
    ground(s, s.rng.choice(("soil", "scrub", "concrete")))
    a, to = frame(s, 60)
    radius = s.rng.uniform(16, 46)
    side = int(560 // (radius * 2.9))
    built.tank_yard(s, *to(0, 0), a, side, side, radius)
    built.road(s, np.array([to(-600, 0), to(600, 0)]), 20, 0.1)
    if s.chance(0.4):
        land.water(s, rect(*to(360, 0), 400, 1600, a), 0.5)


@scene_class
def tennis_court(s: Scene) -> None:
    ground(s, s.rng.choice(("grass", "scrub", "concrete")))
    a, to = frame(s, 30)
    length = s.rng.uniform(76, 120)
    land.bushes(s, 60, 6, 11)
    if s.chance(0.5):
        built.parking(s, *to(0, 190), a, 340, 80)
    colours = sport.court_colours(s)
    for x, y in lattice(
        *to(0, 0), a, length * s.rng.integers(1, 4), length * 0.5 * s.rng.integers(2, 6), length, length * 0.5
    ):
        sport.court(s, x, y, a, length, colours)
