"""What people build, laid out as they lay it out: ways, yards, streets. Canvas pixels, radians."""

from typing import Sequence

import numpy as np

from . import objects
from .geometry import at, beside, blob, disc, lattice, ray, rect, walk
from .land import MIDDLE, ground
from .objects import WHITE
from .scene import SHADE, SIDE, Scene

# ways


def road(
    scene: Scene, points: np.ndarray, width: float = 26, traffic: float = 0.5, extra: Sequence[str] = ()
) -> None:
    """A carriageway along a line; traffic: cars per 60 pixels of lane. Marked straight or curved as it is."""
    paved = "concrete" if scene.chance(0.25) else "asphalt"
    paint = scene.pick(
        ((172, 168, 160),) if paved == "concrete" else ((96, 97, 100), (112, 110, 108), (82, 84, 90))
    )
    shape = "straight" if len(points) == 2 else "curved"
    scene.line(points, scene.palette["grass"][1] * 0.5 + 80, width + 7, alpha=110)
    scene.line(points, paint, width, ("roads", paved, shape, *extra))
    lanes = max(2, int(width // 12) // 2 * 2)
    lane = width / lanes
    for i in range(lanes):
        middle = beside(points, (i + 0.5) * lane - width / 2)
        scene.line(middle, paint * 0.82, lane * 0.45, alpha=70)  # wear
        if i not in (0, lanes // 2):
            for x, y, angle in walk(middle, 16):
                scene.line(ray(*at((0, -lane / 2), x, y, angle), angle, 0, 7), WHITE, 1, alpha=170)
        traffic_along(scene, middle if i < lanes // 2 else middle[::-1], traffic)
    for edge in (-width / 2 + 1.5, width / 2 - 1.5):
        scene.line(beside(points, edge), WHITE, 1, alpha=120)
    scene.line(points, (220, 196, 110) if lanes == 2 else paint * 1.3, 1 if lanes == 2 else 3, alpha=200)


def traffic_along(scene: Scene, points: np.ndarray, density: float) -> None:
    for x, y, angle in walk(points, 60, scene.rng.uniform(0, 60)):
        if scene.chance(density):
            (objects.truck if scene.chance(0.1) else objects.car)(scene, x, y, angle)


def elevated_road(
    scene: Scene, points: np.ndarray, width: float = 34, height: float = 22, traffic: float = 0.5
) -> None:
    """A road on piers: its shadow runs beside it."""
    scene.line(points + scene.sun * height * scene.shadow_length, SHADE, width, alpha=135)
    scene.line(
        points,
        (186, 182, 174),
        width + 5,
        ("elevated road", "concrete", "straight" if len(points) == 2 else "curved"),
    )
    road(scene, points, width, traffic, ("elevated road",))
    for side in (-1, 1):
        scene.line(beside(points, side * (width / 2 + 1)), (208, 205, 198), 2)


def ring_road(scene: Scene, x: float, y: float, radius: float, width: float, arms: Sequence[float]) -> None:
    """A roundabout with straight arms."""
    for angle in arms:
        road(scene, ray(x, y, angle, 0, 700), width, 0.4)
    attributes, paint = (
        ("roads", "asphalt", "circular", "curved"),
        scene.pick(((100, 100, 103), (114, 112, 110))),
    )
    scene.polygon(disc(x, y, radius + width / 2 + 3), paint * 1.4)
    scene.polygon(disc(x, y, radius + width / 2), paint, attributes)
    scene.outline(disc(x, y, radius), paint * 0.85, width * 0.3, alpha=90)
    traffic_along(scene, disc(x, y, radius), 0.5)
    scene.polygon(disc(x, y, radius - width / 2 + 3), (196, 192, 184))
    ground(scene, "grass", disc(x, y, radius - width / 2), extra=("circular",))
    if scene.chance(0.6):
        for angle in np.arange(0, 6.2, scene.rng.choice((0.5, 0.8, 1.2))):
            objects.tree(scene, *at(((radius - width / 2) * 0.6, 0), x, y, angle), radius * 0.14)
    else:
        scene.polygon(disc(x, y, radius * 0.3), (190, 180, 166), ("concrete", "circular"))


def crossing(scene: Scene, x: float, y: float, angle: float, width: float, across: float) -> None:
    """The square where two roads of these widths meet, with zebra stripes on its four sides."""
    ground(scene, "asphalt", rect(x, y, across + 2, width + 2, angle), extra=("roads",))
    for quarter in range(4):
        reach, span = ((across, width), (width, across))[quarter % 2]
        for v in np.arange(-span / 2 + 4, span / 2 - 2, 7):
            stripe = at([(reach / 2 + 4, v), (reach / 2 + 17, v)], x, y, angle + quarter * np.pi / 2)
            scene.line(stripe, WHITE, 4, ("roads", "asphalt", "striped"))


def runway(scene: Scene, x: float, y: float, angle: float, width: float = 46) -> None:
    """Through (x, y); its threshold lies where the markings are, (x, y) itself."""
    paved = "concrete" if scene.chance(0.3) else "asphalt"
    paint = scene.pick(((176, 172, 164),) if paved == "concrete" else ((88, 89, 93), (104, 103, 104)))
    scene.line(ray(x, y, angle), paint * 0.5 + scene.palette["grass"][1] * 0.5, width + 16, alpha=150)
    scene.line(ray(x, y, angle), paint, width, ("runway", paved, "straight"))
    for u in scene.rng.uniform(-0.12, 0.12, 5) * width:  # rubber
        scene.line(at([(-260, u), (260, u)], x, y, angle), (40, 40, 42), 3, alpha=36)
    for px, py, _ in walk(ray(x, y, angle), 34):
        scene.line(ray(px, py, angle, 0, 20), WHITE, 2, alpha=220)
    for v in np.linspace(-0.4, 0.4, 8) * width:
        scene.line(at([(-14, v), (16, v)], x, y, angle), WHITE, 3, alpha=230)
    for v in (-0.28, 0.28):
        scene.line(at([(90, v * width), (124, v * width)], x, y, angle), WHITE, 6, alpha=220)
    for side in (-0.47, 0.47):
        scene.line(beside(ray(x, y, angle), side * width), WHITE, 1, alpha=180)


def apron(
    scene: Scene, x: float, y: float, angle: float, length: float, width: float, planes: int, size: float
) -> None:
    """A paved stand with aircraft in a row, noses away from its front."""
    ground(scene, "concrete", rect(x, y, length, width, angle))
    for i, (px, py) in enumerate(lattice(x, y, angle, length, width, 46, 46)):  # slabs
        scene.line(ray(px, py, angle + (i % 2) * np.pi / 2, -23, 23), (120, 118, 112), 1, alpha=70)
    for u in (np.arange(planes) - (planes - 1) / 2) * size * 1.12:
        stand = at((u, 0), x, y, angle)
        scene.line(ray(*stand, angle + np.pi / 2, -size * 0.7, size * 0.4), (214, 178, 60), 1, alpha=170)
        if scene.chance(0.85):
            objects.aircraft(
                scene,
                *stand,
                angle + np.pi / 2 + scene.rng.normal(0, 0.03),
                size * scene.rng.uniform(0.8, 1.05),
            )


def tracks(scene: Scene, points: np.ndarray, lines: int, trains: float = 0.3) -> None:
    """Parallel rail tracks on ballast; trains: chance of one per track."""
    pitch = 15.0
    shape = "straight" if len(points) == 2 else "curved"
    scene.line(points, (118, 110, 102), lines * pitch + 8, ("rail tracks", "striped", shape))
    for i in range(lines):
        track = beside(points, (i - (lines - 1) / 2) * pitch)
        scene.line(track, (92, 80, 70), 10)
        sleepers = np.array([(x, y) for x, y, _ in walk(track, 4)])
        ends = np.stack([beside(sleepers, -5), beside(sleepers, 5)], 1)  # [n, 2 ends, 2]
        ends[::2] = ends[::2, ::-1]  # to and fro: one stroke draws them all
        scene.line(ends.reshape(-1, 2), (134, 124, 114), 1)
        for rail in (-3, 3):
            scene.line(beside(track, rail), (186, 180, 176), 1, alpha=230)
    for i in range(lines):
        if scene.chance(trains):
            track = beside(points, (i - (lines - 1) / 2) * pitch)
            start = scene.rng.uniform(0, 400) + (400 if shape == "straight" else 0)
            objects.train(scene, track, start, int(scene.rng.integers(3, 14)))


# yards


def parking(
    scene: Scene, x: float, y: float, angle: float, length: float, width: float, filled: float = 0.7
) -> None:
    """Rows of bays either side of aisles, on asphalt; filled: 0..1."""
    attributes = ("parking bays", "gridded", "dense" if filled > 0.6 else "sparse")
    ground(scene, "asphalt", rect(x, y, length, width, angle), extra=attributes)
    bay, depth = 7.0, 13.0
    for v in np.arange(-width / 2 + depth + 2, width / 2 - depth, 2 * depth + 15):
        for side in (-1, 1):
            for u in np.arange(-length / 2 + 10, length / 2 - 8, bay):
                slot, *divider = at(
                    [(u, v + side * depth / 2), (u + bay / 2, v), (u + bay / 2, v + side * depth)],
                    x,
                    y,
                    angle,
                )
                scene.line(np.array(divider), WHITE, 1, alpha=130)
                if scene.chance(filled):
                    objects.car(scene, *slot, angle + side * np.pi / 2 + scene.rng.normal(0, 0.03))
        if scene.chance(0.3):
            for u in np.arange(-length / 2 + 10, length / 2 - 8, 40):
                objects.tree(scene, *at((u, v), x, y, angle), 6)


def solar_rows(scene: Scene, x: float, y: float, angle: float, length: float, width: float) -> None:
    """Panel rows along angle, with their shadows and seams."""
    depth, pitch = scene.rng.uniform(9, 13), scene.rng.uniform(19, 25)
    paint = scene.pick(((34, 48, 84), (44, 56, 78), (28, 40, 66), (58, 74, 106)), 0.08)
    glint = scene.rng.uniform(-length, length)
    for v in np.arange(-width / 2 + pitch / 2, width / 2, pitch):
        row = rect(*at((0, v), x, y, angle), length, depth, angle)
        scene.polygon(row + scene.sun * 4, SHADE, alpha=120)
        scene.polygon(row, paint, ("solar panels", "striped", "gridded", "shiny"))
        for u in np.arange(-length / 2, length / 2, 9):
            shine = int(20 + 100 * np.exp(-(((u - glint) / 70) ** 2)))
            seam = at([(u, v - depth / 2), (u, v + depth / 2)], x, y, angle)
            cell = rect(*at((u + 4.5, v), x, y, angle), 8, depth - 2, angle)
            scene.polygon(cell, (170, 190, 220), alpha=shine)
            scene.line(seam, (150, 160, 176), 1, alpha=110)
        scene.line(at([(-length / 2, v), (length / 2, v)], x, y, angle), (150, 160, 176), 1, alpha=90)


def tank_yard(
    scene: Scene, x: float, y: float, angle: float, columns: int, lines: int, radius: float
) -> None:
    """Tanks in bunds on gravel."""
    pitch = radius * 2.9
    for tx, ty in lattice(x, y, angle, columns * pitch, lines * pitch, pitch, pitch):
        bund = rect(tx, ty, pitch * 0.96, pitch * 0.96, angle)
        scene.polygon(bund, scene.jitter((176, 166, 150), 0.03), ("concrete",))
        scene.outline(bund, (128, 116, 100), 2, alpha=200)
        if scene.chance(0.92):
            objects.tank(scene, tx, ty, radius * scene.rng.choice((1, 1, 0.8)))
    for v in (np.arange(lines + 1) - lines / 2) * pitch:
        scene.line(
            at([(-columns * pitch / 2, v), (columns * pitch / 2, v)], x, y, angle), (150, 146, 142), 3
        )  # pipes


def neighbourhood(
    scene: Scene, angle: float, plot: float, depth: float, house: float, street: float = 15
) -> None:
    """Streets with a row of houses on either side, over the whole canvas.

    plot x depth is one home's ground.
    """
    rng = scene.rng
    pitch, shift = 2 * depth + street, rng.uniform(-40, 40)
    centres = np.arange(-4, 5) * pitch + shift
    for v in centres[abs(centres) < 420]:
        road(scene, at([(-500, v), (500, v)], MIDDLE, MIDDLE, angle), street, 0.15)
    crossing = rng.uniform(-100, 100)
    road(scene, at([(crossing, -500), (crossing, 500)], MIDDLE, MIDDLE, angle), street, 0.15)
    for v in centres:
        for side in (-1, 1):
            for u in np.arange(-360, 361, plot):
                x, y = at(
                    (u + rng.normal(0, 2), v + side * (street / 2 + depth * 0.42)), MIDDLE, MIDDLE, angle
                )
                if (
                    not scene.sees(x, y)
                    or scene.chance(0.04)
                    or abs(u - crossing) < house * 0.55 + street / 2
                ):
                    continue
                yard = at((rng.uniform(-0.4, 0.4) * plot, side * depth * 0.42), x, y, angle)
                drive = at([(plot * 0.3, 0), (plot * 0.3, -side * depth * 0.4)], x, y, angle)
                scene.line(drive, (178, 174, 166), 5, ("concrete",))
                if scene.chance(0.06):
                    objects.pool(scene, *yard, angle, 13)
                elif scene.chance(0.5):
                    objects.tree(scene, *yard, rng.uniform(5, 11))
                if scene.chance(0.25):
                    objects.tree(
                        scene,
                        *at((rng.uniform(-0.5, 0.5) * plot, -side * depth * 0.3), x, y, angle),
                        rng.uniform(4, 9),
                    )
                turn = angle + (np.pi / 2 if scene.chance(0.25) else 0) + rng.normal(0, 0.03)
                objects.house(
                    scene,
                    x,
                    y,
                    turn,
                    house * rng.uniform(0.85, 1.15),
                    house * rng.uniform(0.6, 0.75),
                    ("dense",),
                )


def homesteads(scene: Scene, road: np.ndarray, count: int) -> None:
    """Houses far apart, each with its yard and a drive to the road [n, 2]."""
    places = [
        place
        for place in walk(road, 95, scene.rng.uniform(0, 95))
        if 0 < place[0] < SIDE and 0 < place[1] < SIDE
    ]
    for i in range(count):
        x, y, along = places[i % len(places)]
        side = 1 if i < len(places) else -1
        home = at((scene.rng.uniform(-20, 20), side * scene.rng.uniform(60, 110)), x, y, along)
        ground(scene, "grass", blob(scene.rng, *home, 42), soft=2)
        scene.line(np.array([(x, y), home]), (178, 170, 156), 5, ("concrete",))
        for _ in range(3):
            objects.tree(scene, *at((36, 0), *home, scene.rng.uniform(0, 6.28)), scene.rng.uniform(6, 11))
        if scene.chance(0.25):
            objects.pool(scene, *at((28, 18), *home, along), along)
        objects.house(scene, *home, along + scene.rng.normal(0, 0.2), 38, 25, ("sparse",))


def piers(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    length: float,
    count: int,
    pitch: float,
    boats: float = 0.8,
) -> None:
    """Jetties side by side, each leading towards angle, boats moored on both sides."""
    size = scene.rng.uniform(22, 34)
    moored = ("dense",) if boats > 0.5 else ("sparse",)
    for v in (np.arange(count) - (count - 1) / 2) * pitch:
        deck = at([(0, v), (length, v)], x, y, angle)
        scene.line(deck + scene.sun * 5, SHADE, 8, alpha=110)
        scene.line(deck, (176, 166, 150), 7, ("pier", "concrete", "straight"))
        for u in np.arange(12, length - 4, size * 0.46):
            for side in (-1, 1):
                if scene.chance(boats):
                    reach = size * scene.rng.uniform(0.75, 1.05)
                    berth = at((u, v + side * (reach / 2 + 6)), x, y, angle)
                    objects.boat(scene, *berth, angle + side * np.pi / 2, reach, moored)
