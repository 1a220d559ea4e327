"""Kills trainings, goes on with the same command, and compares what comes out with an uninterrupted training:
weights, tables, log, results.

    python tests/kill_runs.py                          at every file operation, and 40 times at random moments
    python tests/kill_runs.py --every 25 --random 2    at every 25th operation: quick

All of it takes some 25 minutes on one core.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
import main as program  # noqa: E402
from runs import checkpoint  # noqa: E402
from tiny_data import write_clip, write_dataset  # noqa: E402

PROGRAM = Path(__file__).parents[1] / "model" / "main.py"
QUICK = (
    "--n_batch 2 --ways 3 --shots 2 --pretrain_epoch 0 --pretrain_lr 1e-2 --classifier_lr 1e-3 --device cpu"
)
SETTINGS = {
    "paper": "--nepoch 4 --sel_res main --manualSeed 2",  # the best epoch is neither the first nor the last
    # the best is the first, the clean one the second
    "clean": "--nepoch 3 --gzsl --protocol clean --manualSeed 3",
    # two epochs are not tested, and tokens are kept
    "some": "--nepoch 4 --gzsl --pretrain_epoch 1 --test_every 2 --cache memory --manualSeed 2",
    "several": "--nepoch 2 --random_id 0,1 --seeds 2",
}
OPERATIONS = ("mkdir", "open", "fsync", "replace", "unlink")  # of os; killed before and after
WRITERS = (
    (checkpoint, "save_file", 1),
    (shutil, "copyfile", 1),
    (Path, "write_text", 0),
)  # and which argument is the file; killed when half is written


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="kill at every so manieth file operation only")
    parser.add_argument("--random", type=int, default=40, help="kills at random moments, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    opt = parser.parse_args()
    torch.set_num_threads(1)  # no threads that a forked process would miss
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        commands = {setting: command(place, words) for setting, words in SETTINGS.items()}
        wholes = {setting: place / f"whole-{setting}" for setting in SETTINGS}
        counts, seconds = zip(*(whole_run(words, wholes[setting]) for setting, words in commands.items()))
        kills = sum(
            at_operations(words, wholes[setting], count, opt.every)
            for (setting, words), count in zip(commands.items(), counts)
        )
        kills += at_random(commands, wholes, seconds, opt.random, random.Random(opt.seed))
    print(f"{kills} kills; every training went on and ended as if nothing had happened")


def command(place: Path, words: str) -> list:
    """main.py's arguments but for the folder. The tower drops attention at random: going on must draw the
    same."""
    if not (place / "clip").is_dir():
        write_dataset(place)
        config = write_clip(place / "clip") / "config.json"
        described = json.loads(config.read_text())
        described["vision_config"]["attention_dropout"] = 0.2
        config.write_text(json.dumps(described))
    return [*shlex.split(f"{QUICK} {words}"), "--root", str(place), "--clip", str(place / "clip")]


# ---- at every file operation -----------------------------------------------------------------------


def whole_run(words: list, folder: Path) -> tuple:
    """An uninterrupted training. Returns how many moments there are to kill it at, and its seconds."""
    counted, started = folder.with_suffix(".count"), time.perf_counter()
    assert train([*words, "--workers", "0"], folder, kill_at=-1, counted=counted) == 0, (
        f"{folder} did not finish"
    )
    return int(counted.read_text()), time.perf_counter() - started


def at_operations(words: list, whole: Path, moments: int, every: int) -> int:
    kills = 0
    for moment in range(1 + (moments - 1) % every, moments + 1, every):
        folder = whole.with_name("killed")
        assert train([*words, "--workers", "0"], folder, moment) == -signal.SIGKILL, (
            f"moment {moment} never came"
        )
        assert train([*words, "--workers", "0"], folder) == 0, (
            f"killed at moment {moment}, it does not go on: {folder.with_suffix('.txt').read_text()}"
        )
        compare(folder, whole, f"killed at moment {moment}")
        shutil.rmtree(folder)
        kills += 1
    print(
        f"{whole.name[6:]:8} {kills} kills at {moments} moments: before, after and amid file operations",
        flush=True,
    )
    return kills


def train(words: list, folder: Path, kill_at: int = 0, counted: Path = None) -> int:
    """main.py in a process of its own, forked from this one so that it need not import anything. Returns
    its exit code, negative if killed."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            with (
                open(os.devnull if kill_at else folder.with_suffix(".txt"), "w", encoding="utf-8") as said,
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
            ):
                moments = kill_myself(kill_at) if kill_at else None
                program.main([*words, "--output", str(folder)])
            if counted:
                counted.write_text(str(next(moments)), encoding="utf-8")
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_myself(kill_at: int) -> itertools.count:
    """From now on, count the moments before, after and amid file operations, and end at one of them as
    SIGKILL ends."""
    moments = itertools.count()

    def moment():
        if next(moments) + 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(operation):
        def counted(*arguments, **more):
            moment()
            done = operation(*arguments, **more)
            moment()
            return done

        return counted

    def halfway(writer, place):
        def halved(*arguments, **more):
            done = writer(*arguments, **more)
            with open(arguments[place], "r+b") as file:
                content = file.read()
                file.truncate(len(content) // 2)
                file.flush()
                moment()
                file.seek(0)
                file.write(content)
            return done

        return halved

    for owner, name, place in WRITERS:
        setattr(owner, name, halfway(getattr(owner, name), place))
    for name in OPERATIONS:
        setattr(os, name, around(getattr(os, name)))
    return moments


# ---- at random moments -----------------------------------------------------------------------------


def at_random(commands: dict, wholes: dict, seconds: list, least: int, chance: random.Random) -> int:
    """Processes of main.py as a user starts them, with workers; one setting after another until there were
    enough kills.

    seconds: that a forked training took, which is less than one with workers takes
    """
    kills, finished = 0, 0
    for setting, patience in itertools.cycle(zip(commands, seconds)):
        if kills >= least:
            break
        folder = wholes[setting].with_name("killed")
        while trained(commands[setting], folder, chance.uniform(0, patience)) != 0:
            patience *= 1.3  # ends even where an epoch takes longer than all these seconds
            kills += 1
        compare(folder, wholes[setting], f"killed at random, {kills} kills so far")
        shutil.rmtree(folder)
        finished += 1
    print(f"random   {kills} kills in {finished} trainings", flush=True)
    return kills


def trained(words: list, folder: Path, patience: float) -> int:
    """Start main.py, wait until it has read its data and so many seconds more, and kill it unless it has
    ended. Returns its exit code."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *words, "--workers", "2", "--output", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    next((line for line in process.stdout if line.startswith("run ")), None)
    said = ""
    try:
        said = process.communicate(timeout=patience)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        # the workers outlive it by seconds and hold the pipes open: nothing of it is waited for
        process.stdout.close()
        process.stderr.close()
    code = process.wait()
    assert code in (0, -signal.SIGKILL), said
    return code


# ---- the comparison --------------------------------------------------------------------------------


def compare(folder: Path, whole: Path, what: str):
    """The same files with the same content, but for times and the circumstances of a process."""
    names = [sorted(str(file.relative_to(place)) for file in place.rglob("*")) for place in (folder, whole)]
    assert names[0] == names[1], f"{what}: there is {set(names[0]) ^ set(names[1])}"
    for name in names[0]:
        if (whole / name).is_file():
            assert content(folder / name) == content(whole / name), f"{what}: {name} differs"


def content(file: Path):
    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            return sorted(opened.metadata().items()), {
                name: value.numpy().tobytes() for name, value in load_file(file).items()
            }
    if file.name == "log.jsonl":
        return [timeless(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    return (
        timeless(json.loads(file.read_text(encoding="utf-8")))
        if file.suffix == ".json"
        else file.read_bytes()
    )


def timeless(value):
    """Without what no two processes share."""
    if isinstance(value, dict):
        return {
            key: timeless(part)
            for key, part in value.items()
            if key not in ("seconds", "peak_memory", "command", "git")
        }
    return value


if __name__ == "__main__":
    main()
