import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
from clip.silence import silent_transformers  # noqa: E402
from data.matlab import cell_array  # noqa: E402
from support.machine import pick_device, use_tf32  # noqa: E402

ATTRIBUTES = 6
CASES_OF_WORKERS: Counter = Counter()  # what the processes of pytest-xdist generated, see fuzzing.OUTCOMES
GROUPS = {"functions": [0, 1], "materials": [2, 3], "surface_properties": [4, 5]}
SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def write_dataset(root: Path, name="61", seen=9, unseen=3, per_class=5, divisions=2, **changes) -> Path:
    """A few noisy images of as many colours as classes, in the published format: root/RSSDIVCS/...

    Division k calls the classes k, k+1, ... unseen. `changes` replace variables of either .mat file, or drop
    them if None.
    """
    folder, classes = root / "RSSDIVCS", seen + unseen
    (folder / "files").mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), per_class)
    files = [f"Class{label}/image_{n}.png" for n, label in enumerate(labels)]
    colours = chance.integers(60, 200, size=(classes, 3))
    for file, label in zip(files, labels):
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        pixels = colours[label] + chance.integers(-50, 50, size=(40, 48, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    images = {
        "labels": labels[:, None] + 1,
        "image_files": np.array([f"/somewhere/else/RSSDIVCS/{file}" for file in files]),
    }
    splits = {
        "att": chance.standard_normal((ATTRIBUTES, classes)),
        "allclasses_names": cell_array(f"Class{c}" for c in range(classes)),
    }
    for k in range(divisions):
        is_unseen = np.isin(labels, np.arange(k, k + unseen))
        is_test = np.arange(len(labels)) % per_class == 0
        for key, chosen in {
            "train_zsl_loc": ~is_unseen,
            "train_gzsl_loc": ~is_unseen & ~is_test,
            "test_seen_loc": ~is_unseen & is_test,
            "test_unseen_loc": is_unseen,
        }.items():
            splits[f"{key}_{k}"] = np.flatnonzero(chosen)[:, None] + 1
    for file, variables in ((f"{name}_images.mat", images), (f"ann_attr_finetune_{name}_splits.mat", splits)):
        variables.update({key: value for key, value in changes.items() if key in variables})
        scipy.io.savemat(
            folder / "files" / file, {key: value for key, value in variables.items() if value is not None}
        )
    (folder / "files" / "attri_group_3.json").write_text(json.dumps(GROUPS))
    return root


def write_clip(folder: Path, **saving) -> Path:
    """A whole CLIP checkpoint, as one downloads it, with a tower of 32-pixel images in 4 x 4 patches."""
    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        text_config={**SMALL, "vocab_size": 50, "max_position_embeddings": 8},
        projection_dim=16,
    )
    with silent_transformers():  # a test may ask what its program prints
        CLIPModel(config).save_pretrained(folder, **saving)
    return folder


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
def captioned(tmp_path_factory) -> Path:
    """A folder with captioned images, and the files of two teachers. Not to be written to."""
    from helpers import SENTENCES, TRAINED_ON, write_captioned_images, write_teacher

    folder = write_captioned_images(tmp_path_factory.mktemp("captioned"))
    rng = np.random.default_rng(0)
    names = [*TRAINED_ON, "elsewhere.png"][::-1]
    write_teacher(folder / "images.npz", names, rng.normal(size=(len(names), 5)))
    write_teacher(folder / "sentences.npz", SENTENCES, rng.normal(size=(len(SENTENCES), 7)))
    return folder


@pytest.fixture(scope="session")
def trained(captioned, tmp_path_factory) -> Path:
    """The CLIP of three epochs on these, in one thread. Not to be written to."""
    from helpers import train

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


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: compares a GPU with the CPU; skipped where there is none")


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Of the tests marked gpu: a GPU, or what TEST_DEVICE names, as gpu_check.py does."""
    name = os.environ.get("TEST_DEVICE") or ("cuda" if torch.cuda.is_available() else "")
    if not name:
        pytest.skip("no GPU here; TEST_DEVICE=cpu runs it on the CPU")
    use_tf32(False)
    return pick_device(name)


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
