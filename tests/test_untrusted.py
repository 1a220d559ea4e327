"""Files by strangers: none runs code, leads out of its folder, fills the memory, or makes a program go to
the network."""

import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

import annotate
import finetune_clip
import held_out
import main
import predict
import prepare
import report
import visualize
import zero_shot_clip
from data.images import is_below
from fuzzing import COMMON, DATA, QUICK, run, sound

MODEL = Path(__file__).parents[1] / "model"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def place():
    return sound()


def refusal(capsys, program, *words) -> str:
    """The one line with which a program refuses what it is given."""
    with pytest.raises(SystemExit) as stop:
        run(program, *words)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1, said
    return said


def trainings(place, clip, splits="mine", images="61"):
    """What runs on a benchmark and a CLIP."""
    data = [
        "--root",
        place,
        "--clip",
        clip,
        "--image_embedding",
        images,
        "--class_embedding",
        splits,
        "--group_file",
        "mine",
        *COMMON,
    ]
    return {
        main: [*data, *QUICK],
        zero_shot_clip: [*data, "--attributes"],
        annotate: [
            *data[:8],
            "--group_file",
            "new",
            "--vocabulary",
            place / "words.json",
            "--output",
            place / "new" / "new_splits.mat",
            *COMMON,
        ],
    }


def captioned(place, output, *more):
    return [
        "--images",
        place / "RSSDIVCS",
        "--captions",
        place / "captions.jsonl",
        "--output",
        output,
        "--epochs",
        1,
        "--batch_size",
        8,
        *COMMON,
        *more,
    ]


# ---- pickles ---------------------------------------------------------------------------------------


@pytest.fixture
def evil(tmp_path):
    """What writes a file as soon as it is unpickled. Afterwards there must be none."""

    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    pickle.loads(pickle.dumps(Evil())).close()
    (tmp_path / "ran").unlink()  # so it would
    yield Evil()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("program", [main, zero_shot_clip, annotate, finetune_clip])
def test_a_pickle_as_clips_weights_runs_no_code(place, tmp_path, capsys, evil, program, kind):
    clip = Path(
        shutil.copytree(place / "clip", tmp_path / "clip", ignore=shutil.ignore_patterns("*.safetensors"))
    )
    write_pickle(clip / "pytorch_model.bin", {"vision_model.post_layernorm.bias": evil}, kind)
    words = (
        captioned(place, tmp_path / "out", "--init", clip)
        if program is finetune_clip
        else trainings(place, clip)[program]
    )
    assert f"{clip} is not a readable CLIP checkpoint" in refusal(capsys, program, *words)


def write_pickle(file: Path, content, kind: str):
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("program", [main, predict, visualize, held_out])
def test_a_pickle_as_a_saved_model_runs_no_code(place, tmp_path, capsys, evil, program, kind):
    for file in (tmp_path / "x.pt", tmp_path / "last.safetensors"):
        write_pickle(file, {"model": evil}, kind)
        more = [place / "RSSDIVCS"] if program is predict else ["--eval"] if program is main else []
        assert f"{file} is not a readable checkpoint" in refusal(
            capsys, program, "--resume", file, *more, "--device", "cpu"
        )


def test_a_pickle_in_a_run_folder_runs_no_code(place, tmp_path, capsys, evil):
    folder = Path(shutil.copytree(place / "run", tmp_path / "run"))
    for name in ("last", "best"):
        write_pickle(folder / f"{name}.safetensors", evil, "torch")
    words = [*trainings(place, place / "clip")[main], "--nepoch", 3, "--output", folder]
    assert "last.safetensors is not a readable checkpoint" in refusal(capsys, main, *words)
    run(
        report, folder, "--output", tmp_path / "page.html", "--device", "cpu"
    )  # which does without the weights, and says why
    assert "safetensors is not a readable checkpoint" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
def test_a_pickle_as_the_state_of_a_training_runs_no_code(place, tmp_path, capsys, evil, kind):
    words = captioned(place, tmp_path / "out", "--init", place / "clip")
    run(finetune_clip, *words)
    (tmp_path / "out" / "train_results.json").unlink()
    write_pickle(tmp_path / "out" / "state.pt", {"model": evil, "history": []}, kind)
    capsys.readouterr()
    assert "state.pt cannot be gone on from" in refusal(capsys, finetune_clip, *words)


@pytest.mark.parametrize("name", ["names", "vectors"])
def test_a_pickle_in_arrays_runs_no_code(place, tmp_path, capsys, evil, name):
    teacher = dict(np.load(place / "teacher.npz"))
    np.savez(tmp_path / "teacher.npz", **{**teacher, name: np.array([evil] * len(teacher["names"]), object)})
    assert "teacher.npz is not a teacher's file" in refusal(
        capsys,
        finetune_clip,
        *captioned(
            place, tmp_path / "out", "--init", place / "clip", "--image_teacher", tmp_path / "teacher.npz"
        ),
    )
    write_pickle(tmp_path / "teacher.npz", evil, "pickle")
    assert "teacher.npz is not a teacher's file" in refusal(
        capsys,
        finetune_clip,
        *captioned(
            place, tmp_path / "out", "--init", place / "clip", "--image_teacher", tmp_path / "teacher.npz"
        ),
    )


