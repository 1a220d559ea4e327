import torch
import torch.nn.functional as F

from dsva.windows import concentration, crop_windows, window_boxes


def masks(*groups, attributes):
    """[K, A] bool of lists of attribute indices."""
    return torch.tensor([[a in group for a in range(attributes)] for group in groups])


def test_strongest_attribute_of_each_group_chooses_the_window():
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 0, 3, 3] = maps[0, 1, 0, 0] = maps[0, 2, 0, 0] = 1.0
    chosen = window_boxes(
        maps, torch.tensor([[1.0, 5.0, 0.0]]), masks([0, 1], [2], attributes=3), size=8, threshold=1.0
    )
    other = window_boxes(
        maps, torch.tensor([[5.0, 1.0, 0.0]]), masks([0, 1], attributes=3), size=8, threshold=1.0
    )
    assert chosen.tolist()[0][:2] == [0, 0]
    top, left, height, width = other.tolist()[0]
    assert (top + height, left + width) == (8, 8)


def test_concentration_is_the_mean_of_scaled_enlarged_maps():
    torch.manual_seed(0)
    maps, scores = torch.randn(2, 4, 3, 3), torch.tensor([[0.0, 1, 3, 2], [5, 1, 0, 9]])
    expected = []
    for image, chosen in enumerate([(1, 2), (0, 3)]):
        scaled = []
        for attribute in chosen:
            big = F.interpolate(
                maps[image, attribute][None, None], size=(9, 9), mode="bilinear", align_corners=True
            )[0, 0]
            scaled.append((big - big.min()) / (big.max() - big.min()))
        expected.append(sum(scaled) / 2)
    torch.testing.assert_close(
        concentration(maps, scores, masks([0, 1], [2, 3], attributes=4), 9), torch.stack(expected)
    )


def test_a_higher_threshold_gives_a_smaller_window():
    ramp = torch.arange(16.0).view(1, 1, 4, 4)
    areas = [
        window_boxes(ramp, torch.zeros(1, 1), masks([0], attributes=1), 16, threshold)[0, 2:].prod().item()
        for threshold in (0.5, 1.0, 1.5)
    ]
    assert areas[0] > areas[1] > areas[2]


def test_constant_maps_give_the_whole_image():
    assert window_boxes(
        torch.ones(1, 2, 3, 3), torch.zeros(1, 2), masks([0], [1], attributes=2), 6, 1.0
    ).tolist() == [[0, 0, 6, 6]]


def test_crops_are_those_of_interpolate():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 20, 20)
    boxes = torch.tensor([[0, 0, 20, 20], [3, 5, 7, 11], [19, 0, 1, 6], [4, 4, 1, 1]])
    for image, (top, left, height, width), crop in zip(images, boxes.tolist(), crop_windows(images, boxes)):
        window = image[None, :, top : top + height, left : left + width]
        torch.testing.assert_close(
            crop,
            F.interpolate(window, (20, 20), mode="bilinear", align_corners=True)[0],
            rtol=1e-5,
            atol=1e-5,
        )
