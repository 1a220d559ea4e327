"""No program goes to the network."""

import shutil
import socket

import pytest

import annotate
import finetune_clip
import held_out
import main
import predict
import prepare
import report
import visualize
import zero_shot_clip
from commands import captioned, trainings
from fuzzing import COMMON
from helpers import refusal, start


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **more):
        raise AssertionError("a program goes to the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


HUB = "openai/clip-vit-base-patch32"


@pytest.mark.parametrize("program", [main, zero_shot_clip, annotate, finetune_clip])
def test_the_name_of_a_hub_is_no_folder_and_nothing_is_downloaded(
    sound_files, tmp_path, capsys, monkeypatch, no_network, program
):
    monkeypatch.chdir(tmp_path)
    words = captioned(sound_files, tmp_path / "out", "--init", HUB)
    if program is not finetune_clip:
        words = trainings(sound_files, HUB)[program]
    said = refusal(capsys, start, program, *words)
    assert f"no CLIP checkpoint: {tmp_path / HUB}/config.json does not exist" in said


def test_every_program_does_without_a_network(sound_files, tmp_path, no_network):
    described = trainings(sound_files, sound_files / "clip")
    start(main, *described[main], "--output", tmp_path / "run")
    start(zero_shot_clip, *described[zero_shot_clip], "--output", tmp_path / "baseline")
    start(annotate, *described[annotate][:-2], "--output", tmp_path / "new_splits.mat")
    start(finetune_clip, *captioned(sound_files, tmp_path / "clip", "--init", sound_files / "clip"))
    ignored = shutil.ignore_patterns("files", "cache")
    shutil.copytree(sound_files / "RSSDIVCS", tmp_path / "photos", ignore=ignored)
    start(prepare, tmp_path / "photos", "--output", tmp_path / "data", "--unseen", 2, "--workers", 1)
    saved = ["--resume", tmp_path / "run" / "last.safetensors"]
    start(predict, *saved, sound_files / "RSSDIVCS", "--output", tmp_path / "predictions", *COMMON)
    few = ["--per_class", 1, "--draw", 1, "--device", "cpu"]
    start(visualize, *saved, *few, "--output", tmp_path / "panels")
    start(held_out, *saved, "--pictures", 1, *COMMON)
    start(report, tmp_path / "run", "--output", tmp_path / "page.html", "--device", "cpu")
