"""The pages in a real browser, with nothing but the browser itself.

Each is opened in a frame of a given width, runs a script, and says what it found.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main as program
import report
from helpers import predict_with, write_lines
from inference.accuracy import write_scores
from pages.html import card, page_head, render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")

LOOK = """
  const box = document.documentElement;
  const text = getComputedStyle(document.body);
  const charts = [...document.querySelectorAll("svg[class]")].filter(svg => !svg.closest("details"));
  const found = {
    fits: box.scrollWidth <= box.clientWidth,
    width: innerWidth,
    colours: [text.color, text.backgroundColor],
    pictures: [...document.images].map(image => image.naturalWidth > 0),
    flat: charts.filter(svg => !(svg.clientWidth && svg.clientHeight)).length,
  };
"""
RUN = (
    LOOK
    + """
  const bar = document.querySelector(".bars .bar rect");
  bar.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
  found.tip = [tip.hidden, tip.textContent];
  navigator.clipboard.writeText = async text => found.copied = text;
  document.querySelector(".table .copy").click();
  const cell = document.querySelector(".cells .plus rect"), colour = getComputedStyle(cell).fill;
  found.cell = colour !== getComputedStyle(document.querySelector(".cells .field")).fill && colour;
"""
)
SCROLL = """
  const folded = box => box.closest("details:not([open])");
  const scrollers = [...document.querySelectorAll(".scroller")].filter(box => !folded(box));
  const state = box => [box.classList.contains("right"), box.querySelector(".hint").offsetHeight > 0];
  const isWide = inner => inner.scrollWidth > inner.clientWidth + 1;
  const wide = scrollers.filter(box => isWide(box.lastElementChild));
  await new Promise(go => setTimeout(go, 50));
  found.wide = wide.map(state);
  found.narrow = scrollers.filter(box => !wide.includes(box)).map(state);
  for (const box of wide) {
    box.lastElementChild.scrollLeft = 1e6;
    box.lastElementChild.dispatchEvent(new Event("scroll"));  // without a screen there is none by itself
  }
  found.atEnd = wide.map(box => box.classList.contains("right"));
  found.matrices = wide.filter(box => box.querySelector(".matrix")).length;
  const stacked = [...document.querySelectorAll(".stacked")].filter(table => !folded(table));
  found.stacked = stacked.map(table => table.parentNode.scrollWidth <= table.parentNode.clientWidth);
  const inside = cell => cell.getBoundingClientRect().right <= innerWidth;
  const settings = [...document.querySelectorAll("#settings .scroller")].map(box => box.lastElementChild);
  const cut = box => isWide(box) || box.scrollHeight > box.clientHeight + 1;
  found.settingsCut = settings.filter(box => !box.closest(".code")).map(cut);
  found.cells = stacked.every(table => [...table.querySelectorAll("td")].every(inside));
"""
GALLERY = (
    LOOK
    + """
  const name = card => card.querySelector("h3").firstChild.data;
  const visible = () => [...gallery.children].filter(card => card.offsetHeight);
  const there = () => [visible().map(name), shown.textContent];
  const type = text => { words.value = text; words.dispatchEvent(new Event("input")); };
  const chips = [...document.querySelectorAll(".chips button")];
  found.all = there();
  chips[1].click(); found.first = there();
  found.pressed = chips.map(chip => chip.getAttribute("aria-pressed"));
  type("IMAGE_1"); found.both = there();
  chips[0].click(); found.word = there();
  type(""); found.again = there();
  found.more = more.hidden;
  const colour = element => getComputedStyle(element).color;
  const legend = [...document.querySelectorAll("#pictures .legend b")];
  found.legend = legend.map(entry => [entry.textContent.trim(), colour(entry)]);
  const named = [...gallery.querySelectorAll("h3")].map(h3 => [name(h3.parentNode), colour(h3)]);
  found.names = Object.fromEntries(named);
"""
)

LABELLED = (
    LOOK
    + """
  const visible = () => [...gallery.children].filter(card => card.offsetHeight).length;
  const there = () => [visible(), shown.textContent, more.hidden || more.textContent];
  const chips = [...document.querySelectorAll(".chips button")];
  found.begin = there();
  more.click(); found.more = there();
  wrong.click(); found.wrong = there();
  found.pressed = wrong.getAttribute("aria-pressed");
  chips[1].click(); found.wrongOfClass = there();
  wrong.click(); found.ofClass = there();
  chips[0].click(); found.end = there();
