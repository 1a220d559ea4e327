"""Two processes, started by torchrun, do what one does: the same losses, exactly the same evaluation.

One of them writes and prints.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from safetensors.torch import load_file

from helpers import QUICK, log, run, write_whole_clip
from support import processes
from support.errors import InputError
from tiny_data import write_dataset

REPOSITORY = Path(__file__).parents[2]
WORDS = f"{QUICK} --nepoch 2 --sel_res main --cpt 1e-3 --use_group --regular 1e-3 --batch_size 7"


def torchrun(words: str, count=2, program="main", **places) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        str(count),
        REPOSITORY / "model" / f"{program}.py",
        *shlex.split(words),
    ]
    return subprocess.Popen(
        [*map(str, command), *(str(word) for name, value in places.items() for word in (f"--{name}", value))],
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def alone(program: str, words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, REPOSITORY / "model" / f"{program}.py", *shlex.split(words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def own(said: str) -> list:
    """What our program says is wrong. torchrun adds a report of its own, with its own traceback."""
    assert f'{REPOSITORY / "model"}{os.sep}main.py", line' not in said, said
    return [line for line in said.splitlines() if line.startswith(("error: ", "interrupted: "))]


@pytest.mark.parametrize(
    "words", ["--n_batch 3 --ways 5 --shots 1", "--train_mode random --gzsl --protocol clean --batch_size 8"]
)
def test_two_processes_have_the_losses_and_scores_of_one(places, tmp_path, words):
    """In parts of 3 and 2 images, and of 4 and 4 or fewer."""
    run(f"{WORDS} {words}", output=tmp_path / "one", **places)
    process = torchrun(f"{WORDS} {words}", output=tmp_path / "two", **places)
    printed, error = process.communicate()
    assert process.returncode == 0, error
    assert (
        printed.count("epoch  1  full") == (2 if "clean" in words else 1) and printed.count("results in") == 1
    )
    for one, two in zip(log(tmp_path / "one"), log(tmp_path / "two")):
        assert (
            two["losses"] == pytest.approx(one["losses"], rel=1e-5, abs=1e-7)
            and two["scores"] == one["scores"]
        )
    assert {file.name for file in (tmp_path / "two").iterdir()} == {
        file.name for file in (tmp_path / "one").iterdir()
    }
    assert json.loads((tmp_path / "two" / "results.json").read_text())["device"].startswith("2 x ")


def test_two_processes_keep_tokens_each_of_its_own_batches(places, tmp_path):
    words = f"{WORDS} --nepoch 3 --pretrain_epoch 2 --cache memory"
    run(words, output=tmp_path / "one", **places)
    process = torchrun(words, output=tmp_path / "two", **places)
    _, error = process.communicate()
    assert process.returncode == 0, error
    for one, two in zip(log(tmp_path / "one"), log(tmp_path / "two")):
        assert two["losses"] == pytest.approx(one["losses"], rel=1e-5, abs=1e-7)
        assert two["scores"] == one["scores"]


def test_the_evaluation_is_exactly_that_of_one_process(places, tmp_path, capsys):
    run(f"{WORDS} --gzsl --nepoch 1", output=tmp_path / "run", **places)
    capsys.readouterr()
    words = f"--eval --device cpu --workers 0 --resume {tmp_path / 'run' / 'last.safetensors'}"
    run(words)
    assert torchrun(words, 3).communicate()[0] == capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        ("--nepoch none", "argument --nepoch: expected a whole number"),
        ("--root /nowhere", "no such file: /nowhere"),
        ("--ways 1 --shots 1", "a batch of 1 images cannot be divided among 2 processes"),
    ],
)
def test_what_all_find_wrong_is_said_once(places, tmp_path, words, message):
    process = torchrun(f"{WORDS} {words}", output=tmp_path / "run", **({} if "root" in words else places))
    (line,) = own(process.communicate()[1])
    assert process.returncode != 0 and message in line


def test_what_one_finds_wrong_ends_all_with_one_line(clip, tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "Class1" / "image_7.png").write_bytes(
        b"no image"
    )  # in the second test batch: the second process reads it
    started = time.monotonic()
    process = torchrun(WORDS, output=tmp_path / "run", root=tmp_path, clip=clip)
    (line,) = own(process.communicate()[1])
    assert (
        process.returncode != 0
        and line.startswith("error: cannot read the image ")
        and time.monotonic() - started < 100
    )


def test_stopped_they_say_so_once_and_go_on(places, tmp_path):
    words = f"{WORDS} --nepoch 12"
    run(words, output=tmp_path / "one", **places)
    process, log_file = torchrun(words, output=tmp_path / "two", **places), tmp_path / "two" / "log.jsonl"
    while process.poll() is None and not (log_file.is_file() and log_file.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode != 0 and len(own(said)) == 1, said
    process = torchrun(words, output=tmp_path / "two", **places)
    process.communicate()
    assert process.returncode == 0 and [line["scores"] for line in log(tmp_path / "two")] == [
        line["scores"] for line in log(tmp_path / "one")
    ]


@pytest.fixture
def second_of_two(monkeypatch):
    """Two processes where there is one GPU. A list of the backends that are asked for."""
    words = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    backends = []
    monkeypatch.delenv(processes.SHARE_GPU, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(processes.dist, "init_process_group", backends.append)
    monkeypatch.setattr(processes.atexit, "register", lambda function: None)
    return backends


def test_more_processes_than_gpus_are_refused_unless_they_shall_share_one(second_of_two, monkeypatch):
    with pytest.raises(InputError, match="torchrun starts 2 processes here, and there are 1 GPUs"):
        processes.init_processes(torch.device("cuda"))
    monkeypatch.setenv(processes.SHARE_GPU, "1")
    assert processes.init_processes(torch.device("cuda")) == torch.device("cuda", 0)
    assert second_of_two == ["gloo"]  # NCCL refuses two processes on one GPU


def test_each_of_two_gpus_has_a_process_and_nccl(second_of_two, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert processes.init_processes(torch.device("cuda")) == torch.device("cuda", 1)
    assert second_of_two == ["cpu:gloo,cuda:nccl"]


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    """Images with captions, and teachers of either tower: the options that say where."""
    folder = tmp_path_factory.mktemp("captioned")
    write_dataset(folder)
    images = sorted((folder / "RSSDIVCS").glob("Class*/*.png"))[:22]
    names = [str(image.relative_to(folder)) for image in images]
    lines = [
        {"image": name, "captions": [f"a picture of {number}", f"number {number % 5} again"]}
        for number, name in enumerate(names)
    ]
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rng = np.random.default_rng(0)
    sentences = [caption for line in lines for caption in line["captions"]]
    for name, of in (("images", names), ("sentences", sorted(set(sentences)))):
        np.savez(
            folder / f"{name}.npz",
            names=np.array(of),
            vectors=rng.standard_normal((len(of), 6), np.float32),
        )
    return (
        f"--images {folder} --captions {folder / 'captions.jsonl'} "
        f"--test_captions {folder / 'captions.jsonl'} "
        f"--image_teacher {folder / 'images.npz'} --text_teacher {folder / 'sentences.npz'}"
    )


FINETUNE = (
    "--image_size 16 --patch_size 8 --width 16 --layers 1 --heads 2 "
    "--text_width 16 --text_layers 1 --text_heads 2 --projection 8 --vocab_size 600 "
    "--context 16 --batch_size 8 --captions_per_image 2 --device cpu --workers 0 --precision fp32"
)


@pytest.mark.parametrize("words", ["--patch_drop 0.5 --whole_epochs 1", "--cache_gb 0"])
def test_a_clip_learns_the_same_from_two_processes(captioned, tmp_path, words):
    """Batches of 8, 7 and 7 images, in two parts each."""
    words = f"{FINETUNE} {words} {captioned} --epochs 2"
    one = alone("finetune_clip", f"{words} --output {tmp_path / 'one'}")
    assert one.returncode == 0, one.stderr
    process = torchrun(f"{words} --output {tmp_path / 'two'}", program="finetune_clip")
    printed, error = process.communicate()
    assert process.returncode == 0 and printed.count("epoch   2/2") == 1, error
    for one, two in zip(log(tmp_path / "one"), log(tmp_path / "two")):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5) and two["temperature"] == pytest.approx(
            one["temperature"], rel=1e-5
        )
    one, two = (load_file(tmp_path / folder / "model.safetensors") for folder in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-4)
    assert {file.name for file in (tmp_path / "two").iterdir()} == {
        file.name for file in (tmp_path / "one").iterdir()
    }


def test_predictions_are_exactly_those_of_one_process_and_go_on(places, tmp_path):
    """24 images in batches of 5, one of them unreadable, then a map of tiles."""
    run(f"{WORDS} --nepoch 1 --gzsl", output=tmp_path / "run", **places)
    pictures = tmp_path / "pictures"
    shutil.copytree(Path(places["root"]) / "RSSDIVCS", pictures)
    (pictures / "Class1" / "image_7.png").write_bytes(b"no image")
    scene = tmp_path / "scene.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (150, 170, 3), np.uint8)).save(scene)
    saved = tmp_path / "run" / "last.safetensors"
    words = f"--resume {saved} --classes all --batch_size 5 --device cpu --workers 0"
    for what in (f"{pictures}", f"{scene} --tile 64 --stride 32"):
        one = alone("predict", f"{words} {what} --output {tmp_path / 'one'}")
        assert one.returncode == 0, one.stderr
        process = torchrun(f"{words} {what} --output {tmp_path / 'two'}", program="predict")
        printed, error = process.communicate()
        assert process.returncode == 0 and printed == one.stdout.replace("/one/", "/two/"), error
        lines = tmp_path / "two" / "predictions.jsonl"
        if lines.is_file():
            whole = lines.read_text()
            lines.write_text("".join(whole.splitlines(keepends=True)[:12]))
            assert (
                torchrun(f"{words} {what} --output {tmp_path / 'two'}", program="predict").wait() == 0
                and lines.read_text() == whole
            )
        for file in (tmp_path / "one").iterdir():
            assert (
                file.name == "options.json"
                or file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
            )
        shutil.rmtree(tmp_path / "one"), shutil.rmtree(tmp_path / "two")


def test_annotation_and_baselines_are_exactly_those_of_one_process(root, tmp_path):
    write_whole_clip(tmp_path / "clip")
    where = f"--root {root} --clip {tmp_path / 'clip'} --device cpu --workers 0 --batch_size 7"
    where += f" --cache_dir {tmp_path / '{}' / 'kept'}"  # each number of processes has its own
    for name, words in (
        ("annotate", f"--from images --group_file mine --output {tmp_path / '{}' / 'mine_splits.mat'}"),
        ("zero_shot_clip", f"--gzsl --output {tmp_path / '{}'}"),
    ):
        one = alone(name, f"{where} {words}".replace("{}", "one"))
        two = torchrun(f"{where} {words}".replace("{}", "two"), program=name).communicate()[0]
        assert one.returncode == 0 and two == one.stdout.replace("/one", "/two"), one.stderr
        (kept,) = tmp_path.glob("one/kept/*/embeddings.jsonl")
        assert kept.read_bytes() == Path(str(kept).replace("/one/", "/two/")).read_bytes()
    one, two = (scipy.io.loadmat(tmp_path / folder / "mine_splits.mat") for folder in ("one", "two"))
    assert (one["att"] == two["att"]).all() and (one["similarity_images"] == two["similarity_images"]).all()
    one, two = (json.loads((tmp_path / folder / "results.json").read_text()) for folder in ("one", "two"))
    assert one["scores"] == two["scores"]
