"""How long the published experiments take: what is counted, and what is added up."""

import pytest

from bench.experiments import Measured, count_steps, count_tests, project, run_in_full
from bench.published_scripts import script_options
from runs.command_line import get_options


def test_experiments_are_what_their_scripts_say():
    """Windows always in five of them, never in 03; 5 of 30 epochs are warm-up, as counted from 0 to 4."""
    for name, words in script_options().items():
        opt = get_options(words)
        never = name == "03_zsl_60_10"
        assert opt.name == name and opt.gzsl == ("gzsl" in name)
        assert count_steps(opt) == {(False, not never): 5 * 300, (True, not never): 25 * 300}
        # the attention branch counts, which looks at no windows; in warm-up the tokens of the first are kept
        assert count_tests(opt) == {"plain": 26, "windows": 0, "kept": 4}
    windows = get_options([*words, "--sel_res", "main", "--pro_start_epoch", "9", "--test_every", "3"])
    assert count_tests(windows) == {"plain": 3, "windows": 7, "kept": 0}


def test_a_projection_is_the_sum_of_its_parts(root):
    opt = get_options(["--root", str(root), "--gzsl", "--n_batch", "10", "--nepoch", "7", "--sel_res", "pro"])
    measured = Measured(
        start=60.0,
        steps={(False, False): 0.1, (True, False): 0.5},
        test_images={False: 9.0, True: 2.0},
        kept_images=None,
        write=3.0,
    )
    found = project("mine", opt, measured)
    assert found.images == 9 + 3 * 5  # of each of 9 seen classes one, and all of the unseen ones
    assert found.seconds == {"start": 60.0, "steps": 5.0 + 10.0, "tests": 7 * 24 * 2.0, "writing": 21.0}
    assert found.minutes == pytest.approx((60 + 15 + 336 + 21) / 60)


def test_a_training_that_does_not_start_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"main.py ended with code 2: error: .*--nepoch"):
        run_in_full(["--nepoch", "none"], 2, tmp_path)
