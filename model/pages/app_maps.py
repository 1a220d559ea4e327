"""The pictures on the page of app.py: what the network sees, its window, attention maps, the panel.

All of them lie in the HTML itself. app.css lays the maps over the picture.

Shapes: `A` attributes, maps of `G x G` cells, pictures of `S x S` pixels.
"""

from html import escape

import torch
from PIL import Image
from torch import Tensor

from inference.arrays import Prediction
from inference.classifier import Classifier
from inference.contributions import Contributions, of_lead
from pages.attention_maps import heat_picture, peak_of
from pages.html import note, picture, picture_source
from pages.panels import NO_PLACE, whose_maps

MAPS = 3  # attributes whose maps are shown


def photo(square: Tensor, words: str) -> str:
    """What the network sees, [3, S, S] uint8, as <img>.  words: for those who do not see it"""
    return picture(Image.fromarray(square.permute(1, 2, 0).numpy()), words, quality=90)


def window(found: Prediction, size: int) -> str:
    """A dashed frame over the picture, if there are windows.  size: S"""
    if found.windows is None:
        return ""
    top, left, height, width = (100 * found.windows[0] / size).tolist()
    place = f"top:{top:.4g}%;left:{left:.4g}%;height:{height:.4g}%;width:{width:.4g}%"
    return f'<i class="window" style="{place}"></i>'


def maps(square: Tensor, found: Prediction, classifier: Classifier, reasons: Contributions) -> str:
    """Attention of the strongest attributes that are seen, over the picture, with a ring at each peak.

    found: of one picture
    """
    assert found.maps is not None  # of a run they are there
    branch = classifier.run.branch
    photograph = photo(square, "")
    figures = []
    for a in reasons.seen_first(MAPS):
        if reasons.scores[a] <= 0:  # a lack: there is nowhere to look
            continue
        attention = torch.from_numpy(found.maps[0, a])
        number = of_lead(reasons.values[a], reasons.lead)
        if branch == "attention" and attention.max() < found.attributes[0, a]:
            number += NO_PLACE
        figures.append(map_figure(photograph, attention, found.attribute_names[a], number))
    second = "the model looks there a second time" if classifier.run.windows else "this run looks only once"
    words = f"{whose_maps(branch).capitalize()}. "
    if not figures:
        words = "No attribute that is seen adds to this class, so there is no map. "
    words += f"Dashed, in the picture above: the window that the strongest maps agree on; {second}."
    scale = '<p class="scale">least<i></i>most attention, each map by itself</p>' if figures else ""
    return f'<div class="maps">{"".join(figures)}</div>{scale}{note(words)}'


def map_figure(photograph: str, attention: Tensor, name: str, number: str) -> str:
    """One map [G, G] over the picture.  photograph: HTML;  number: what the attribute adds, in words"""
    across, down = peak_of(attention, 100)
    source = picture_source(heat_picture(attention), "png")
    words = escape(f"attention map of {name}: its peak is {across:.0f} % across and {down:.0f} % down")
    return (
        f'<figure><div class="square">{photograph}<img class="heat" src="{source}" alt="{words}">'
        f'<i class="ring" style="left:{across:.4g}%;top:{down:.4g}%"></i></div>'
        f"<figcaption><b>{escape(name)}</b> <span>{escape(number)}</span></figcaption></figure>"
    )


def download_link(panel: Image.Image, name: str) -> str:
    """The panel itself is in the link, so no file of it lies anywhere.  name: of the file"""
    width, height = panel.size
    return (
        f'<p class="dsva download"><a href="{picture_source(panel, "png")}" download="{escape(name)}">'
        f"Download the maps as PNG</a> <span>{width} × {height}</span></p>"
    )
