"""What a run says of itself."""

from runs.command_line import get_options
from runs.console import changed_options


def test_an_option_that_plays_no_part_is_not_shown():
    words = ["--image_embedding", "61", "--nepoch", "6", "--pro_start_epoch"]
    never, late = (changed_options(vars(get_options([*words, epoch]))) for epoch in ("40", "4"))
    assert "nepoch=6" in never and not any(word.startswith("pro_start_epoch=") for word in never)
    assert "pro_start_epoch=4" in late
