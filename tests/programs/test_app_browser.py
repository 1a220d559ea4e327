"""The page of app.py in a real browser, with a run of one epoch: what visitors do, and what they see.

Whatever the browser and the server connect to must be this machine, and the browser may not complain.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from page_visitor import (
    add_by_pictures,
    agree,
    answered,
    choose_file,
    expected,
    fill_in_class,
    fits,
    marked,
    ranked,
    refused,
)
from PIL import Image

from in_browser import CONTRAST, DROP, GUARD, LINES_OF_CAPTIONS, NAMELESS
from inference import NewClass, load_clip, load_run
from pages.panels import draw_attention
from support.cli import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PACKAGES = [name for name in ("gradio", "playwright") if not find_spec(name)]
pytestmark = [
    pytest.mark.skipif(
        bool(PACKAGES), reason=f"needs {' and '.join(PACKAGES)}: pip install {' '.join(PACKAGES)}"
    ),
    pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium"),
]


# ---- a server, a browser, visitors -----------------------------------------------------------------


@pytest.fixture(scope="module")
def server(place, tmp_path_factory):
    """Its address. A second run, which one test takes away, lies in `second`."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    (folder / "empty").mkdir()
    shutil.copytree(place / "run", folder / "second" / "run")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    runs = [place / "run", folder / "second" / "run"]
    words = ["--resume", *runs, "--clip", place / "clip", "--port", port, "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "model" / "app.py", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(folder / "guard"), "CALLS": str(folder / "calls")},
        cwd=folder / "empty",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stdout.readline().startswith("page    http://127.0.0.1:"), process.communicate()[1]
        yield SimpleNamespace(address=f"http://127.0.0.1:{port}/", second=folder / "second" / "run")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, "")
    assert not (folder / "calls").exists(), (folder / "calls").read_text()
    assert list((folder / "empty").iterdir()) == []