"""
)

CARDS = (
    LOOK
    + """
  const top = card => card.getBoundingClientRect().top;
  found.tops = [...document.querySelectorAll(".cards")].map(list => [...list.children].map(top));
  const cards = [...document.querySelectorAll(".cards li")];
  found.fit = cards.every(card => card.scrollWidth <= card.clientWidth);
"""
)

AT_LOAD = """<script>
addEventListener("load", async () => {
  %s
  await new Promise(go => setTimeout(go, 50));
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""
FRAME = """<pre></pre>
<script>onmessage = message => document.querySelector("pre").textContent = message.data</script>
<iframe src="tested.html" style="width:%dpx;height:900px;border:0"></iframe>
"""


def look(page: Path, script: str, width: int = 1280, dark: bool = False) -> dict:
    """What the script found on the page, in a frame of this width. Nothing may be written to the console."""
    tested = page.with_name("tested.html")
    tested.write_text(page.read_text(encoding="utf-8").replace("</body>", AT_LOAD % script + "</body>"))
    frame = page.with_name("frame.html")
    frame.write_text(FRAME % width)
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            f"--user-data-dir={page.parent / 'browser'}",
            "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    return json.loads(unescape(re.search("<pre>(.+?)</pre>", done.stdout, re.DOTALL)[1]))


@pytest.fixture(scope="module")
def run_page(root, clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    program.main(
        [
            "--root",
            str(root),
            "--clip",
            str(clip),
            "--output",
            str(folder),
            "--gzsl",
            "--manualSeed",
            "0",
            "--device",
            "cpu",
            *"--nepoch 2 --n_batch 1 --ways 2 --shots 2 --workers 0".split(),
        ]
    )
    report.main([str(folder), "--device", "cpu"])
    return folder / "report.html"


@pytest.fixture(scope="module")
def gallery_page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("predictions")
    names = ["lake", 'a "harbour" <b>', "lake", "lake", "forest"]
    for n in range(len(names)):
        Image.new("RGB", (40, 40), (50 * n, 90, 90)).save(folder / f"image_{n}.png")
    (folder / "predictions.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "image": str(folder / f"image_{n}.png"),
                    "classes": [{"class": name, "probability": 0.5}],
                    "attributes": [],
                }
            )
            + "\n"
            for n, name in enumerate(names)
        )
    )
    kinds = {"lake": "seen", 'a "harbour" <b>': "unseen", "forest": "by its name"}
    (folder / "options.json").write_text(json.dumps({"options": {}, "classes": kinds}))
    report.main([str(folder)])
    return folder / "report.html"


@pytest.fixture(scope="module")
def labelled_page(tmp_path_factory) -> Path:
    """70 forests, of which 3 are named lake, and 2 of these have no picture any more."""
    folder = tmp_path_factory.mktemp("labelled")
    Image.new("RGB", (40, 40)).save(folder / "0.png")
    lines = []
    for n in range(70):
        classes = [{"class": "lake" if n < 3 else "forest", "probability": 0.5}]
        lines.append({"image": str(folder / f"{n}.png"), "classes": classes, "attributes": []})
    write_lines(folder / "predictions.jsonl", lines)
    names = ["forest", "lake"]
    counts = np.array([[67, 3], [0, 0]])
    write_scores(folder, names, counts, Counter(), {str(folder): "forest"})
    report.main([str(folder)])
    return folder / "report.html"


