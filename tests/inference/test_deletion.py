"""The deletion test, on a network that is made to look at one thing."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import visualize
from dsva.network import Output
from inference import choose_candidates, load_saved
from inference.candidates import Candidates, Choice
from inference.contributions import explain
from inference.deletion import (
    OF_PATCHES,
    Check,
    Falls,
    another_patch,
    blur,
    measure_deletion,
    paste,
    patch_at_peak,
)

SIZE = 32


class Sharp:
    """Attribute 0 is how sharp the sharpest of 4 x 4 cells is; attribute 1 is always 1, its map random."""

    branch = "attention"
    discriminant = None

    def look(self, images, class_attributes):
        pixels = images.float().mean(dim=1)
        steps = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs()
        sharpness = F.adaptive_avg_pool2d(F.pad(steps, (0, 1))[:, None], 4)  # [B, 1, 4, 4]
        maps = torch.cat([sharpness, torch.rand_like(sharpness)], dim=1)
        scores = torch.stack([sharpness.amax(dim=(1, 2, 3)), torch.ones(len(images))], dim=1)
        class_scores = scores @ class_attributes
        return Output(class_scores, class_scores, scores, scores, maps, class_scores)

    def class_scores(self, out):
        return out.attention

    def evidence(self, out):
        return out.attributes_attention


@pytest.fixture
def candidates():
    attributes = torch.tensor([[1.0, -1], [0, 0]])
    return Candidates(["town", "lake"], ["seen"] * 2, 0.0, attributes, Choice())


def chequered() -> torch.Tensor:
    """Grey, and one patch of black and white pixels."""
    pixels = torch.full((3, SIZE, SIZE), 128, dtype=torch.uint8)
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    pixels[:, 8:16, 16:24] = ((rows + columns) % 2 * 255).byte()
    return pixels


def test_a_score_falls_where_it_comes_from_and_nowhere_else(candidates):
    run, pixels = Sharp(), chequered()
    out = run.look(pixels[None], candidates.attributes)
    falls: dict = {}
    for seed in range(20):
        chance = np.random.default_rng(seed)
        measure_deletion(run, candidates, pixels, out, [0, 1], chance, falls)
    assert list(falls) == ["attention", OF_PATCHES] and len(falls["attention"]) == 40
    peaks, others = np.array(falls["attention"].at_peak), np.array(falls["attention"].elsewhere)
    score = float(out.attributes_attention[0, 0])
    assert (peaks[0::2] > 0.7 * score).all() and (peaks[0::2] > others[0::2]).all()
    assert falls[OF_PATCHES].at_peak == peaks[0::2].tolist()  # attribute 1 has a score that is of no patch
    assert not peaks[1::2].any() and not others[1::2].any()  # what is not there in the image cannot fall
    assert falls["attention"].summary()["further_at_peak"] == 0.5


def test_only_what_is_told_as_seen_is_tried(candidates):
    run, pixels = Sharp(), chequered()
    check = Check(run, candidates, top=2)
    out = run.look(pixels[None], candidates.attributes)
    check.add(pixels, out, number=0)
    assert len(check.falls["attention"]) == 1  # attribute 1 adds nothing
    check.add(pixels, out, number=1)  # of the lake, sharpness takes away
    assert len(check.falls["attention"]) == 1 and check.images == 2
    assert check.largest_error < 1e-4
    assert not explain(run, candidates, out, 1).values[0] > 0


def test_nothing_to_try_is_said(candidates, capsys):
    check = Check(Sharp(), candidates, top=1)
    pixels = chequered()
    check.add(pixels, check.run.look(pixels[None], candidates.attributes), number=1)
    check.print_found()
    assert "no map to try" in capsys.readouterr().out


def test_a_patch_lies_around_the_peak_and_inside_of_the_image():
    for row, column, corner in ((1, 2, (8, 16)), (0, 3, (0, 24)), (3, 0, (24, 0))):
        attention = torch.zeros(4, 4)
        attention[row, column] = 1
        assert patch_at_peak(attention, SIZE, 8) == corner
    attention = torch.zeros(4, 4)
    attention[0, 3] = 1
    assert patch_at_peak(attention, SIZE, 20) == (0, 12)


def test_the_other_patch_never_overlaps():
    chance = np.random.default_rng(0)
    for _ in range(200):
        top, left = another_patch((8, 16), SIZE, 8, chance)
        assert abs(top - 8) >= 8 or abs(left - 16) >= 8
        assert 0 <= top <= 24 and 0 <= left <= 24


def test_only_the_patch_is_blurred():
    pixels = chequered()
    changed = paste(pixels, blur(pixels, 8), (8, 16), 8)
    inside = changed[:, 8:16, 16:24].float()
    assert inside.std() < 20 < pixels[:, 8:16, 16:24].float().std()
    changed[:, 8:16, 16:24] = pixels[:, 8:16, 16:24]
    assert torch.equal(changed, pixels)


def test_means_and_shares():
    found = Falls([1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 1.0, 0.0]).summary()
    assert found == {"at_peak": 0.75, "elsewhere": 0.5, "further_at_peak": 0.5, "pairs": 4}


def test_the_program_prints_and_saves_both_checks(place, tmp_path, capsys):
    words = ["--resume", place / "run", "--device", "cpu", "--check", "--draw", 1, "--top", 4]
    for folder in ("one", "two"):
        visualize.main([str(word) for word in [*words, "--output", tmp_path / folder]])
    printed = capsys.readouterr().out
    assert "contributions add up to the difference of the network's logits in 4 images" in printed
    one, two = (json.loads((tmp_path / folder / "check.json").read_text()) for folder in ("one", "two"))
    assert one == two and one["images"] == 4 and one["largest_error"] < 1e-4
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    assert {run.branch, "attention"} <= set(one["deletion"]) <= {run.branch, "attention", OF_PATCHES}
    assert f"{run.branch} (decides)" in printed and len(choose_candidates(run).names) == 5
