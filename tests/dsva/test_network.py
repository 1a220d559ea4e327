import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPVisionConfig

from clip.checkpoint import build_tower, load_tower
from dsva.network import DSVA
from support.errors import InputError
from tiny_data import SMALL


@pytest.mark.parametrize(
    "image_size, patch_size, width, grid",
    [(224, 32, 768, 7), (224, 16, 768, 14), (336, 14, 1024, 24), (112, 16, 192, 7)],
)
def test_sizes_come_from_the_checkpoint(image_size, patch_size, width, grid):
    config = CLIPVisionConfig(**{**SMALL, "hidden_size": width}, image_size=image_size, patch_size=patch_size)
    model = DSVA(build_tower(config), 5, [[0, 1, 2], [3, 4]])
    with torch.no_grad():
        out = model(torch.randn(2, 3, image_size, image_size), torch.randn(5, 4), windows=True)
    assert out.maps.shape == (2, 5, grid, grid)
    assert out.final.shape == out.attention.shape == out.window.shape == (2, 4)
    assert out.windows.shape == (2, 3, image_size, image_size)


@pytest.fixture
def model(clip):
    torch.manual_seed(0)
    return DSVA(load_tower(clip), 6, [[0, 1], [2, 3], [4, 5]], pro_weight=0.5)


def test_prototypes_start_in_the_published_range(model):
    assert model.prototypes.shape == (6, 32)
    assert model.prototypes.min() >= 0 and 1.5e-4 < model.prototypes.max() <= 2e-4


def test_tokens_are_before_the_post_layer_norm(model, clip):
    images = torch.randn(2, 3, 32, 32)
    before = model.encode(images)
    with torch.no_grad():
        model.tower.post_layernorm.weight.zero_()
    torch.testing.assert_close(model.encode(images), before)


def test_branches_follow_their_formulas(model):
    images, M = torch.randn(2, 3, 32, 32), torch.randn(6, 4)
    out, tokens = model(images, M), model.encode(images)
    scores = torch.einsum("bnd,ad->ban", tokens, model.prototypes)
    torch.testing.assert_close(out.attributes_attention, scores.max(2).values)
    torch.testing.assert_close(out.attributes_projection, model.linear(model.norm(tokens.mean(1))))
    torch.testing.assert_close(out.attention, scores.max(2).values @ M)
    torch.testing.assert_close(out.maps[1, 2, 3, 0], scores[1, 2, 1 + 3 * 4 + 0])
    assert out.window is None


def test_windows_add_their_scores_to_the_final_ones(model):
    images, M = torch.randn(2, 3, 32, 32), torch.randn(6, 4)
    plain, again = model(images, M), model(images, M, windows=True)
    pooled = model.encode(again.windows).max(dim=1).values
    torch.testing.assert_close(again.window, model.linear(model.norm(pooled)) @ M)
    torch.testing.assert_close(again.final, plain.final + 0.5 * again.window)


def whole_and_parts(model, shares, monkeypatch):
    """Lets the boxes of some images be the whole image, and counts what the tower looks at."""
    looked = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda images: looked.append(len(images)) or encode(images))
    boxes = torch.tensor([[0, 0, 32, 32] if is_whole else [4, 8, 20, 12] for is_whole in shares])
    monkeypatch.setattr(model, "find_windows", lambda out: boxes)
    return looked


@pytest.mark.parametrize(
    "shares, looks", [([1, 0, 1, 0], [4, 2]), ([1, 1, 1, 1], [4]), ([0, 0, 0, 0], [4, 4])]
)
def test_a_window_that_is_the_whole_image_is_not_looked_at_again_in_a_test(model, monkeypatch, shares, looks):
    model, images, M = model.double(), torch.randn(4, 3, 32, 32).double(), torch.randn(6, 4).double()
    looked = whole_and_parts(model, shares, monkeypatch)
    learning = model.train()(images, M, windows=True)
    assert looked == [4, 4]
    looked.clear()
    with torch.inference_mode():
        tested = model.eval()(images, M, windows=True)
    assert looked == looks
    for name in ("window", "final", "attributes_window", "windows"):
        torch.testing.assert_close(getattr(tested, name), getattr(learning, name), rtol=1e-9, atol=1e-9)


def test_warm_up_learns_the_heads_without_a_graph_through_the_tower(model):
    learning = model.learn(everything=False)
    assert {id(p) for p in learning} == {
        id(p) for p in (model.prototypes, model.linear.weight, model.linear.bias)
    }
    assert not model.encode(torch.randn(1, 3, 32, 32)).requires_grad
    out = model(torch.randn(1, 3, 32, 32), torch.randn(6, 4), windows=True)
    (out.final.sum() + out.attention.sum()).backward()
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())


def test_later_everything_learns_also_through_the_window(model):
    assert len(model.learn(everything=True)) == len(list(model.parameters()))
    model(torch.randn(1, 3, 32, 32), torch.randn(6, 4), windows=True).window.sum().backward()
    assert model.tower.embeddings.patch_embedding.weight.grad.abs().sum() > 0


# ---- checkpoints -----------------------------------------------------------------------------------


def tower_weights(folder):
    return {
        name: value.clone()
        for name, value in load_tower(folder).state_dict().items()
        if "position_ids" not in name
    }


def test_the_tower_has_the_checkpoints_weights_under_names_of_any_version(clip):
    stored = load_file(clip / "model.safetensors")
    for name, value in tower_weights(clip).items():
        torch.testing.assert_close(value, stored[f"vision_model.{name}"])


def test_pytorch_model_bin_loads_weights_only(clip, tmp_path):
    shutil.copy(clip / "config.json", tmp_path)
    torch.save(load_file(clip / "model.safetensors"), tmp_path / "pytorch_model.bin")
    for name, value in tower_weights(tmp_path).items():
        torch.testing.assert_close(value, tower_weights(clip)[name])


def test_a_pickle_that_runs_code_does_not_run(clip, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    shutil.copy(clip / "config.json", tmp_path)
    torch.save({"vision_model.post_layernorm.bias": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="not a readable CLIP checkpoint"):
        load_tower(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_half_precision_checkpoints_become_float32(clip, tmp_path):
    CLIPModel.from_pretrained(clip).half().save_pretrained(tmp_path)
    assert all(p.dtype == torch.float32 for p in load_tower(tmp_path).parameters())


def test_missing_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(InputError, match="config.json does not exist.*flax-community/clip-rsicd"):
        load_tower(tmp_path / "clip-rsicd")


def test_config_without_weights(clip, tmp_path):
    shutil.copy(clip / "config.json", tmp_path)
    with pytest.raises(InputError, match="neither model.safetensors nor pytorch_model.bin"):
        load_tower(tmp_path)


def test_missing_weights_are_named(clip, tmp_path):
    shutil.copy(clip / "config.json", tmp_path)
    weights = load_file(clip / "model.safetensors")
    del weights["vision_model.pre_layrnorm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 weights.*pre_layrnorm.weight"):
        load_tower(tmp_path)


@pytest.mark.parametrize(
    "file, content", [("model.safetensors", b"\x10garbage"), ("config.json", b"{not json")]
)
def test_damaged_files(clip, tmp_path, file, content):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(clip / name, tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match="not a readable CLIP checkpoint"):
        load_tower(tmp_path)


def test_a_config_that_does_not_fit_the_weights(clip, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(clip / name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError):
        load_tower(tmp_path)
