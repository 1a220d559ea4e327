"""A page to try a run on, in your browser: drop a picture, and read its class, the reasons, and the maps.

    python model/app.py                                         what it finds: runs below runs/, CLIPs
    python model/app.py --resume runs/X                         this run alone
    python model/app.py --clip FOLDER                           another CLIP, too

The page is on this machine alone, http://127.0.0.1:7860. Nothing is sent elsewhere. Dropped pictures lie in a
temporary folder, which is deleted at the end. Ctrl-C ends it.

It needs gradio: .venv/bin/python -m pip install gradio.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from support.cli import REPOSITORY, Parser, add_bands_option, number, path


def get_parser() -> Parser:
    parser = Parser(
        prog="app.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--resume",
        type=path,
        nargs="+",
        metavar="CHECKPOINT",
        help="runs to choose from, instead of those of --runs: run folders, or checkpoints",
    )
    parser.add_argument(
        "--runs",
        type=path,
        default=str(REPOSITORY / "runs"),
        metavar="FOLDER",
        help="finished runs below it can be chosen, the newest comes first (default: runs/)",
    )
    parser.add_argument(
        "--clip",
        type=path,
        metavar="FOLDER",
        help="a CLIP that can be chosen alone, beside those in flax-community/; it also reads the classes "
        "that are added to a run whose own CLIP is not there any more",
    )
    parser.add_argument(
        "--port", type=number(int, 1, 65535), default=7860, help="of http://127.0.0.1 (default: 7860)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    add_bands_option(parser)
    return parser


if __name__ == "__main__":
    get_parser().start()

from pathlib import Path
from typing import Any, List

from data.names import readable
from inference.offered import Models, Offer, find_clips, find_finished_runs, named_offer
from pages import app_classes, app_page
from pages.app_dataset import find_examples, thumbnails
from pages.app_frame import app_head, into_view, name_examples, title_of_page, welcome
from pages.app_page import Asked
from support.errors import InputError, exits_cleanly
from support.local_page import check_port, import_gradio, serve, temporary_folder
from support.notes import note

HOUR, DAY = 3600, 86400  # seconds
OWN = ["all", "unseen", "none"]  # at first; `Page.choose` puts them into words


@exits_cleanly
def main(arguments=None):
    opt = get_parser().parse_args(arguments)
    gradio = import_gradio()
    check_port(opt.port)
    models = Models(opt.device, opt.bands, Path(opt.clip) if opt.clip else None)
    offers = find_offers(opt, models)
    with temporary_folder():
        app_page.warm_up(models, offers[0])
        page = Page(gradio, models, offers)
        serve(page.build(), page.look(), opt.port)


# ---- before the page -------------------------------------------------------------------------------


def find_offers(opt: argparse.Namespace, models: Models) -> List[Offer]:
    """Runs, then CLIPs. Raises InputError if there is neither, or one that is named cannot be loaded."""
    named = [named_offer(Path(place), is_run=True) for place in opt.resume or []]
    runs = [*named] or find_finished_runs(Path(opt.runs))
    if not runs:
        note(f"no finished run below {opt.runs}: ./script/quickstart.sh makes one")
    clips = find_clips(REPOSITORY / "flax-community")
    if opt.clip and Path(opt.clip) not in [clip.place for clip in clips]:
        named.append(named_offer(Path(opt.clip), is_run=False))
        clips.insert(0, named[-1])
    for offer in named:
        app_page.load(models, offer)
    if not runs and not clips:
        raise InputError("neither a finished run nor a CLIP is there: name one with --resume or --clip")
    return [*runs, *clips]


# ---- the page --------------------------------------------------------------------------------------


class Page:
    """Inputs, outputs, and which of the first change which of the second. What they say is in pages/."""

    def __init__(self, gradio: Any, models: Models, offers: List[Offer]):
        self.gradio = gradio
        self.models = models
        self.offers = offers

    def look(self) -> dict:
        """Theme and CSS: fonts of the reader's own machine, and the colours of the report's pages."""
        fonts = ["system-ui", "sans-serif"]
        return {
            "theme": self.gradio.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"]),
            "head": app_head(),
        }

    def build(self) -> Any:
        gradio = self.gradio
        title = "DSVA: name a picture"
        with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=(HOUR, DAY)) as blocks:
            gradio.HTML(title_of_page(), apply_default_css=False)
            with gradio.Row(elem_id="columns"):
                with gradio.Column(elem_id="pictures_of", min_width=0):
                    self.add_pictures()
                with gradio.Column(elem_id="classes_of", min_width=0):
                    self.add_choices()
                with gradio.Column(elem_id="answers", min_width=0):
                    self.answer = gradio.HTML(welcome(), apply_default_css=False, elem_id="answer")
                    self.panel = gradio.HTML(apply_default_css=False, elem_id="panel")
            self.connect(blocks)
        return blocks

    def add_pictures(self):
        """What a visitor drops or picks."""
        gradio = self.gradio
        self.picture = gradio.State(None)  # file and class, as of `Asked`
        self.shown = gradio.State([])  # examples, as they are on the page
        self.file = gradio.File(label="Picture", elem_id="picture", height=130)
        self.examples = gradio.Gallery(
            label="or one of these",
            elem_id="examples",
            columns=4,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            format="png",
        )

    def add_choices(self):
        """What a visitor chooses and types."""
        gradio = self.gradio
        self.pictured = gradio.State([])  # classes by pictures
        self.offer = gradio.Dropdown(
            [(words_of(offer), place) for place, offer in enumerate(self.offers)],
            value=0,
            label="Model",
            filterable=False,
            elem_id="model",
        )
        self.about = gradio.HTML(apply_default_css=False)
        self.own = gradio.Radio(OWN, label="Which of the run's own classes compete", elem_id="own")
        self.added = gradio.Textbox(
            label="More classes, one a line",
            placeholder="wind farm\nquay: ships at a long wall of concrete",
            lines=3,
            elem_id="added",
        )
        self.names = gradio.Textbox(
            app_classes.TYPED, label="Classes, one a line", lines=5, max_lines=12, elem_id="names"
        )
        self.ticked = gradio.CheckboxGroup(label=app_classes.BY_PICTURES, visible=False, elem_id="ticked")
        with gradio.Accordion("Add a class by pictures", open=False, elem_id="by_pictures"):
            self.name = gradio.Textbox(label="Its name", elem_id="name")
            self.pictures = gradio.File(
                label="Pictures of it, about five", file_count="multiple", height=130, elem_id="pictures"
            )
            self.add = gradio.Button("Add this class", elem_id="add")
            self.told = gradio.HTML(apply_default_css=False, elem_id="told")
        self.go = gradio.Button("Name the picture", variant="primary", elem_id="go")

    def connect(self, blocks: Any):
        """Which event calls what. One computation at a time, for all visitors together."""
        gradio = self.gradio
        one = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}
        quiet = {**one, "show_progress": "hidden"}
        waits = {**one, "show_progress": "minimal", "show_progress_on": self.answer}
        choices = [self.offer, self.own, self.added, self.names]
        choices += [self.pictured, self.ticked, self.name, self.pictures]
        inputs = [self.picture, *choices]
        by_pictures = [self.pictured, self.ticked, self.name, self.pictures, self.told]
        shown = [self.picture, self.file, self.examples, self.answer, self.panel]

        def after(answered):
            answered.then(None, js=into_view())
            answered.then(self.draw, inputs, self.panel, **quiet)

        def show_after(event):
            after(event.then(self.show, inputs, [self.answer, self.panel], **waits))

        def pick(selected, *values):
            return self.pick(selected.index, *values)

        pick.__annotations__["selected"] = gradio.SelectData  # which tells gradio what to hand over

        after(self.file.upload(self.drop, [self.file, *choices], shown, **waits))
        after(self.examples.select(pick, [self.shown, *choices], shown, **waits))
        described = [self.about, self.own, self.added, self.names, self.examples, self.shown]
        loaded = blocks.load(self.choose, self.offer, described, **quiet)
        chosen = self.offer.input(self.choose, self.offer, described, **quiet)
        for event in (loaded, chosen):
            event.then(None, js=name_examples())
        show_after(chosen)
        show_after(self.add.click(self.add_class, inputs, by_pictures, **quiet))
        show_after(self.go.click(self.add_begun_class, inputs, by_pictures, **quiet))
        for event in (self.own.input, self.ticked.input, self.added.submit, self.names.submit):
            after(event(self.show, inputs, [self.answer, self.panel], **waits))

    # ---- what events call --------------------------------------------------------------------------

    def asked(self, picture, offer, own, added, names, pictured, ticked, name, files) -> Asked:
        """What a visitor wants to know, from the inputs."""
        chosen = self.offers[offer]
        file, label = picture or (None, "")
        return Asked(
            chosen,
            Path(file) if file else None,
            label,
            own if chosen.is_run else None,
            added if chosen.is_run else names,
            tuple(one for one in pictured if one.name in ticked),
            tuple(one for one in pictured if one.name not in ticked),
            name or "",
            tuple(map(str, files or [])),
        )

    def show(self, *values):
        """The answer. The panel of the one before goes."""
        return app_page.name_picture(self.models, self.asked(*values)), ""

    def draw(self, *values):
        """The panel to download, once the answer is there."""
        return app_page.panel_link(self.models, self.asked(*values))

    def drop(self, file, *values):
        """A visitor's own picture. The input is empty again, for the next one, and no example is marked.

        gradio leaves None out of an `update`, but not out of a component.
        """
        picture = (str(file), "")
        return picture, None, self.gradio.Gallery(selected_index=None), *self.show(picture, *values)

    def pick(self, place, examples, *values):
        """One of the examples that are on the page, even if others have come since."""
        picture = (str(examples[place].file), examples[place].label)
        return picture, None, self.gradio.skip(), *self.show(picture, *values)

    def choose(self, place):
        """What can be said of a run's classes, and pictures to pick from."""
        update = self.gradio.update
        offer = self.offers[place]
        about, own, first = app_page.describe_offer(self.models, offer)
        examples = find_examples(self.models, self.offers, offer)
        pictures = list(zip(thumbnails(examples), [readable(example.label) for example in examples]))
        return (
            about,
            update(choices=own, value=first or None, visible=bool(own)),
            update(visible=offer.is_run),
            update(visible=not offer.is_run),
            self.gradio.Gallery(value=pictures, selected_index=None, visible=bool(pictures)),
            examples,
        )

    def add_class(self, *values):
        """A class by pictures, for this visitor. If it is wrong, the inputs stay as they are."""
        skip, update = self.gradio.skip(), self.gradio.update
        *_, pictured, ticked, _, _ = values
        new, words = app_page.class_by_pictures(self.models, self.asked(*values))
        if new is None:
            return skip, skip, skip, skip, words
        pictured = [*pictured, new]
        choices = [(f"{one.name}: {one.source()}", one.name) for one in pictured]
        return pictured, update(choices=choices, value=[*ticked, new.name], visible=True), "", None, words

    def add_begun_class(self, *values):
        """The same before a picture is named, if a class is filled in and nobody has pressed the button."""
        if self.asked(*values).has_begun_a_class:
            return self.add_class(*values)
        return [self.gradio.skip()] * 5


def words_of(offer: Offer) -> str:
    """As it is listed."""
    return f"{offer.name} (run)" if offer.is_run else f"{offer.name} (CLIP alone)"


if __name__ == "__main__":
    main()