def test_a_pickle_as_masks_runs_no_code(place, tmp_path, capsys, evil):
    for image in (place / "RSSDIVCS").glob("*/*.png"):
        file = tmp_path / "masks" / image.parent.name / f"{image.stem}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, label=np.zeros((4, 4), np.uint8), bits=np.array([evil], object))
    assert "holds no masks" in refusal(
        capsys,
        visualize,
        "--resume",
        place / "run" / "last.safetensors",
        "--masks",
        tmp_path / "masks",
        "--output",
        tmp_path / "out",
        "--device",
        "cpu",
    )


# ---- paths -----------------------------------------------------------------------------------------

CLIMBING = [
    "RSSDIVCS/../secret.png",
    "RSSDIVCS/Class0/../../secret.png",
    "RSSDIVCS//etc/passwd",
    "/etc/passwd",
    "../secret.png",
    "RSSDIVCS/..",
    "RSSDIVCS/..\\secret.png",
    "RSSDIVCS/C:\\secret.png",
    "C:/secret.png",
    "RSSDIVCS/\\\\host\\share\\secret.png",
]


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("program", [main, zero_shot_clip, annotate])
def test_a_path_that_climbs_out_of_the_image_root_is_refused(place, tmp_path, capsys, program, name):
    images = scipy.io.loadmat(place / DATA / "61_images.mat")
    files = images["image_files"].astype(f"U{max(80, len(name))}")
    files[-1] = name
    scipy.io.savemat(tmp_path / "x_images.mat", {"labels": images["labels"], "image_files": files})
    said = refusal(
        capsys,
        program,
        *trainings(place, place / "clip", place / DATA / "mine_splits.mat", tmp_path / "x_images.mat")[
            program
        ],
    )
    assert "x_images.mat" in said and "should hold RSSDIVCS/ and then a path below the folder of" in said


@pytest.mark.parametrize(
    "program, more",
    [(main, ["--eval"]), (visualize, []), (held_out, [])],  # predict reads no such file
)
def test_also_by_what_reads_a_saved_model(tmp_path, place, capsys, program, more):
    root = Path(
        shutil.copytree(place, tmp_path / "root", ignore=shutil.ignore_patterns("predictions", "tmp*"))
    )
    images = scipy.io.loadmat(root / DATA / "61_images.mat")
    words = [*trainings(root, root / "clip")[main], "--output", tmp_path / "run"]
    run(main, *words)
    images["image_files"][-1] = "RSSDIVCS/../secret.png"
    scipy.io.savemat(root / DATA / "61_images.mat", {key: images[key] for key in ("labels", "image_files")})
    capsys.readouterr()
    assert "a path below the folder of the images" in refusal(
        capsys, program, "--resume", tmp_path / "run" / "last.safetensors", *more, "--device", "cpu"
    )


@pytest.mark.parametrize("name", [*(name.partition("RSSDIVCS/")[2] or name for name in CLIMBING)])
def test_a_caption_of_an_image_elsewhere_is_refused(place, tmp_path, capsys, name):
    (tmp_path / "x.jsonl").write_text(json.dumps({"image": name, "captions": ["a port"]}) + "\n")
    said = refusal(
        capsys,
        finetune_clip,
        "--images",
        place / "RSSDIVCS",
        "--captions",
        tmp_path / "x.jsonl",
        "--output",
        tmp_path / "out",
        "--init",
        place / "clip",
    )
    assert "x.jsonl, line 1" in said and "lies outside of" in said


def test_links_in_the_image_root_are_its_owners_and_followed(place, tmp_path):
    (tmp_path / "RSSDIVCS").symlink_to(place / "RSSDIVCS")
    run(
        main,
        *trainings(place, place / "clip")[main],
        "--image_root",
        tmp_path / "RSSDIVCS",
        "--output",
        tmp_path / "run",
    )
    assert is_below("Port/1.png") and is_below("1.png") and not is_below("") and not is_below(".")


# ---- bombs -----------------------------------------------------------------------------------------


