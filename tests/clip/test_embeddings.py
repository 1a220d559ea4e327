"""Kept embeddings change no number, notice what has changed, and survive what may happen to their file."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip import embedding_file
from clip.embed import Clip
from clip.embedding_file import EmbeddingFile
from clip.embeddings import Embeddings, Kept, batches_to_embed
from fuzzing import MEMORY
from helpers import FakeClip, write_whole_clip
from nearly_right import nearly_json
from support.errors import InputError

REPOSITORY = Path(__file__).parents[2]
CPU = torch.device("cpu")
COUNT = 13


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return Clip(write_whole_clip(tmp_path_factory.mktemp("clip") / "clip"), CPU)


@pytest.fixture
def paths(tmp_path):
    return write_pictures(tmp_path / "images")


def write_pictures(folder: Path, seed=0) -> list:
    rng = np.random.default_rng(seed)
    found = []
    for number in range(COUNT):
        path = folder / f"class{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(path)
        found.append(path)
    return found


def open_all(clip, root: Path) -> Embeddings:
    return Embeddings(clip, Kept(root / "cache", root / "images"))


def embed(clip, root: Path, paths, batch_size=4):
    """The vectors, and of how many pictures they were there already."""
    embeddings = open_all(clip, root)
    return embeddings.embed(paths, batch_size, workers=0), embeddings.kept.reused


def embed_without(clip, paths, batch_size=4):
    return Embeddings(clip, Kept(None, Path("/"))).embed(paths, batch_size, workers=0)


def file_of(root: Path) -> Path:
    (file,) = root.glob("cache/clip-*/embeddings.jsonl")
    return file


# ---- the same numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 5, 13, 64])
def test_with_and_without_the_cache_the_vectors_are_equal_to_the_last_bit(clip, tmp_path, paths, batch_size):
    """Also where other pictures are kept already, and in other places of a batch."""
    some = [paths[i] for i in (7, 2, 11, 0, 5, 3, 9)]
    for chosen in (some, paths, paths[::-1], paths[3:11], paths):
        vectors, _ = embed(clip, tmp_path, chosen, batch_size)
        assert torch.equal(vectors, embed_without(clip, chosen, batch_size))


def test_what_was_embedded_is_not_embedded_again(clip, tmp_path, paths, monkeypatch):
    first, reused = embed(clip, tmp_path, paths)
    assert reused == 0
    monkeypatch.setattr(Clip, "image_vectors", None)
    again, reused = embed(clip, tmp_path, paths)
    assert torch.equal(first, again) and reused == COUNT


def test_pictures_of_full_batches_serve_other_lists(clip, tmp_path, paths):
    embed(clip, tmp_path, paths)  # 12 in full batches
    _, reused = embed(clip, tmp_path, paths[::-1][1:])
    assert reused == 12


class Uneven(FakeClip):
    """A CLIP whose vectors depend on the place in a batch."""

    def loader(self, paths, batch_size, workers):
        return [(paths[i : i + batch_size], None) for i in range(0, len(paths), batch_size)]

    def embed_batches(self, batches):
        for vectors in super().embed_batches(batches):
            turned = [torch.roll(vector, place) for place, vector in enumerate(vectors)]
            yield torch.stack(turned)


def test_where_the_place_in_a_batch_matters_a_vector_serves_the_same_batch_only(tmp_path, paths):
    clip = Uneven()
    for chosen, expected in ((paths, 0), (paths[4:], 9), (paths[::-1], 0), (paths[1:], 0), (paths, 13)):
        vectors, reused = embed(clip, tmp_path, chosen)
        assert torch.equal(vectors, embed_without(clip, chosen)) and reused == expected


def test_full_batches_are_filled_up_and_the_last_one_stays_as_it_was():
    assert batches_to_embed([0, 2, 5, 9], 10, 4, is_any_place_alike=True) == [0, 2, 5, 5, 8, 9]
    assert batches_to_embed([0, 2, 5], 10, 4, is_any_place_alike=True) == [0, 2, 5, 5]
    assert batches_to_embed([5, 9], 10, 4, is_any_place_alike=False) == [4, 5, 6, 7, 8, 9]
    assert batches_to_embed([], 10, 4, is_any_place_alike=True) == []


# ---- what changes ----------------------------------------------------------------------------------


def test_a_changed_picture_is_embedded_anew_and_no_other(clip, tmp_path, paths):
    embed(clip, tmp_path, paths)
    Image.new("RGB", (50, 60), (9, 8, 7)).save(paths[4])
    touched = paths[5].stat()
    os.utime(paths[5], ns=(touched.st_atime_ns, touched.st_mtime_ns + 1))
    vectors, reused = embed(clip, tmp_path, paths)
    assert reused == COUNT - 2 and torch.equal(vectors, embed_without(clip, paths))


def test_a_dataset_may_be_moved(clip, tmp_path, paths):
    embed(clip, tmp_path, paths)
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    _, reused = embed(clip, moved, [moved / path.relative_to(tmp_path) for path in paths])
    moved.rename(tmp_path)
    assert reused == COUNT


def test_pictures_from_elsewhere_are_known_by_their_whole_path(clip, tmp_path, paths):
    elsewhere = write_pictures(tmp_path / "elsewhere", seed=1)
    for path, other in zip(paths, elsewhere):
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    embed(clip, tmp_path, paths)
    vectors, reused = embed(clip, tmp_path, elsewhere)
    assert reused == 0 and torch.equal(vectors, embed_without(clip, elsewhere))
    assert embed(clip, tmp_path, elsewhere)[1] == COUNT


@pytest.mark.parametrize(
    "part", ["weights", "config", "preprocessing", "reading", "precision", "device", "versions"]
)
def test_what_another_clip_or_machine_has_made_is_not_used(clip, tmp_path, paths, part, monkeypatch):
    embed(clip, tmp_path, paths)
    identity = clip.identity()
    monkeypatch.setattr(clip, "identity", lambda: {**identity, part: "another"})
    _, reused = embed(clip, tmp_path, paths)
    assert reused == 0 and len(list(tmp_path.glob("cache/clip-*"))) == 2


def test_a_missing_picture_is_named(clip, tmp_path, paths):
    embed(clip, tmp_path, paths)
    paths[3].unlink()
    with pytest.raises(InputError, match=f"cannot read the image {paths[3]}"):
        embed(clip, tmp_path, paths)


# ---- damage, and what comes from outside -----------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\n",
        b"{}\n",
        b"{HEAD}\n7\n",
        b"{HEAD}\n[]\n",
        b"{HEAD}\n{LINE}\n{LINE}x\n",
        b'{HEAD}\n["a.png", 1, 2, "4", 5, "AAAA"]\n',
        b'{HEAD}\n["a.png", 1, 2, "4", 5, 7]\n',
        b'{HEAD}\n[["a"], 1, 2, "4", 5, "AAAA"]\n',
        b"[" * 9999 + b"\n",
    ],
)
def test_a_damaged_file_is_made_anew(clip, tmp_path, paths, content, capsys):
    expected, _ = embed(clip, tmp_path, paths)
    head, line, *_ = file_of(tmp_path).read_bytes().split(b"\n")
    file_of(tmp_path).write_bytes(content.replace(b"{HEAD}", head).replace(b"{LINE}", line))
    vectors, reused = embed(clip, tmp_path, paths)
    assert torch.equal(vectors, expected) and reused == 0
    assert capsys.readouterr().out.count("is damaged, and is made anew") == 1
    assert embed(clip, tmp_path, paths)[1] == COUNT


@pytest.mark.parametrize("change", ["vector", "not finite", "length", "too short"])
def test_a_changed_vector_is_noticed(clip, tmp_path, paths, change):
    expected, _ = embed(clip, tmp_path, paths)
    file = EmbeddingFile(tmp_path / "cache", clip.identity())
    key, vector = next(iter(file.vectors.items()))
    numbers = np.frombuffer(vector, np.float32).copy()
    if change == "not finite":
        numbers[0] = np.nan
    if change == "length":
        numbers *= 2
    if change == "too short":
        numbers = numbers[:3]
    line = embedding_file.line_of(key, numbers.tobytes())
    if change == "vector":
        line = line.replace(b'"]', b'A"]').replace(b'="]', b'"]')
    file.path.write_bytes(file.path.read_bytes() + line)
    vectors, reused = embed(clip, tmp_path, paths)
    assert torch.equal(vectors, expected) and reused == 0


# ---- interrupted, two at once, and no room ---------------------------------------------------------


def test_what_an_interrupted_program_has_embedded_is_kept(clip, tmp_path, paths, monkeypatch):
    good = paths[9].read_bytes()
    paths[9].write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot read the image"):
        embed(clip, tmp_path, paths)
    with file_of(tmp_path).open("ab") as file:
        file.write(b'["half a li')
    paths[9].write_bytes(good)
    vectors, reused = embed(clip, tmp_path, paths)
    assert reused == 8 and torch.equal(vectors, embed_without(clip, paths))
    assert embed(clip, tmp_path, paths)[1] == COUNT


def test_processes_at_once_wait_for_each_other(clip, tmp_path, paths):
    code = (
        "import torch; from pathlib import Path; from clip.embed import Clip\n"
        "from clip.embeddings import Embeddings, Kept\n"
        f"clip, root = Clip({str(clip.folder)!r}, torch.device('cpu')), Path({str(tmp_path)!r})\n"
        "kept = Kept(root / 'cache', root / 'images')\n"
        f"Embeddings(clip, kept).embed([Path(path) for path in {list(map(str, paths))!r}], 4, 0)\n"
        "kept.print_summary()"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "model"), "OMP_NUM_THREADS": "1"}
    started = []
    for _ in range(2):
        started.append(
            subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        )
    said = sorted(process.communicate()[0].splitlines()[-1] for process in started)
    assert [line.split()[1] for line in said] == ["0", str(COUNT)]
    assert file_of(tmp_path).read_text().count("\n") == COUNT + 1


def test_where_the_folder_cannot_be_written_it_goes_on_and_says_so_once(clip, tmp_path, paths, capsys):
    (tmp_path / "cache").touch()  # a file, where root could write into a folder of any mode
    embeddings = open_all(clip, tmp_path)
    for chosen in (paths[:8], paths):
        assert torch.equal(embeddings.embed(chosen, 4, 0), embed_without(clip, chosen))
    assert embeddings.kept.reused == 8
    said = capsys.readouterr().out
    assert said.count("note: CLIP's embeddings are not kept for later") == 1 and "--cache_dir" in said


def test_a_full_disk_keeps_what_is_written(clip, tmp_path, paths, capsys, monkeypatch):
    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    append = EmbeddingFile.append
    calls = []

    def limited(self, keys, vectors):
        calls.append(keys)
        if len(calls) == 3:
            monkeypatch.setattr(Path, "open", full)
        append(self, keys, vectors)

    monkeypatch.setattr(EmbeddingFile, "append", limited)
    vectors, _ = embed(clip, tmp_path, paths)
    monkeypatch.undo()
    assert torch.equal(vectors, embed_without(clip, paths))
    assert "No space left on device" in capsys.readouterr().out
    assert embed(clip, tmp_path, paths)[1] == 8


def test_a_read_only_cache_that_has_all_is_used_in_silence(clip, tmp_path, paths, capsys, monkeypatch):
    embed(clip, tmp_path, paths)
    monkeypatch.setattr(embedding_file, "hold", None)
    embeddings = open_all(clip, tmp_path)
    embeddings.embed(paths, 4, 0)
    embeddings.kept.print_summary()
    assert capsys.readouterr().out == (
        f"cache   13 of 13 embeddings of images from earlier, in {tmp_path / 'cache'}\n"
    )


def test_the_file_says_what_made_it(clip, tmp_path, paths):
    embed(clip, tmp_path, paths)
    first = json.loads(file_of(tmp_path).read_text().splitlines()[0])
    assert first["weights"] == list(clip.weights_sha256().values()) and first["dimensions"] == 16
    assert first["preprocessing"]["size"] == 32 and first["precision"] == "torch.float32"


@settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_a_file_that_is_nearly_right_leads_to_the_right_vectors(clip, data):
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        root = Path(place)
        paths = write_pictures(root / "images")
        expected, _ = embed(clip, root, paths)
        file = file_of(root)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_bytes(data.draw(nearly_json(lines, lines=True)))
        for _ in range(2):
            vectors, _ = embed(clip, root, paths)
            assert torch.equal(vectors, expected)
