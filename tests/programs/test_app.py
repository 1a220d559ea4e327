"""app.py without a browser: what it needs and refuses, what its inputs mean. Most of it without gradio."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

import app
from helpers import refusal, start
from inference import NewClass
from inference.offered import Models, Offer
from support import local_page
from support.cli import REPOSITORY
from support.errors import InputError
from support.packages import install

needs_gradio = pytest.mark.skipif(not find_spec("gradio"), reason="needs gradio: pip install gradio")


@pytest.fixture
def fake_gradio():
    """What the wiring asks of gradio: a change, or none."""
    return SimpleNamespace(
        update=lambda **changes: changes, Gallery=lambda **changes: changes, skip=lambda: "as it was"
    )


# ---- what it refuses -------------------------------------------------------------------------------


def test_without_gradio_it_ends_with_a_line(capsys, monkeypatch):
    monkeypatch.setattr(local_page, "find_spec", lambda name: None)
    monkeypatch.setattr(local_page, "OLDEST_PYTHON", (3, 0))
    assert refusal(capsys, start, app).endswith(f"needs gradio, which is not installed: {install('gradio')}")


def test_a_port_that_is_taken(capsys, monkeypatch, fake_gradio):
    monkeypatch.setattr(app, "import_gradio", lambda: fake_gradio)
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "cannot be used" in refusal(capsys, start, app, "--port", other.getsockname()[1])


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_what_is_no_port(capsys, port):
    assert "argument --port" in refusal(capsys, start, app, "--port", port)


@pytest.fixture
def house(monkeypatch, tmp_path) -> Path:
    """A repository without a CLIP."""
    monkeypatch.setattr(app, "REPOSITORY", tmp_path)
    return tmp_path


def options(*words):
    return app.get_parser().parse_args([str(word) for word in words])


def test_neither_a_run_nor_a_clip(house, capsys):
    with pytest.raises(InputError, match="name one with --resume or --clip"):
        app.find_offers(options("--runs", house), Models("cpu"))
    assert (
        capsys.readouterr().out == f"note: no finished run below {house}: ./script/quickstart.sh makes one\n"
    )


def test_no_run_but_a_clip(house, place, capsys):
    found = app.find_offers(options("--runs", house, "--clip", place / "clip"), Models("cpu"))
    assert [app.words_of(offer) for offer in found] == [f"{place.name}/clip (CLIP alone)"]
    assert "no finished run below" in capsys.readouterr().out


def test_runs_are_found_or_named(house, place):
    models = Models("cpu")
    found = app.find_offers(options("--runs", place), models)
    assert [app.words_of(offer) for offer in found] == ["run (run)"]
    words = ["--resume", place / "run" / "last.safetensors", place / "run", "--clip", place / "clip"]
    named = [offer.name for offer in app.find_offers(options(*words), models)]
    assert named == ["run/last.safetensors", f"{place.name}/run", f"{place.name}/clip"]


def test_a_clip_that_is_found_anyway_is_offered_once(place, monkeypatch, tmp_path):
    monkeypatch.setattr(app, "REPOSITORY", tmp_path)
    (tmp_path / "flax-community").symlink_to(place)
    words = options("--runs", tmp_path / "x", "--clip", tmp_path / "flax-community" / "clip")
    assert [offer.name for offer in app.find_offers(words, Models("cpu"))] == ["clip"]


@pytest.mark.parametrize("option", ["--resume", "--clip"])
def test_what_is_named_and_not_there(house, tmp_path, option):
    with pytest.raises(InputError, match="is not there"):
        app.find_offers(options("--runs", house, option, tmp_path / "nothing"), Models("cpu"))


def test_what_is_named_and_no_run(house, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"x\.safetensors"):
        app.find_offers(options("--resume", tmp_path / "x.safetensors"), Models("cpu"))


# ---- what its inputs mean --------------------------------------------------------------------------


@pytest.fixture
def page(place, fake_gradio) -> app.Page:
    offers = [Offer("run", place / "run", is_run=True), Offer("clip", place / "clip", is_run=False)]
    return app.Page(fake_gradio, Models("cpu"), offers)


@pytest.fixture
def picture(place) -> str:
    return str(place / "RSSDIVCS/Class1/image_3.png")


def test_a_run_takes_its_own_classes_and_a_clip_takes_those_of_its_own_input(page, picture):
    values = ["unseen", "wind farm", "airport", [], [], "", None]
    run = page.asked((picture, "Class1"), 0, *values)
    assert (run.offer.name, run.own, run.typed, run.label) == ("run", "unseen", "wind farm", "Class1")
    clip = page.asked(None, 1, *values)
    assert (clip.offer.name, clip.own, clip.typed, clip.picture) == ("clip", None, "airport", None)


def test_a_dropped_picture_is_named_and_the_input_is_free_for_the_next(page, picture):
    chosen, file, examples, html, panel = page.drop(picture, 0, "all", "", "", [], [], "", None)
    assert chosen == (picture, "") and file is None and panel == ""
    assert 'class="dsva answer"' in html and examples == {"selected_index": None}
    assert "data:image/png" in page.draw(chosen, 0, "all", "", "", [], [], "", None)


def test_an_example_is_named_and_its_class_is_known(page):
    examples = page.choose(0)[-1]
    chosen, file, _, html, _ = page.pick(0, examples, 0, "all", "", "", [], [], "", None)
    assert chosen[1] == "Class0" and file is None and "The picture is of the class class0" in html


def test_a_choice_changes_what_can_be_said(page):
    about, own, added, names, examples, shown = page.choose(0)
    assert [example.label for example in shown] == [f"Class{c}" for c in range(5)]
    assert "A run trained on" in about and own["value"] == "all" and own["visible"] and added["visible"]
    assert not names["visible"] and len(examples["value"]) == 5 and examples["visible"]
    about, own, added, names, examples, _ = page.choose(1)
    assert "A CLIP alone" in about and not own["visible"] and not added["visible"] and names["visible"]
    assert len(examples["value"]) == 5  # of the run


def test_an_example_of_a_run_that_has_vanished_since(place, fake_gradio, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    page = app.Page(fake_gradio, Models("cpu"), [Offer("my run", tmp_path / "run", is_run=True)])
    examples = page.choose(0)[-1]
    shutil.rmtree(tmp_path / "run")
    _, _, _, html, _ = page.pick(4, examples, 0, "all", "", "", [], [], "", None)
    assert "My run is not there any more" in html
    assert page.choose(0)[-1] == []


def test_a_class_by_pictures_is_added_ticked_and_can_be_left_out(page, picture):
    pictured, ticked, name, files, said = page.add_class(None, 0, "all", "", "", [], [], "port", [picture])
    assert (name, files) == ("", None) and "Added port" in said
    assert ticked == {"choices": [("port: 1 picture", "port")], "value": ["port"], "visible": True}
    with_port = page.show((picture, ""), 0, "none", "", "", pictured, ["port"], "", None)
    without = page.show((picture, ""), 0, "none", "", "", pictured, [], "", None)
    assert "<h2>port</h2>" in with_port[0] and "No class is left" in without[0]


def test_classes_by_pictures_keep_their_order_and_their_ticks(page, picture):
    pictured = [NewClass(name, name, (picture,)) for name in ("port", "quay")]
    found, ticked, *_ = page.add_class(None, 0, "all", "", "", pictured, ["quay"], "pier", [picture])
    assert [new.name for new in found] == ["port", "quay", "pier"] and ticked["value"] == ["quay", "pier"]


@pytest.mark.parametrize(
    "name, typed, words",
    [
        ("quay", "", "Drop some pictures of quay"),
        ("CLASS 3", "", "CLASS 3 is a class of the run: give the new class another name."),
        ("Wind_Farm", "x=y\nwind farm: tall", "Wind_Farm is typed already: give the new class another name."),
        ("Port", "", "Port is there already: give the new class another name."),
    ],
)
def test_what_is_wrong_about_a_class_by_pictures_leaves_the_inputs_as_they_are(
    page, picture, name, typed, words
):
    """A name is taken if the run, a line that is typed or another class by pictures has it, ticked or not."""
    files = [] if name == "quay" else [picture]
    pictured = [NewClass("port", "port", (picture,))]
    *inputs, said = page.add_class(None, 0, "none", typed, "", pictured, [], name, files)
    assert inputs == ["as it was"] * 4 and words in said


def test_a_clip_alone_has_no_class_whose_name_is_taken(page, picture):
    values = [None, 1, None, "class 4", "airport", [], []]
    assert "Added class 3" in page.add_class(*values, "class 3", [picture])[-1]
    assert "Added class 4" in page.add_class(*values, "class 4", [picture])[-1]  # typed for runs
    assert "Airport is typed already" in page.add_class(*values, "Airport", [picture])[-1]


def test_a_class_that_is_filled_in_is_added_before_the_picture_is_named(page, picture):
    values = [(picture, ""), 0, "none", "", "", [], []]
    pictured, ticked, name, files, said = page.add_begun_class(*values, "port", [picture])
    assert (name, files) == ("", None) and "Added port" in said
    assert "<h2>port</h2>" in page.show(*values[:5], pictured, ticked["value"], name, files)[0]
    assert page.add_begun_class(*values, "", None) == ["as it was"] * 5


@pytest.mark.parametrize(
    "name, count, words", [("port", 0, "Drop some pictures of port"), (" ", 1, "a name")]
)
def test_a_class_that_is_filled_in_and_cannot_be_added_is_told_of(page, picture, name, count, words):
    values = [(picture, ""), 0, "all", "", "", [], [], name, [picture] * count]
    *inputs, said = page.add_begun_class(*values)
    assert inputs == ["as it was"] * 4 and words in said
    html = page.show(*values)[0]
    assert 'class="dsva answer"' in html and words in html
    assert "The class by pictures is not added, and does not compete." in html


def test_a_class_that_waits_for_the_button_is_told_of_in_other_answers(page, picture):
    html = page.drop(picture, 0, "all", "", "", [], [], "port", [picture, picture])[3]
    assert "port, by 2 pictures, is not added yet, and does not compete." in html
    assert (
        "<b>port</b>" not in html
        and "not added" not in page.drop(picture, 0, "all", "", "", [], [], "", [])[3]
    )


@needs_gradio
def test_what_is_chosen_is_understood_even_if_the_server_has_forgotten_the_visitor(place):
    import gradio

    page = app.Page(gradio, Models("cpu"), [Offer("run", place / "run", is_run=True)])
    page.build()
    for value in ("all", "unseen", "none", None):
        assert page.own.preprocess(value) == value


# ---- the program itself ----------------------------------------------------------------------------


def test_the_script_hands_options_on():
    done = subprocess.run(
        [REPOSITORY / "script" / "app.sh", "--port", "x"],
        env={**os.environ, "PYTHON": sys.executable, "PORT": "7999"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 2 and "argument --port: expected a whole number" in done.stderr


@needs_gradio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_and_its_folder_goes(place, tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "temporary").mkdir()
    words = ["--resume", place / "run", "--port", port, "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "model" / "app.py", *map(str, words)],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        first = process.stdout.readline()
        assert first == f"page    http://127.0.0.1:{port}    (Ctrl-C ends it)\n"
        folders = [path.name for path in (tmp_path / "temporary").glob("dsva-*")]
        assert len(folders) == 1
        time.sleep(0.2)
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, errors) == (0, "\nended\n", "")
    assert list((tmp_path / "temporary").glob("dsva-*")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
