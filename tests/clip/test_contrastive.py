"""The loss against formulas by hand, the learning rate, dropped patches, and retrieval."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPModel, CLIPProcessor

from clip.contrastive import contrastive_loss, dropped_patches, embed_texts, schedule
from clip.evaluation import retrieval

# ---- the loss --------------------------------------------------------------------------------------


def test_the_loss_of_a_pair_by_hand():
    images, texts = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # logits 2 x [[1, 0.6], [0, 0.8]]: rows are images, columns are texts
    wrong_minus_right = [2 * (0.6 - 1), 2 * (0 - 0.8), 2 * (0 - 1), 2 * (0.6 - 0.8)]  # rows, then columns
    expected = sum(math.log(1 + math.exp(difference)) for difference in wrong_minus_right) / 4
    assert contrastive_loss(
        images, texts, torch.tensor(2.0), torch.arange(2)[:, None], torch.eye(2) > 0
    ).item() == pytest.approx(expected, abs=1e-6)


def test_texts_that_are_true_of_an_image_are_no_negatives():
    images = F.normalize(
        torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1
    ).requires_grad_()
    texts, own, scale = images.detach().flip(0), torch.arange(3)[:, None], torch.tensor(5.0)
    nothing_is_wrong = contrastive_loss(images, texts, scale, own, torch.ones(3, 3) > 0)
    nothing_is_wrong.backward()
    assert nothing_is_wrong.item() == pytest.approx(0, abs=1e-6) and images.grad.isfinite().all()
    true = torch.eye(3) > 0
    true[0, 1] = True  # text 1 is also true of image 0, but not the other way round
    logits = 5 * images @ texts.T
    kept = logits.clone()
    kept[0, 1] = -1e9
    target = torch.arange(3)
    expected = (F.cross_entropy(kept, target) + F.cross_entropy(kept.T, target)) / 2
    assert torch.allclose(contrastive_loss(images, texts, scale, own, true), expected)


def test_each_of_several_texts_of_an_image_is_found_among_those_that_are_not_true_of_it():
    generator = torch.Generator().manual_seed(1)
    images, texts = (F.normalize(torch.randn(n, 4, generator=generator), dim=1) for n in (2, 3))
    pairs, true = torch.tensor([[0, 1], [1, 2]]), torch.tensor([[True, True, False], [False, True, True]])
    exp = (4 * images @ texts.T).exp()
    right = [
        (0, 0, exp[0, 2], exp[1, 0]),
        (0, 1, exp[0, 2], 0),
        (1, 1, exp[1, 0], 0),
        (1, 2, exp[1, 0], exp[0, 2]),
    ]
    expected = 0
    for i, t, texts_wrong, images_wrong in right:
        expected -= (exp[i, t] / (exp[i, t] + texts_wrong)).log() / 8
        expected -= (exp[i, t] / (exp[i, t] + images_wrong)).log() / 8
    assert torch.allclose(contrastive_loss(images, texts, torch.tensor(4.0), pairs, true), expected)


# ---- training --------------------------------------------------------------------------------------


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine():
    assert [schedule(done, 0.2) for done in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedule(0, 0) == 1


def test_dropped_patches_are_not_seen_and_the_class_token_is(trained):
    model = CLIPModel.from_pretrained(trained)
    with dropped_patches(model, 0.5, 2, np.random.default_rng(0)):
        assert model.vision_model(pixel_values=torch.zeros(2, 3, 32, 32)).last_hidden_state.shape[1] == 1 + 8
    assert model.vision_model(pixel_values=torch.zeros(2, 3, 32, 32)).last_hidden_state.shape[1] == 1 + 16


# ---- evaluation ------------------------------------------------------------------------------------


def test_retrieval_counts_queries_whose_answer_comes_first():
    similarity = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.7, 0.1]])
    true = torch.tensor([[True, False, False], [False, True, True]])
    assert retrieval(similarity, true) == {"R@1": 50, "R@5": 100, "R@10": 100}
    # embeddings that are all the same find nothing
    assert retrieval(torch.zeros(2, 30), torch.eye(2, 30) > 0)["R@10"] == 0


def test_a_text_is_its_words_and_not_its_padding(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    model = CLIPModel.from_pretrained(trained).eval()
    texts, how = ["a harbor", "a desert"], {"padding": "max_length", "return_tensors": "pt"}
    short, long = (tokenizer(texts, max_length=length, **how)["input_ids"] for length in (6, 12))
    with torch.no_grad():
        assert torch.allclose(embed_texts(model, short), embed_texts(model, long), atol=1e-6)
        assert not torch.allclose(*embed_texts(model, long), atol=1e-3)
