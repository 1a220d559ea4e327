"""Options that make it faster: how numbers change, and what happens where they cannot be used."""

import os
import subprocess
import sys

import pytest
import torch

from data.pipeline import Normalize, dsva_preprocessing
from dsva.engine import make_optimizer
from dsva.losses import Criterion
from runs.build import build_data, build_network
from runs.command_line import get_options
from runs.settings import benchmark_files, network_settings
from support.cli import REPOSITORY

CPU = torch.device("cpu")


@pytest.fixture
def build(root, clip):
    """A function from words of the command line to the network."""

    def from_words(*words: str):
        opt = get_options(["--root", str(root), "--clip", str(clip), *words])
        torch.manual_seed(0)
        data = build_data(benchmark_files(opt), None, CPU)
        return build_network(network_settings(opt), data, CPU)

    yield from_words
    from_words()  # and TF32 is off again


@pytest.fixture
def images():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision, closeness", [("tf32", 0), ("bf16", 3e-2)])
def test_tokens_stay_close_and_in_full_precision(build, images, precision, closeness):
    tokens, other = build().encode(images), build("--precision", precision).encode(images)
    assert other.dtype == torch.float32
    torch.testing.assert_close(other, tokens, rtol=closeness, atol=closeness)
    assert torch.equal(other, tokens) == (precision == "tf32")  # which a CPU has not


def test_tf32_is_used_where_it_is_asked_for_and_nowhere_else(build):
    def used():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    for precision, expected in {"tf32": True, "fp32": False, "bf16": False}.items():
        build("--precision", precision)
        assert used() == (expected, expected)


def test_a_compiled_network_learns_and_is_saved_under_the_same_names(build, images):
    models = plain, compiled = build(), build("--compile")
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    for model in models:
        model.learn(everything=True)
    tokens = [model.encode(images) for model in models]
    torch.testing.assert_close(*tokens, rtol=1e-5, atol=1e-5)
    for several in tokens:
        several.sum().backward()
    torch.testing.assert_close(
        *(model.tower.embeddings.patch_embedding.weight.grad for model in models), rtol=1e-4, atol=1e-4
    )


def test_without_a_compiler_a_line_says_so(build, images, monkeypatch, capsys):
    expected = build().encode(images)

    def fail(*args, **kwargs):
        raise RuntimeError("no C++ compiler\nmore of it")

    monkeypatch.setattr(torch, "compile", fail)
    assert torch.equal(build("--compile").encode(images), expected)
    assert (
        "note: torch.compile cannot be used here (no C++ compiler): the network runs as it is\n"
        in capsys.readouterr().out
    )


def test_a_cuda_toolkit_without_a_gpu_is_no_complaint(tmp_path):
    compiles = (
        "import torch; from clip import checkpoint; "
        "checkpoint.compile_tower(torch.nn.Linear(2, 2), torch.device('cpu'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", compiles],
        cwd=REPOSITORY / "model",
        env={**os.environ, "CUDA_HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_adam_without_its_fused_kernel_learns_the_same(build, images, monkeypatch):
    fused, plain, adam = build(), build(), torch.optim.Adam

    def old_adam(parameters, fused=False, **options):
        if fused:
            raise RuntimeError("`fused=True` requires all the params to be CUDA, floating point Tensor")
        return adam(parameters, **options)

    optimizers = [make_optimizer(fused, True, 1e-3, (0.5, 0.999))]
    monkeypatch.setattr(torch.optim, "Adam", old_adam)
    optimizers.append(make_optimizer(plain, True, 1e-3, (0.5, 0.999)))
    assert not optimizers[1].defaults["fused"]
    for model, optimizer in zip((fused, plain), optimizers):
        for _ in range(3):
            optimizer.zero_grad()
            model.encode(images).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(fused.encode(images), plain.encode(images), rtol=1e-3, atol=1e-4)


def test_what_a_test_has_left_on_the_device_can_be_learnt_with(build):
    model, pixels = build(), torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    weights = {"l_regular": 1.0, "cpt": 1.0, "xe": 1.0}
    criterion = Criterion(weights, groups=[[0, 1], [2, 3], [4, 5]], grid=model.grid)
    normalize = Normalize(dsva_preprocessing(32, "imagenet"))
    M, labels = torch.rand(6, 4), torch.tensor([0, 1])
    with torch.inference_mode():
        criterion(model(normalize(pixels), M, windows=True), labels, M, model, full=True)
    model.learn(everything=True)
    terms = criterion(model(normalize(pixels), M, windows=True), labels, M, model, full=True)
    sum(terms.values()).backward()
    assert model.prototypes.grad.isfinite().all()
