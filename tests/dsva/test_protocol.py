"""What the clean protocol chooses on: training classes that play the unseen ones, and the constant."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dsva.metrics import score_all
from dsva.protocol import choose_constant, rescale_constant, validation_benchmark
from helpers import load


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_choice_divides_the_training_images_anew(root, seed):
    data = load(root)

    def played_with(seed):
        return validation_benchmark(data, "train_gzsl_loc", True, None, seed)

    played = played_with(seed)
    assert len(played.unseen) == 3  # as many as in the division
    assert sorted([*played.seen, *played.unseen]) == data.seen.tolist()
    parts = [played.splits[name] for name in ("train_gzsl_loc", "test_seen_loc", "test_unseen_loc")]
    assert sorted(np.concatenate(parts)) == data.splits["train_gzsl_loc"].tolist()

    again = played_with(seed)
    for name, images in played.splits.items():
        assert images.tolist() == again.splits[name].tolist()
    assert len({tuple(played_with(other).unseen) for other in range(5)}) > 1


def test_at_most_a_third_of_the_seen_classes_play_unless_told_otherwise(root):
    data = load(root)
    of_4_classes = data.splits["train_zsl_loc"][:20]
    few = replace(data, splits={**data.splits, "train_zsl_loc": of_4_classes})
    assert len(validation_benchmark(few, "train_zsl_loc", True, None, 0).unseen) == 1
    assert len(validation_benchmark(few, "train_zsl_loc", False, None, 0).unseen) == 2  # 1 is always right
    assert len(validation_benchmark(few, "train_zsl_loc", False, 3, 0).unseen) == 3


@pytest.mark.parametrize("there, here, constant", [(10, 10, 0.3), (10, 20, 0.15), (15, 10, 0.45)])
def test_twice_the_classes_half_the_constant(there, here, constant):
    def benchmark(classes):
        return SimpleNamespace(candidates=lambda gzsl: np.arange(classes))

    assert rescale_constant(0.3, benchmark(there), benchmark(here)) == pytest.approx(constant)


def test_the_constant_of_a_choice_gives_the_highest_h(root):
    data, chance = load(root), np.random.default_rng(0)
    data = replace(
        data,
        splits={
            **data.splits,
            "train_zsl_loc": np.flatnonzero(np.isin(data.labels, [3, 7, 9])),
            "test_unseen_loc": np.flatnonzero(data.labels == 5),
        },
    )
    classes, labels = data.candidates(gzsl=True), chance.choice([3, 5, 7, 9], 60)
    probabilities = chance.dirichlet(np.ones(4), len(labels))

    def h(constant):
        return score_all(
            {"attention": probabilities}, labels, classes, data.seen, data.unseen, True, constant
        )[0]["attention"]["H"]

    best = h(choose_constant(probabilities, labels, data))
    assert best > h(0) and best >= max(map(h, np.linspace(-1, 1, 400)))
