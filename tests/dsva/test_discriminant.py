"""Fisher's linear discriminant between attribute vectors."""

import numpy as np
import torch

from dsva.discriminant import Discriminant


def made(share=0.9):
    """Scores of 4 classes, fitted, and the covariance within these by hand."""
    torch.manual_seed(0)
    scores, labels = torch.randn(60, 6) @ (torch.eye(6) + 0.2 * torch.randn(6, 6)), torch.arange(60) % 4
    discriminant = Discriminant(6)
    discriminant.fit(scores, labels, share)
    within = np.concatenate(
        [(scores[labels == c] - scores[labels == c].mean(dim=0)).numpy() for c in range(4)]
    ).astype(float)
    return discriminant, scores, within.T @ within / len(within)


def test_class_scores_are_fishers():
    discriminant, scores, covariance = made()
    metric = np.linalg.inv(0.9 * covariance + 0.1 * np.diag(covariance.diagonal()) + 1e-3 * np.eye(6))
    classes = np.random.default_rng(0).standard_normal((6, 3))
    expected = [
        (scores - scores.mean(dim=0)).numpy() @ metric @ m * np.linalg.norm(m) / np.sqrt(m @ metric @ m)
        for m in classes.T
    ]
    np.testing.assert_allclose(
        discriminant(scores, torch.tensor(classes, dtype=torch.float32)).numpy(),
        np.stack(expected, axis=1),
        rtol=1e-3,
        atol=1e-3,
    )


def test_classes_of_one_length_vary_alike_within_a_class():
    """However long the metric makes them: so no class wins by that. A louder one is louder here too."""
    discriminant, _, covariance = made(0.99)
    directions = discriminant.directions(
        torch.nn.functional.normalize(torch.randn(6, 3), dim=0) * torch.tensor([1.0, 1, 10])
    ).numpy()
    np.testing.assert_allclose(
        np.sqrt(np.einsum("ac,ab,bc->c", directions, covariance, directions)), [1, 1, 10], rtol=0.1
    )


def test_an_attribute_that_repeats_another_does_not_count_twice():
    """Two classes that differ in two attributes: doubling one of these does not change who is named."""
    chance = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(400, 2, generator=chance), torch.arange(400) % 2
    plain, doubled = Discriminant(2), Discriminant(3)
    twice = torch.cat([scores, scores[:, :1] + 0.01 * torch.randn(400, 1, generator=chance)], dim=1)
    plain.fit(scores, labels, 0.99)
    doubled.fit(twice, labels, 0.99)
    named = plain(scores, torch.eye(2)).argmax(dim=1)
    classes = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [0, 1], [1, 0]]), dim=0)
    again, simply = doubled(twice, classes).argmax(dim=1), (twice @ classes).argmax(dim=1)
    assert (named == again).float().mean() > 0.98 > (named == simply).float().mean()


def test_an_untold_discriminant_leaves_vectors_as_they_are():
    scores, classes = torch.randn(5, 4), torch.randn(4, 3)
    torch.testing.assert_close(Discriminant(4)(scores, classes), scores @ classes)
