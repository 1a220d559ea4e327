"""Which training images are drawn, in which order."""

import numpy as np
import pytest

from data.samplers import EpisodeSampler, ShuffledSampler
from helpers import load
from support.errors import InputError


def episodes(data, seed=0, epoch=0, n=20, ways=4, shots=3):
    sampler = EpisodeSampler(
        data.labels, data.splits["train_zsl_loc"], n, ways, shots, seed, data.class_names
    )
    sampler.set_epoch(epoch)
    assert len(sampler) == n
    return list(sampler)


def test_episodes_hold_ways_classes_of_shots_images_each(root):
    data = load(root)
    seen_images = set(data.splits["train_zsl_loc"].tolist())
    for episode in episodes(data):
        images = [image for image, _ in episode]
        assert len(set(images)) == 12 and set(images) <= seen_images
        assert sorted(np.unique(data.labels[images], return_counts=True)[1].tolist()) == [3, 3, 3, 3]


def test_every_seen_class_gets_its_turn(root):
    data = load(root)
    drawn = {data.labels[image] for episode in episodes(data, n=40) for image, _ in episode}
    assert drawn == set(data.seen.tolist())


def test_an_epoch_depends_on_seed_and_number_only(root):
    data = load(root)
    assert episodes(data, seed=3, epoch=5) == episodes(data, seed=3, epoch=5)
    assert episodes(data, seed=3, epoch=5) != episodes(data, seed=3, epoch=6)
    assert episodes(data, seed=3, epoch=5) != episodes(data, seed=4, epoch=5)


def test_shuffled_batches_hold_every_image_once():
    sampler = ShuffledSampler(np.arange(100, 125), 8, seed=1)
    batches = list(sampler)
    assert [len(batch) for batch in batches] == [8, 8, 8, 1] and len(sampler) == 4
    assert sorted(image for batch in batches for image, _ in batch) == list(range(100, 125))


@pytest.mark.parametrize(
    "ways, shots, message",
    [
        (10, 1, "--ways 10 is larger than the number of seen classes, 9"),
        (2, 6, "--shots 6 is larger than the class Class3, which has 5"),
    ],
)
def test_episodes_that_cannot_be(root, ways, shots, message):
    with pytest.raises(InputError, match=message):
        episodes(load(root), ways=ways, shots=shots)
