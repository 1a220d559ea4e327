"""Fisher's linear discriminant between attribute vectors."""
import numpy as np
import torch

from discriminant import Discriminant


def made(share=0.9):
    """Scores of 4 classes, fitted, and the covariance within these by hand."""
    torch.manual_seed(0)
    scores, labels = torch.randn(60, 6) @ torch.randn(6, 6), torch.arange(60) % 4
    discriminant = Discriminant(6)
    discriminant.fit(scores, labels, share)
    within = np.concatenate([(scores[labels == c] - scores[labels == c].mean(dim=0)).numpy() for c in range(4)]).astype(float)
    return discriminant, scores, within.T @ within / len(within)


def test_class_scores_are_fishers():
    discriminant, scores, covariance = made()
    metric = np.linalg.inv(0.9 * covariance + 0.1 * np.diag(covariance.diagonal()) + 1e-3 * np.eye(6))
    classes = np.random.default_rng(0).standard_normal((6, 3))
    expected = [(scores - scores.mean(dim=0)).numpy() @ metric @ m / np.sqrt(m @ metric @ m) for m in classes.T]
    np.testing.assert_allclose(discriminant(scores, torch.tensor(classes, dtype=torch.float32)).numpy(), np.stack(expected, axis=1), rtol=1e-3, atol=1e-3)


def test_no_class_wins_by_its_length():
    discriminant, scores, _ = made()
    classes = torch.randn(6, 3)
    torch.testing.assert_close(discriminant(scores, classes * torch.tensor([0.1, 1, 10])), discriminant(scores, classes))


def test_an_attribute_that_repeats_another_does_not_count_twice():
    """Two classes that differ in two attributes: doubling one of these does not change who is named."""
    chance = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(400, 2, generator=chance), torch.arange(400) % 2
    plain, doubled = Discriminant(2), Discriminant(3)
    twice = torch.cat([scores, scores[:, :1] + 0.01 * torch.randn(400, 1, generator=chance)], dim=1)
    plain.fit(scores, labels, 0.99)
    doubled.fit(twice, labels, 0.99)
    named = plain(scores, torch.eye(2)).argmax(dim=1)
    again = doubled(twice, torch.tensor([[1.0, 0], [0, 1], [1, 0]])).argmax(dim=1)
    simply = (twice @ torch.tensor([[1.0, 0], [0, 1], [1, 0]])).argmax(dim=1)
    assert (named == again).float().mean() > 0.95 > (named == simply).float().mean()


def test_an_untold_discriminant_only_makes_vectors_equally_long():
    scores, classes = torch.randn(5, 4), torch.randn(4, 3)
    torch.testing.assert_close(Discriminant(4)(scores, classes), scores @ torch.nn.functional.normalize(classes, dim=0))
