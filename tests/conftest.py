import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
from support.machine import pick_device, use_tf32  # noqa: E402
from tiny_data import write_clip, write_dataset  # noqa: E402

CASES_OF_WORKERS: Counter = Counter()  # what the processes of pytest-xdist generated, see fuzzing.OUTCOMES


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    """A folder with RSSDIVCS in it, all three published splits, and flax-community/clip-rsicd. Not to be
    written to."""
    folder = tmp_path_factory.mktemp("data")
    for name, seen, unseen in (("61", 9, 3), ("52", 9, 3), ("43", 8, 4)):
        write_dataset(folder, name, seen, unseen)
    write_clip(folder / "flax-community" / "clip-rsicd")
    return folder


@pytest.fixture(scope="session")
def clip(root) -> Path:
    return root / "flax-community" / "clip-rsicd"


@pytest.fixture(scope="session")
def places(root, clip) -> dict:
    """Both, as options of main.py, for helpers.run."""
    return {"root": root, "clip": clip}


@pytest.fixture(scope="session")
def captioned(tmp_path_factory) -> Path:
    """A folder with captioned images, and the files of two teachers. Not to be written to."""
    from caption_training import SENTENCES, TRAINED_ON, write_captioned_images, write_teacher

    folder = write_captioned_images(tmp_path_factory.mktemp("captioned"))
    rng = np.random.default_rng(0)
    names = [*TRAINED_ON, "elsewhere.png"][::-1]
    write_teacher(folder / "images.npz", names, rng.normal(size=(len(names), 5)))
    write_teacher(folder / "sentences.npz", SENTENCES, rng.normal(size=(len(SENTENCES), 7)))
    return folder


@pytest.fixture(scope="session")
def trained(captioned, tmp_path_factory) -> Path:
    """The CLIP of three epochs on these, in one thread. Not to be written to."""
    from caption_training import train

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("run") / "clip"
    train(captioned, output)
    torch.set_num_threads(threads)
    return output


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """A dataset described by annotate.py, with a run of one epoch. Not to be written to."""
    from helpers import write_described_run

    return write_described_run(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="session")
def pictures(place) -> list:
    """All of its dataset, by name."""
    return sorted((place / "RSSDIVCS").glob("*/*.png"))


@pytest.fixture(scope="session")
def run_offer(place):
    """Its run, as the page of app.py offers it."""
    from inference.offered import Offer

    return Offer("a run", place / "run", is_run=True)


@pytest.fixture(scope="session")
def clip_offer(place):
    """Its CLIP alone, as the page offers it."""
    from inference.offered import Offer

    return Offer("a CLIP", place / "clip", is_run=False)


@pytest.fixture(scope="session")
def models():
    """What the page has loaded, and keeps."""
    from inference.offered import Models

    return Models("cpu")


@pytest.fixture(scope="session")
def loaded_run(place):
    """The run of `place`, from Python."""
    from inference import load_run

    return load_run(place / "run" / "last.safetensors", device="cpu")


@pytest.fixture(scope="session")
def loaded_clip(place):
    """The CLIP of `place` alone, from Python, with classes of its own."""
    from helpers import WORDS
    from inference import load_clip

    return load_clip(place / "clip", WORDS, vocabulary=place / "words.json", device="cpu")


@pytest.fixture(scope="session")
def files(place, tmp_path_factory) -> list:
    """Eight pictures in a folder, 0.png to 7.png. Not to be written to."""
    folder = tmp_path_factory.mktemp("photos")
    for number, source in enumerate(sorted((place / "RSSDIVCS").glob("*/*.png"))[:8]):
        shutil.copy(source, folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def quick():
    """No waiting for the disk, for git and for the versions of libraries, as thousands of runs would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.files.flush", lambda path: None)
        patch.setattr("support.machine.git_commit", lambda: "unknown")
        patch.setattr("support.machine.versions", dict)
        yield


@pytest.fixture
def forgotten_notes():
    """What a program says once in a process is said again."""
    from deep_pictures import forget_notes

    forget_notes()


@pytest.fixture(scope="session")
def sound_files() -> Path:
    """A folder with all that programs read, as it should be. Not to be written to."""
    from fuzzing import sound

    return sound()


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Of the tests marked gpu: a GPU, or what TEST_DEVICE names, as gpu_check.py does."""
    name = os.environ.get("TEST_DEVICE") or ("cuda" if torch.cuda.is_available() else "")
    if not name:
        pytest.skip("no GPU here; TEST_DEVICE=cpu runs it on the CPU")
    use_tf32(False)
    return pick_device(name)


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: compares a GPU with the CPU; skipped where there is none")


def pytest_collection_modifyitems(items):
    """The quickstart first, since it takes minutes: the processes of pytest-xdist are to end together."""
    items.sort(key=lambda item: item.path.name != "test_quickstart.py")


def pytest_sessionfinish(session):
    """A worker of pytest-xdist tells how many cases it generated."""
    if hasattr(session.config, "workeroutput") and "fuzzing" in sys.modules:
        session.config.workeroutput["cases"] = dict(sys.modules["fuzzing"].OUTCOMES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    CASES_OF_WORKERS.update(getattr(node, "workeroutput", {}).get("cases", {}))


def pytest_terminal_summary(terminalreporter):
    count = CASES_OF_WORKERS or (sys.modules["fuzzing"].OUTCOMES if "fuzzing" in sys.modules else {})
    if count:
        failed = count["generated"] - count["succeeded"] - count["refused"]
        terminalreporter.write_line(
            f"fuzz: {count['generated']:,} generated cases: {count['succeeded']:,} succeeded, "
            f"{count['refused']:,} refused in one line, {failed:,} failed"
        )