def growth(*calls: str) -> int:
    """MiB by which the memory of a process grows that makes these calls, each of which ends with an
    InputError of one line."""
    program = f"""
import resource, sys
sys.path.insert(0, {str(MODEL)!r})
from support.errors import InputError
from data import images, matlab as dataset
from inference import scenes
from clip import teachers
import visualize
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // {1 if sys.platform != "darwin" else 1024}
before = peak()
for call in {calls}:
    try:
        eval(call)
    except InputError as error:
        assert chr(10) not in str(error)
    else:
        raise AssertionError(call)
print((peak() - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return int(done.stdout)


def png(side: int) -> bytes:
    """A black picture, without ever having it in memory."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        )

    packer, row = zlib.compressobj(9), bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(side: int) -> bytes:
    """The header of one, which claims it."""
    tags = [
        (256, side),
        (257, side),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, side),
        (279, 2**32 - 1),
    ]
    entries = b"".join(
        tag.to_bytes(2, "little")
        + (4).to_bytes(2, "little")
        + (1).to_bytes(4, "little")
        + value.to_bytes(4, "little")
        for tag, value in tags
    )
    return b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4)


def test_pictures_that_are_small_on_disk_alone_are_refused(tmp_path):
    calls = []
    for make in (png, tiff):
        for side in (
            47000,
            60000,
        ):  # where large images are welcome, Pillow would only warn of the smaller one
            file = tmp_path / f"{side}.{make.__name__}"
            file.write_bytes(make(side))
            assert file.stat().st_size < MEBIBYTE
            calls += [f"{reader}({str(file)!r})" for reader in ("images.read_image", "scenes.Picture")]
    assert growth(*calls) < 100


def test_predicting_says_one_line_of_it(place, tmp_path, capsys):
    shutil.copytree(place / "RSSDIVCS" / "Class0", tmp_path / "photos")
    (tmp_path / "photos" / "x.png").write_bytes(png(47000))
    run(
        predict,
        "--resume",
        place / "run" / "last.safetensors",
        tmp_path / "photos",
        "--tile",
        32,
        "--output",
        tmp_path / "out",
        *COMMON,
    )
    said = capsys.readouterr()
    assert said.err == "" and said.out.count("cannot read the image") == 1


def test_variables_that_are_small_on_disk_alone_are_refused(tmp_path):
    size = 2**32 - 4096
    packer = zlib.compressobj(9)
    header = io.BytesIO()
    scipy.io.savemat(header, {"labels": np.zeros((8, 1))})
    plain = bytearray(header.getvalue()[128:][:-72])  # flags, dimensions and name
    plain[4:8] = (len(plain) + size).to_bytes(4, "little")
    plain += (9).to_bytes(4, "little") + size.to_bytes(4, "little")
    packed = (
        packer.compress(bytes(plain))
        + b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(700))
        + packer.flush()
    )
    file = tmp_path / "x.mat"
    file.write_bytes(
        header.getvalue()[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    )
    assert file.stat().st_size < MEBIBYTE and growth(f"dataset.read_mat({str(file)!r}, ['labels'])") < 1100


def test_archives_that_are_small_on_disk_alone_are_refused(tmp_path):
    file = tmp_path / "x.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("names", "vectors"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array_header_1_0(
                    part, {"descr": "<f4", "fortran_order": False, "shape": (600 * MEBIBYTE // 4, 1)}
                )
                for _ in range(600):
                    part.write(bytes(MEBIBYTE))
    assert file.stat().st_size < 2 * MEBIBYTE and growth(f"teachers.read_teacher({str(file)!r})") < 100


# ---- the network -----------------------------------------------------------------------------------


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
    place, tmp_path, capsys, monkeypatch, no_network, program
):
    monkeypatch.chdir(tmp_path)
    words = (
        captioned(place, tmp_path / "out", "--init", HUB)
        if program is finetune_clip
        else trainings(place, HUB)[program]
    )
    assert f"no CLIP checkpoint: {tmp_path / HUB}/config.json does not exist" in refusal(
        capsys, program, *words
    )


def test_every_program_does_without_a_network(place, tmp_path, no_network):
    described = trainings(place, place / "clip")
    run(main, *described[main], "--output", tmp_path / "run")
    run(zero_shot_clip, *described[zero_shot_clip], "--output", tmp_path / "baseline")
    run(annotate, *described[annotate][:-6], "--output", tmp_path / "new_splits.mat", *COMMON)
    run(finetune_clip, *captioned(place, tmp_path / "clip", "--init", place / "clip"))
    shutil.copytree(place / "RSSDIVCS", tmp_path / "photos", ignore=shutil.ignore_patterns("files", "cache"))
    run(prepare, tmp_path / "photos", "--output", tmp_path / "data", "--unseen", 2, "--workers", 1)
    saved = ["--resume", tmp_path / "run" / "last.safetensors"]
    run(predict, *saved, place / "RSSDIVCS", "--output", tmp_path / "predictions", *COMMON)
    run(visualize, *saved, "--per_class", 1, "--draw", 1, "--output", tmp_path / "panels", "--device", "cpu")
    run(held_out, *saved, "--pictures", 1, *COMMON)
    run(report, tmp_path / "run", "--output", tmp_path / "page.html", "--device", "cpu")
