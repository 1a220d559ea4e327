"""What a GPU has written a CPU reads, and both name the same."""

import json

import pytest
import torch
from safetensors.torch import load_file

import predict
from clip.embed import Clip
from helpers import QUICK, predicted, run

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def saved(root, clip, device, tmp_path_factory):
    """A run of the device."""
    folder = tmp_path_factory.mktemp("device") / "run"
    run(f"{QUICK} --device {device} --cache device --gzsl", root=root, clip=clip, output=folder)
    return folder


def test_a_checkpoint_of_the_device_is_evaluated_on_the_cpu(saved, device, capsys):
    scores = []
    for name in (device, "cpu"):
        capsys.readouterr()
        run(f"--eval --resume {saved / 'last.safetensors'} --device {name} --workers 0")
        scores.append(capsys.readouterr().out.splitlines()[-1])
    assert scores[0] == scores[1]
    assert all(value.device.type == "cpu" for value in load_file(saved / "last.safetensors").values())


def test_a_run_of_the_device_goes_on_on_the_cpu(saved, root, clip, tmp_path):
    run(
        f"{QUICK} --gzsl --nepoch 4 --resume {saved / 'last.safetensors'}",
        root=root,
        clip=clip,
        output=tmp_path / "more",
    )
    assert json.loads((tmp_path / "more" / "results.json").read_text())["last"]["epoch"] == 3


def test_predictions_have_the_same_names(saved, root, device, tmp_path):
    named = []
    for name in (str(device), "cpu"):
        output = tmp_path / name.replace(":", "-") / "out"
        words = ["--resume", saved / "last.safetensors", "--device", name, "--workers", 0]
        predict.main([str(word) for word in [*words, root / "RSSDIVCS/Class1", "--output", output]])
        named.append([(line["image"], line["classes"][0]["class"]) for line in predicted(output)])
    assert named[0] == named[1] and len(named[0]) == 5


def test_embeddings_agree(place, device):
    paths = sorted((place / "RSSDIVCS" / "Class1").glob("*.png"))
    found = []
    for where in (device, torch.device("cpu")):
        embedder = Clip(place / "clip", where)
        vectors = embedder.embed_images(embedder.loader(paths, batch_size=2, workers=0))
        words = embedder.embed_words(["runways", "sand"], ["a photo of {}."])
        found.append((vectors.cpu(), words.cpu()))
    for vectors, expected in zip(*found):
        torch.testing.assert_close(vectors, expected, rtol=1e-3, atol=1e-5)