@pytest.fixture(scope="module")
def summary_page(root, clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("several") / "runs"
    places = ["--root", str(root), "--clip", str(clip), "--output", str(folder), "--device", "cpu"]
    size = "--gzsl --nepoch 2 --n_batch 1 --ways 2 --shots 2 --workers 0 --manualSeed 1"
    program.main([*places, *size.split(), "--random_id", "0,1"])
    report.main([str(folder)])
    return folder / "report.html"


@pytest.fixture(scope="module")
def maps_page(place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    Image.effect_noise((120, 90), 90).convert("RGB").save(folder / "scene.png")
    predict_with(place, folder / "scene.png", "--tile 32", "--classes all", "--output", folder / "maps")
    report.main([str(folder / "maps")])
    return folder / "maps" / "report.html"


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (390, False)])
def test_a_run(run_page, width, dark):
    found = look(run_page, RUN, width, dark)
    assert found["width"] == width and found["fits"], "the page scrolls sideways"
    assert found["pictures"] == [True] * 3 and found["flat"] == 0
    assert found["tip"][0] is False and re.fullmatch(
        r"Class\d+, (un)?seen\n[\d.]+% of \d+ images", found["tip"][1]
    )
    assert (
        found["copied"].startswith("epoch\tbranch\tU\tS\tH\tAUSUC\tZSL\t")
        and len(found["copied"].splitlines()) == 5
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found["colours"]]
    assert (light[0] > light[1]) == dark and found["cell"]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_gallery(gallery_page, width):
    found = look(gallery_page, GALLERY, width)
    everything = [["lake", 'a "harbour" <b>', "lake", "lake", "forest"], "5 pictures"]
    assert found["fits"] and found["pictures"] == [True] * 5 and found["all"] == found["again"] == everything
    assert found["first"] == [["lake"] * 3, "3 pictures"] and found["pressed"] == [
        "false",
        "true",
        "false",
        "false",
    ]
    colours = dict(found["legend"])
    assert list(colours) == ["seen classes", "unseen classes", "added classes"]
    assert [found["names"][name] for name in ("lake", 'a "harbour" <b>', "forest")] == list(colours.values())
    assert len(set(colours.values())) == 3
    assert found["more"], "a button for more, and there are no more"
    assert found["both"] == [[], "0 pictures"] and found["word"] == [['a "harbour" <b>'], "1 picture"]


@pytest.mark.parametrize("width", [1280, 390])
def test_of_many_pictures_the_first_are_shown_and_what_is_wrong_can_be_chosen(labelled_page, width):
    found = look(labelled_page, LABELLED, width)
    assert found["fits"]
    assert found["begin"] == found["end"] == [60, "the first 60 of 70 pictures", "show 10 more"]
    assert found["more"] == [70, "70 pictures", True]
    assert found["wrong"] == [3, "3 pictures", True] and found["pressed"] == "true"
    assert found["wrongOfClass"] == [0, "0 pictures", True]
    assert found["ofClass"] == [60, "the first 60 of 67 pictures", "show 7 more"]


@pytest.mark.parametrize("width", [1280, 375])
def test_what_scrolls_says_so_and_no_score_is_cut(run_page, width):
    found = look(run_page, LOOK + SCROLL, width)
    assert found["fits"] and found["stacked"] == [True] and found["cells"]
    assert found["wide"] == [[True, True]] * len(found["wide"])
    assert found["narrow"] == [[False, False]] * len(found["narrow"])
    assert not any(found["atEnd"]) and found["settingsCut"] == [False] * 2
    assert found["matrices"] == 2 or width > 375


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_no_headline_number_stands_alone_below_others(tmp_path, width):
    heads = ""
    for count in range(1, 9):
        cards = [card("H", f"{n}", "some words below the number", unit="± 12.3 %") for n in range(count)]
        heads += page_head("kind", "title", "lead", cards)
    (tmp_path / "page.html").write_text(render("t", heads, {"One": ""}, ""))
    found = look(tmp_path / "page.html", CARDS, width)
    assert found["fit"] and [len(tops) for tops in found["tops"]] == list(range(1, 9))
    for tops in found["tops"]:
        assert len(tops) == 1 or tops.count(max(tops)) > 1


@pytest.mark.parametrize("width, dark", [(1280, False), (375, True)])
@pytest.mark.parametrize("page", ["summary_page", "maps_page"])
def test_several_runs_and_maps(request, page, width, dark):
    found = look(request.getfixturevalue(page), LOOK + SCROLL, width, dark)
    assert found["fits"] and found["flat"] == 0 and all(found["pictures"])
    assert all(found["stacked"]) and found["cells"] and not any(found["atEnd"])
    assert bool(found["pictures"]) == (page == "maps_page")
    assert len(found["stacked"]) == (2 if page == "summary_page" else 0)
