"""A new CLIP's first weights, and one that exists for larger images."""

import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPVisionConfig

from caption_training import HERE, train
from clip.new import load_for_training, start_like_trained, tower_config


def test_a_new_tower_attends_to_what_is_alike_and_knows_near_from_far():
    config = CLIPVisionConfig(image_size=32, patch_size=8, **tower_config(64, 1, 2, 16))
    text = tower_config(16, 1, 2, 16)
    vision = CLIPModel(CLIPConfig(vision_config=config.to_dict(), text_config=text)).vision_model
    torch.manual_seed(0)
    start_like_trained(vision)
    attention = vision.encoder.layers[0].self_attn
    # of the first head, [64, 64]
    alike = (attention.q_proj.weight[:32].T @ attention.k_proj.weight[:32]).detach()
    passed_on = (attention.out_proj.weight @ attention.v_proj.weight).detach()
    assert alike.diagonal().mean() > 0.3 and passed_on.diagonal().mean() == pytest.approx(-0.4, abs=0.1)
    assert alike.fill_diagonal_(0).mean().abs() < 0.05
    positions = vision.embeddings.position_embedding.weight[1:].detach()
    distance = torch.cdist(positions, positions)[0]  # of a corner, on a grid of 4 x 4
    assert distance[1] < distance[2] < distance[3] < distance[15]
    assert distance[1] == pytest.approx(distance[4].item())


def test_a_clip_that_exists_takes_larger_images(trained, captioned, tmp_path):
    larger = load_for_training(trained, 64)
    old, new = (
        model.vision_model.embeddings.position_embedding.weight
        for model in (CLIPModel.from_pretrained(trained), larger)
    )
    assert new.shape == (65, 32) and torch.equal(new[0], old[0])
    assert torch.allclose(new[1:].mean(dim=0), old[1:].mean(dim=0), atol=0.02)
    words = ["--init", trained, "--image_size", 64, "--batch_size", 6]
    train(captioned, tmp_path / "larger", *words, size=HERE, epochs=1)
    processor = CLIPProcessor.from_pretrained(tmp_path / "larger")
    inputs = processor(images=Image.new("RGB", (90, 70)), return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 64, 64)
    assert CLIPModel.from_pretrained(tmp_path / "larger").config.vision_config.image_size == 64