@pytest.fixture(scope="module")
def browser():
    """With a memory that all pages share, so that gradio's scripts are read once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield program.new_context()
        program.close()


@pytest.fixture
def visit(server, browser):
    """Opens the page for one more visitor."""
    pages, requests, complaints = [], [], []

    def open_page(width=1280, dark=False):
        page = browser.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(server.address)
        page.locator("#examples button img").nth(4).wait_for()
        page.locator("#own input").nth(2).wait_for()
        return page

    yield open_page
    for page in pages:
        page.close()
    local = (server.address, "data:", "blob:")
    assert [url for url in requests if not url.startswith(local)] == []
    assert complaints == []


@pytest.fixture(scope="module")
def run(place):
    return load_run(place / "run", "cpu")


# ---- what visitors do ------------------------------------------------------------------------------


def test_a_picture_is_dropped_its_ranking_is_that_of_the_run_and_the_panel_can_be_kept(
    visit, run, pictures, tmp_path
):
    page = visit()
    assert page.title() == "DSVA: name a picture" and "Drop a picture" in page.inner_text("#answer")
    content = base64.b64encode(pictures[7].read_bytes()).decode()
    answered(page, lambda: page.evaluate(DROP, [pictures[7].name, content]))
    agree(ranked(page), expected(run, pictures[7]))
    page.get_by_text("Where the model sees it").wait_for()
    assert page.locator(".maps figure").count() <= 3 and page.locator(".steps .lead").count() == 1
    answered(page, lambda: choose_file(page, pictures[12]))  # the input is free for the next one
    agree(ranked(page), expected(run, pictures[12]))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the maps as PNG").click()
    started.value.save_as(tmp_path / "panel.png")
    assert started.value.suggested_filename == f"{pictures[12].stem}_attention.png"
    assert Image.open(tmp_path / "panel.png").tobytes() == draw_attention(run, pictures[12]).tobytes()


def test_classes_are_added_by_name_and_by_description(visit, run, pictures):
    page = visit()
    answered(page, lambda: choose_file(page, pictures[3]))
    page.locator("#added textarea").fill("wind farm\nquay: long walls, ships")
    answered(page, lambda: page.locator("#go").click())
    agree(ranked(page), expected(run.with_classes("wind farm", "quay: long walls, ships"), pictures[3]))
    answered(page, lambda: page.locator("#own").get_by_text("none, only").click())
    only = run.with_classes("wind farm", "quay: long walls, ships").among("none")
    agree(ranked(page), expected(only, pictures[3]))
    name = "<b>x</b> <script>alert(1)</script> ${1} {{value}} @children"  # is shown, and does nothing
    page.locator("#added textarea").fill(name)
    answered(page, lambda: page.locator("#go").click())
    assert ranked(page) == {name: 1}


def test_a_class_is_added_by_five_pictures_and_left_out_again(visit, run, pictures):
    page = visit()
    answered(page, lambda: choose_file(page, pictures[3]))
    add_by_pictures(page, "port", pictures[:5])
    new = NewClass("port", "port", tuple(map(str, pictures[:5])))
    agree(ranked(page), expected(run.with_classes(new), pictures[3]))
    answered(page, lambda: page.get_by_label("port: 5 pictures").uncheck())
    agree(ranked(page), expected(run, pictures[3]))


def test_a_class_that_is_filled_in_counts_when_the_picture_is_named(visit, run, pictures):
    page = visit()
    answered(page, lambda: choose_file(page, pictures[3]))
    fill_in_class(page, "port", pictures[:5])
    answered(page, lambda: page.locator("#go").click())
    new = NewClass("port", "port", tuple(map(str, pictures[:5])))
    agree(ranked(page), expected(run.with_classes(new), pictures[3]))
    assert (
        page.get_by_label("port: 5 pictures").is_checked()
        and page.get_by_label("Its name").input_value() == ""
    )
    fill_in_class(page, "Class 1", pictures[:2])
    answered(page, lambda: page.locator("#go").click())
    agree(ranked(page), expected(run.with_classes(new), pictures[3]))
    assert "Class 1 is a class of the run: give the new class another name." in page.inner_text("#answer")
    assert page.get_by_label("Its name").input_value() == "Class 1"  # to be mended
    assert page.locator("#pictures tr").count() == 2


def test_the_example_that_is_marked_is_the_one_that_was_named(visit, pictures, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    page = visit()
    for file in (pictures[7], tmp_path / "broken.png"):
        answered(page, lambda: page.locator("#examples button").nth(1).click())
        assert marked(page) == ["class1"] and page.inner_text(".file").startswith("image_")
        answered(page, lambda file=file: choose_file(page, file))
        assert marked(page) == [] and file.name in page.inner_text("#answer")
    answered(page, lambda: page.locator("#examples button").nth(1).click())
    page.get_by_label("Model").click()
    answered(page, lambda: page.get_by_role("option", name="/clip (CLIP alone)").click())
    page.get_by_text("A CLIP alone, without").wait_for()
    assert marked(page) == []


def test_a_clip_alone(visit, place, pictures):
    page = visit()
    page.get_by_label("Model").click()
    page.get_by_role("option", name="/clip (CLIP alone)").click()
    page.get_by_label("Classes, one a line", exact=True).fill("airport\nport: ships, piers")
    answered(page, lambda: choose_file(page, pictures[3]))
    clip = load_clip(place / "clip", ["airport", "port: ships, piers"], device="cpu")
    agree(ranked(page), expected(clip, pictures[3]))
    text = page.inner_text("#answer")
    assert "whatever the class" in text and "Reasons" not in text and page.locator(".download").count() == 0


def test_two_visitors_at_once_do_not_mix(visit, run, pictures):
    first, second = visit(), visit()
    answered(first, lambda: choose_file(first, pictures[3]))
    answered(second, lambda: choose_file(second, pictures[8]))
    add_by_pictures(first, "only hers", pictures[:2])
    first.locator("#added textarea").fill("wind farm")
    second.locator("#added textarea").fill("quay: long walls")
    for page in (first, second):
        page.evaluate("for (const old of document.querySelectorAll('#answer .dsva')) old.id = 'old'")
    for page in (first, second):
        page.locator("#go").click(no_wait_after=True)
    for page in (first, second):
        page.bring_to_front()
        page.locator("#answer .dsva:not(#old)").wait_for()
    hers = NewClass("only hers", "only hers", tuple(map(str, pictures[:2])))
    agree(ranked(first), expected(run.with_classes("wind farm", hers), pictures[3]))
    agree(ranked(second), expected(run.with_classes("quay: long walls"), pictures[8]))
    assert second.get_by_label("only hers").count() == 0


# ---- what is wrong ---------------------------------------------------------------------------------


def test_a_corrupt_picture_is_a_sentence_and_the_next_one_is_named(visit, run, pictures, tmp_path):
    page = visit()
    (tmp_path / "broken.png").write_bytes(b"nothing")
    answered(page, lambda: choose_file(page, tmp_path / "broken.png"))
    assert "Cannot read the image broken.png: " in refused(page) and "Traceback" not in page.content()
    answered(page, lambda: choose_file(page, pictures[3]))
    agree(ranked(page), expected(run, pictures[3]))
    page.locator("#added textarea").fill("Class1")
    answered(page, lambda: page.locator("#go").click())
    assert "Class1 is a class of the run, so give the new class another name." in refused(page)


def test_a_run_that_has_vanished(visit, server, pictures):
    page = visit()
    answered(page, lambda: choose_file(page, pictures[3]))
    shutil.rmtree(server.second)
    page.get_by_label("Model").click()
    answered(page, lambda: page.get_by_role("option", name="second/run").click())
    assert "second/run is not there any more".capitalize()[1:] in page.inner_text("#answer")


def test_no_file_of_the_machine_and_no_other_page_is_given(browser, server, place):
    for file in (place / "words.json", REPOSITORY / "README.md", "/etc/passwd"):
        assert browser.request.get(f"{server.address}gradio_api/file={file}").status in (403, 404)
    assert browser.request.get(f"{server.address}docs").status == 404
    endpoints = browser.request.get(f"{server.address}gradio_api/info").text()
    assert json.loads(endpoints) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_what_a_page_elsewhere_asks_is_refused(browser, server):
    file = {"files": {"name": "x.png", "mimeType": "image/png", "buffer": b"x"}}
    upload = f"{server.address}gradio_api/upload"
    assert browser.request.post(upload, multipart=file).status == 200
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert browser.request.post(upload, multipart=file, headers=headers).status == 403
    assert browser.request.get(f"{server.address}config", headers={"Host": "evil.example"}).status == 403


def test_a_file_that_is_too_large_is_refused_and_the_next_one_is_named(
    browser, server, run, pictures, tmp_path
):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(257 * 2**20)
    page = browser.new_page()  # gradio complains in the browser's console
    page.goto(server.address)
    page.locator("#own input").nth(2).wait_for()
    choose_file(page, tmp_path / "large.png")
    page.get_by_text("exceed the maximum allowed size of 256").first.wait_for()
    box = page.locator("#picture").bounding_box()
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert page.evaluate("([x, y]) => !!document.elementFromPoint(x, y).closest('#picture button')", middle)
    answered(page, lambda: choose_file(page, pictures[3]))
    agree(ranked(page), expected(run, pictures[3]))
    page.close()


def test_a_long_wait_is_told(visit, pictures):
    page = visit()
    answered(page, lambda: choose_file(page, pictures[3]))
    shown = "getComputedStyle(document.querySelector('#answer'), '::after').content"
    assert page.evaluate(shown) == "none"
    page.evaluate(
        "document.querySelector('#answer .html-container').classList.add('pending')"
    )  # as gradio does
    assert page.evaluate(shown) == '"One moment …"'


def test_a_browser_without_javascript_is_told(browser, server):
    page = browser.browser.new_context(java_script_enabled=False).new_page()
    page.goto(server.address)
    assert "This page needs JavaScript" in page.inner_text("body")
    page.context.close()


# ---- how it looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1200, 390])
def test_captions_of_examples_are_not_cut_off_and_words_are_whole(visit, width):
    page = visit(width)
    names = [
        "container port",
        "circular farmland",
        "intersection",
        "mobile home park",
        "Wirtschaftswissenschaft",
    ]
    lines = page.evaluate(LINES_OF_CAPTIONS, names)
    assert fits(page)
    for name, (width, room, found) in zip(names, lines):
        assert width <= room
        assert " ".join(found).split() == name.split() or name == names[-1]  # which is too long for a line


def test_gradio_says_no_key_without_its_words(visit, pictures, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    page = visit()
    answered(page, lambda: choose_file(page, tmp_path / "broken.png"))
    page.wait_for_timeout(1500)  # gradio says it a moment later
    assert "common." not in page.inner_text("body")
    assert all(not status.is_visible() for status in page.locator(".sr-only[role=status]").all())


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_it_fits_can_be_read_and_every_input_has_a_name(visit, pictures, width, dark):
    page = visit(width, dark)
    assert fits(page) and page.evaluate(CONTRAST) == [] and page.evaluate(NAMELESS) == []
    answered(page, lambda: page.get_by_role("button", name="class1").click())
    page.locator(".download a").wait_for()
    for summary in page.locator(".answer summary").all():
        summary.click()
    page.get_by_role("button", name="Add a class by pictures").click()
    page.get_by_label("Its name").wait_for()
    assert fits(page) and page.evaluate(CONTRAST) == [] and page.evaluate(NAMELESS) == []
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(h1).color]".replace(
            "h1", "document.querySelector('h1')"
        )
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert (light[0] < light[1]) == dark


def test_on_a_phone_the_answer_to_an_example_comes_into_view(visit, run):
    page = visit(390)
    answered(page, lambda: page.locator("#examples button").nth(1).click())
    assert "The picture is of the class class1" in page.inner_text("#answer")
    data = run.run.dataset.load()
    first = next(n for n in data.splits["test_unseen_loc"] if data.labels[n] == 1)
    agree(ranked(page), expected(run, data.image_paths[first]))
    page.wait_for_function(
        "document.querySelector('#answers').getBoundingClientRect().top < innerHeight - 100"
    )
    page.locator("#added textarea").fill("wind farm")
    answered(page, lambda: page.locator("#go").click())
    page.wait_for_function("document.querySelector('#answers').getBoundingClientRect().top >= -1")
