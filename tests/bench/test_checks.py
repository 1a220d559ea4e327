"""A check that fails, and what the checks of trainings notice."""

import torch

from bench import runs_of_main
from bench.checks import check


def test_an_error_is_the_failure_of_one_check():
    def fail():
        raise RuntimeError("CUDA error: out of memory\nmore of it")

    found = check("a", "b", fail)
    assert (found.found, found.ok) == ("RuntimeError: CUDA error: out of memory", False)
    assert "in fail" in found.trace


class Stub:
    """Trainings that have ended, with these weights and losses."""

    def __init__(self, **runs):
        self.runs = runs
        self.trained = []

    def train(self, *names, **how):
        self.trained += names

    def weights(self, name):
        return {"w": torch.tensor(self.runs[name])}

    def log(self, name):
        return [{"losses": {"xe": value}, "windows": value == 7.0} for value in self.runs[name]]


def test_trainings_that_differ_in_a_bit_are_noticed():
    same = Stub(**{"fp32-1": [1.0, 2.0], "fp32-2": [1.0, 2.0]})
    other = Stub(**{"fp32-1": [1.0, 2.0], "fp32-2": [1.0, 2.0000002]})
    assert runs_of_main.equal(same, "fp32") == ("equal bits", True)
    assert runs_of_main.equal(other, "fp32") == ("1 weights differ, log different", False)


def test_other_losses_of_two_processes_are_noticed():
    losses = {"fp32-1": [1.0, 2.0, 7.0]}
    assert runs_of_main.divided(Stub(**losses, divided=[1.0, 2.000001, 9.0]))[1]  # 7: with windows
    assert not runs_of_main.divided(Stub(**losses, divided=[1.0, 2.0001, 7.0]))[1]
