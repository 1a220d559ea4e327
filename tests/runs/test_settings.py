"""What options of the published program mean: loss terms, windows and their groups."""

import math

import pytest

from runs.command_line import get_options
from runs.settings import loss_weights, window_groups, windows_after


def test_terms_are_silenced_as_in_the_published_program():
    def weights(words):
        return loss_weights(get_options(f"--cpt 1 --regular 1 {words}".split()))

    with_groups, without = weights("--use_group"), weights("")
    assert with_groups["cpt"] == with_groups["regular"] == 1
    assert without["cpt"] == without["regular"] == 0
    assert weights("--l_regular 2")["regular"] == 1  # beside l_regular
    alone = weights("--use_group --l_regular 1 --no-additional_loss")
    assert [name for name, weight in alone.items() if weight] == ["xe", "attri"]


@pytest.mark.parametrize(
    "words, last", [("", math.inf), ("--pro_start_epoch 0", math.inf), ("--pro_start_epoch -1", -1)]
)
def test_windows_are_never_used_without_a_start_or_with_0(words, last):
    assert windows_after(get_options(words.split())) == last


def test_pro_type_chooses_published_groups_by_name_and_others_by_order():
    published = {"materials": [0], "surface_properties": [1], "functions": [2]}
    assert [window_groups(published, pro_type) for pro_type in (1, 2, 3)] == [[[2]], [[0]], [[1]]]
    assert window_groups(published, 4) == [[0], [1], [2]]
    assert window_groups({"one": [0], "two": [1]}, 2) == [[1]]
