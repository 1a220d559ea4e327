"""What an augmented image may look like."""

import numpy as np
import torch

from clip.augmentation import Augmentation


def test_without_augmentation_an_image_stays_as_it_is():
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    same = Augmentation(turn=False, flip=False, crop=1, colour=0)(
        images, 16, len(images), np.random.default_rng(0)
    )
    assert torch.allclose(same, images.float(), atol=1e-3)


def test_turns_and_flips_give_the_eight_views_of_a_square_and_nothing_else():
    image = torch.randint(256, (1, 3, 8, 8), dtype=torch.uint8)
    views = Augmentation(crop=1, colour=0)(
        image.expand(64, -1, -1, -1), 8, 64, np.random.default_rng(0)
    ).round()
    expected = {
        bytes(np.ascontiguousarray(view.byte()))
        for turned in (torch.rot90(image[0], k, (1, 2)) for k in range(4))
        for view in (turned, turned.flip(2))
    }
    assert {bytes(np.ascontiguousarray(view.byte())) for view in views} == expected and len(expected) == 8


def test_crops_keep_half_of_the_area_or_more_and_stay_inside():
    planes = Augmentation(crop=0.5).draw_plane(200, np.random.default_rng(0))
    assert (planes.abs().sum(dim=2) <= 1 + 1e-9).all()  # no corner lies outside [-1, 1]
    areas = planes[:, :, :2].det().abs()
    assert 0.45 < areas.min() < 0.6 and areas.max() <= 1


def test_colour_changes_keep_a_gray_image_gray_and_within_range():
    gray = torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8).expand(-1, 3, -1, -1)
    changed = Augmentation(crop=1, colour=0.5)(gray, 16, len(gray), np.random.default_rng(0))
    assert (
        torch.allclose(changed[:, 0], changed[:, 2], atol=0.01)
        and changed.min() >= 0
        and changed.max() <= 255
    )
    assert not torch.allclose(changed[0].mean(), gray[0].float().mean(), atol=0.5)
