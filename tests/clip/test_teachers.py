"""Teachers: their files, and what the towers learn from them."""

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizerFast

from caption_training import SENTENCES, TRAINED_ON
from clip.contrastive import make_optimizer, set_learning_rate
from clip.new import Sizes, new_clip
from clip.teachers import Teacher, distance_to_teachers, make_teachers, read_image_vectors, read_teacher

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_distance_is_the_mean_of_cosine_distances():
    teacher = Teacher(torch.tensor([[3.0, 0], [0, 2], [1, 1]]), width=2)
    teacher.head.weight.data, teacher.head.bias.data = torch.eye(2), torch.zeros(2)
    output = torch.tensor([[5.0, 0], [0, -1], [1, 0]])
    assert teacher.distance(output, np.array([0, 1, 2])).item() == pytest.approx((0 + 2 + 1 - 0.5**0.5) / 3)
    assert teacher.distance(output[:1], np.array([1])).item() == pytest.approx(1)


def test_vectors_come_in_the_order_of_the_training_images(captioned):
    names, vectors = read_teacher(captioned / "images.npz")
    some = TRAINED_ON[2:5]
    found = read_image_vectors(captioned / "images.npz", some)
    expected = torch.stack([vectors[names.index(image)] for image in some])
    assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_both_towers_learn_to_predict_their_teachers(trained):
    sizes = Sizes(32, 8, 32, 1, 2, 32, 1, 2, projection=16, vocab_size=600, context=12)
    tokenizer = CLIPTokenizerFast.from_pretrained(trained)
    torch.manual_seed(0)
    model = new_clip(sizes, tokenizer)
    teachers = make_teachers(model, torch.randn(4, 5), tokenizer, SENTENCES, torch.randn(3, 7))
    before = {name: value.clone() for name, value in model.named_parameters()}
    pixels, batch = torch.randn(4, 3, 32, 32), np.arange(4)
    optimizer = make_optimizer(model, teachers, 0.0)
    set_learning_rate(optimizer, 3e-3)
    distances = []
    for _ in range(40):
        features = model.vision_model(pixel_values=pixels).pooler_output
        distance = distance_to_teachers(model, teachers, features, batch, np.random.default_rng(0))
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
        distances.append(distance.item())
    assert distances[-1] < distances[0] / 4
    for name in (
        "vision_model.embeddings.patch_embedding.weight",
        "text_model.embeddings.token_embedding.weight",
    ):
        assert not torch.equal(before[name], model.get_parameter(name))
