"""Panels drawn from Python: of a path, an opened picture or a square, and whether the class was found."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from pages import panels
from pages.panels import draw_attention


def test_a_panel_is_a_picture(loaded_run, files, monkeypatch):
    written = []
    name_file = panels.name_file
    monkeypatch.setattr(
        panels, "name_file", lambda axis, file: written.append(file.name) or name_file(axis, file)
    )
    of_path = draw_attention(loaded_run, files[0])
    opened = draw_attention(loaded_run, Image.open(files[0]))
    in_memory = draw_attention(loaded_run, Image.open(files[0]).convert("RGB"))
    of_square = draw_attention(loaded_run, loaded_run.prepare(files[0])[0])
    assert written == ["0.png", "0.png", "", ""]
    for panel in (of_path, opened, in_memory, of_square):
        assert isinstance(panel, Image.Image) and panel.mode == "RGB" and panel.size == of_path.size
    np.testing.assert_array_equal(of_path, opened)
    np.testing.assert_array_equal(in_memory, of_square)
    assert draw_attention(loaded_run, files[0], top=1).width < of_path.width


def test_a_panel_says_whether_the_class_was_found(loaded_run, files, monkeypatch):
    titles = []
    add_title = panels.add_title
    monkeypatch.setattr(
        panels, "add_title", lambda axis, *texts: titles.append(texts) or add_title(axis, *texts)
    )
    best = loaded_run.predict(files[0]).classes[0]
    for label in (None, best.upper(), "somewhere else"):
        draw_attention(loaded_run, files[0], label=label)
    named = [texts for texts in titles if len(texts) == 3]
    assert [texts[2] for texts in named] == [panels.INK, panels.RIGHT, panels.WRONG]
    assert named[2][1].endswith(", is somewhere else")


@pytest.mark.parametrize(
    "box, frames", [((0, 0, 64, 64), 0), ((0, 0, 64, 63), 1), ((8, 0, 56, 64), 1), ((8, 8, 8, 8), 1)]
)
def test_a_window_that_is_the_whole_image_has_no_frame(box, frames):
    axis = Figure().subplots()
    panels.add_window(axis, torch.tensor(box), 64)
    assert len(axis.patches) == frames


def test_what_numbers_maps_and_frames_are_stands_below_one_panel_or_several(loaded_run, files):
    panel = draw_attention(loaded_run, files[0])
    below = panels.add_remark(Image.new("RGB", (panel.width, 100)), "projection").height - 100
    words = np.asarray(panel.convert("L"))[-below:]
    assert words.min() < 150 and (words[:, :40] > 250).all()  # grey on white, at the right
    one = Image.new("RGB", (1000, 100))
    sheet = panels.add_remark(panels.stack([one] * 3, columns=2), "projection")
    assert sheet.size == (2000, 200 + panels.add_remark(one, "projection").height - 100)


@pytest.mark.parametrize("branch", ["projection+window", "attention"])
def test_no_word_below_a_narrow_panel_is_cut(branch):
    panel = panels.add_remark(Image.new("RGB", (280, 100), "white"), branch)
    assert (np.asarray(panel.convert("L"))[:, :2] > 250).all()
