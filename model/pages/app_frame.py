"""What stands around an answer on the page of app.py: its head, and words about what can be chosen."""

from html import escape
from typing import List, Tuple

from inference.classifier import Classifier
from pages.app_dataset import is_demo, name_of_dataset
from pages.html import read_part

ABOUT_CLIP = "A CLIP alone, without training: it chooses among the classes that you type."
NEVER_A_PHOTOGRAPH = (
    "This model knows drawn scenes, and has never seen a photograph: of one, its answer means little."
)
WELCOME = "Drop a picture, or pick one. Here you will see its class, the reasons, and where the model looks."


def app_head() -> str:
    """For <head>: the looks, and no icon that would have to be fetched."""
    css = read_part("colours.css") + read_part("app.css")
    return f'<link rel="icon" href="data:,"><style>{css}</style>'


def into_view() -> str:
    """JavaScript that scrolls to the answer, if it begins outside of what is seen: as on a phone."""
    return """() => {
      const top = document.querySelector("#answers").getBoundingClientRect().top;
      if (top < 0 || top > innerHeight - 160)
        document.querySelector("#answers").scrollIntoView({block: "start"});
    }"""


def name_examples() -> str:
    """JavaScript that names the examples by their classes, for those who hear the page: gradio counts."""
    return """() => {
      for (const example of document.querySelectorAll("#examples .thumbnail-item"))
        example.ariaLabel = example.innerText.trim() || example.ariaLabel;
    }"""


def title_of_page() -> str:
    """What stands above it all."""
    return (
        '<header class="dsva head"><p class="kind">DSVA</p><h1>Name a picture</h1>'
        "<p>Drop an aerial or satellite picture. The model names its class, even one that it has never "
        "seen in training, and says why.</p></header>"
    )


def welcome() -> str:
    """Before there is a picture."""
    return f'<div class="dsva empty"><p>{escape(WELCOME)}</p></div>'


# ---- what can be chosen ----------------------------------------------------------------------------


def about_run(classifier: Classifier, images: int) -> str:
    """What a run was trained on, in a line.  images: that it was trained on, 0 if that is not known"""
    data = classifier.run.data
    count = f"{images:,} " if images else ""
    name = name_of_dataset(classifier.run)
    what = f"drawn scenes ({name}), and no photograph" if is_demo(classifier.run) else f"images ({name})"
    return (
        f"A run trained on {count}{what}: "
        f"{len(data.seen)} classes seen in training, {len(data.unseen)} never seen, "
        f"{len(data.attribute_names)} attributes."
    )


def about_clip(is_drawn: bool) -> str:
    """What a CLIP alone is, in a line.  is_drawn: has it learned from drawn scenes alone?"""
    return ABOUT_CLIP + (" It has learned from drawn scenes, and no photograph." if is_drawn else "")


def own_choices(classifier: Classifier) -> List[Tuple[str, str]]:
    """Words and value of what can be said of a run's own classes."""
    data = classifier.run.data
    return [
        (f"all {len(data.seen) + len(data.unseen)}", "all"),
        (f"the {len(data.unseen)} never seen in training", "unseen"),
        ("none, only those added", "none"),
    ]
