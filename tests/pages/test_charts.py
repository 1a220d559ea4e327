import math
import re

import numpy as np
import pytest

from pages.charts import Bar, Series, bar_chart, line_chart, push_apart, round_numbers
from pages.heat_map import heat_map
from pages.svg import LETTER

NAN = math.nan


@pytest.mark.parametrize(
    "low, high",
    [(0, 100), (12.3, 53.2), (5.81, 6.31), (0, 1.9e-4), (-0.47, 0.47), (64, 64), (0, 0), (-3, -3)],
)
def test_a_scale_has_few_round_numbers_that_hold_all_values(low, high):
    scale = round_numbers(low, high, about=4)
    assert scale[0] <= low and high <= scale[-1] and 2 <= len(scale) <= 7
    assert np.allclose(np.diff(scale), scale[1] - scale[0])
    assert all(len(f"{tick:g}") <= 7 for tick in scale)


def test_labels_are_pushed_apart_in_their_order():
    assert push_apart([50, 10, 12, 11], gap=10) == [50, 10, 30, 20]


# ---- lines -----------------------------------------------------------------------------------------


def test_a_line_has_the_points_that_there_are():
    series = [Series("H", "chosen", [1.0, NAN, 3.0, 2.0]), Series("none", "other", [NAN] * 4)]
    chart = line_chart("scores", [3, 4, 5, 6], series, marks={"best": 5})
    points = re.search('class="chosen" points="(.*?)"', chart)[1].split()
    assert [point.split(",")[0] for point in points] == ["0.0", "66.67", "100.0"]
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[1] < heights[2] < heights[0]  # upwards is a smaller y
    assert "best 5" in chart and "<title>epoch 4\nH –\nnone –</title>" in chart and "nan" not in chart


def test_names_of_marks_do_not_overlap():
    series = [Series("H", "chosen", [1.0] * 30)]
    far = line_chart("scores", list(range(30)), series, {"best": 5, "last": 29})
    near = line_chart("scores", list(range(30)), series, {"best": 24, "clean": 25, "last": 29})

    def name_heights(chart):
        return [int(y) for y in re.findall(r'<text class="mark" x="[\d.]+%" y="(-\d+)"', chart)]

    assert name_heights(far) == [-11, -11]
    assert name_heights(near) == [-11, -25, -11]  # that of the last epoch stands right of the field

    def found(pattern, chart):
        return int(re.search(pattern, chart)[1])

    for pattern in (r"padding: (\d+)px", r'height="(\d+)"'):
        assert found(pattern, near) - found(pattern, far) == 14


def test_one_epoch_is_a_dot_in_the_middle():
    chart = line_chart("loss", [7], [Series("", "chosen", [2.5])], marks={"best and last": 7})
    assert 'cx="50%"' in chart and "nan" not in chart


# ---- bars ------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_values():
    bars = [Bar("one", 50.0, "seen", "tip <1>"), Bar("none", NAN, "unseen", "tip")]
    chart = bar_chart("classes", bars, high=200)
    assert re.findall(r'<rect y="\d+" width="([\d.]+)%', chart) == ["25.00", "0.00"]
    assert "<title>tip &lt;1&gt;</title>" in chart and chart.index("seen") < chart.index("unseen")


def test_no_line_of_a_mean_crosses_a_number():
    chart = bar_chart("classes", [Bar("one", 77.8, "seen", "tip")], means=[(81.1, "unseen")])
    line, behind, number = chart.index("<line"), chart.index('class="behind"'), chart.index(">77.8<")
    assert line < behind < number  # what is drawn later hides what is below it
    width = int(re.search(r'class="behind".*?width="(\d+)"', chart)[1])
    assert width > 4 * LETTER


# ---- matrices --------------------------------------------------------------------------------------


def test_a_heat_map_has_a_cell_for_every_value_but_zero():
    chart = heat_map(
        "M",
        np.array([[1.0, -0.25, 0], [0, 0.5, -1]]),
        {"a": ["r0"], "b": ["r1"]},
        {"seen": ["c0", "c1"], "unseen": ["<c2>"]},
        tip=lambda r, c: f"{r} & {c}",
    )
    cells = re.findall(r'<g class="(\w+)[\w ]*" style="--v:(\d+)%"><title>(\d) &amp; (\d)</title>', chart)
    assert cells == [
        ("plus", "100", "0", "0"),
        ("minus", "25", "0", "1"),
        ("plus", "50", "1", "1"),
        ("minus", "100", "1", "2"),
    ]
    assert 'class="unseen"' in chart and "&lt;c2&gt;" in chart


def test_a_long_label_is_cut_and_told_in_full():
    name = "WastewaterTreatmentPlantNorth"
    chart = heat_map("M", np.ones((1, 1)), {"": [name]}, {"": ["c"]}, tip=lambda r, c: "")
    assert f">{name[:23]}…<title>{name}</title>" in chart


@pytest.mark.parametrize("classes", [6, 32, 70])
def test_the_cells_of_a_heat_map_do_not_overlap(classes):
    chart = heat_map(
        "M",
        np.ones((3, classes)),
        {"": ["a", "b", "c"]},
        {"seen": ["x"] * (classes - 2), "unseen": ["y"] * 2},
        tip=lambda r, c: "",
    )
    found = re.findall(r'</title><rect x="(\d+)" y="(\d+)" width="(\d+)"', chart)
    cells = {tuple(map(int, cell)) for cell in found}
    assert len(cells) == 3 * classes
    first_row = min(y for _, y, _ in cells)
    row = sorted(x for x, y, _ in cells if y == first_row)
    _, _, width = next(iter(cells))
    assert min(np.diff(row)) > width >= 11
