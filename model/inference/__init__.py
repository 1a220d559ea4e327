"""A saved run, or a CLIP alone, that names images: photographs of any number, maps of large scenes.

It may import `runs`, `dsva`, `clip`, `data` and `support`.

Start with `saved.py`: a checkpoint of main.py, loaded. `classifier.py` names images with it, among the
classes that `candidates.py` chooses; `new_classes.py` and `new_columns.py` add classes that the run has never
seen. `clip_classifier.py` names images with a CLIP alone. `predictions.py` writes what was found, and
`accuracy.py` counts what is right. Large scenes: `scenes.py` reads them, `tiles.py` divides and
blends, `colours.py` chooses colours, `maps.py` draws, and `map_files.py` writes.

From a notebook:

    from inference import Classifier, choose_candidates, load_saved

    run = load_saved("runs/X/last.safetensors", torch.device("cpu"))  # the file is enough: no dataset
    classifier = Classifier(run, choose_candidates(run))
    images = torch.stack([load_image(path, run.preprocessing) for path in paths])  # load_image: data.pipeline
    probabilities = classifier.probabilities(images)                               # [n, K]

    clip = Clip("flax-community/clip-rsicd-tiny", torch.device("cpu"))             # without a run: clip.embed
    classifier = ClipClassifier(clip, [parse("airport"), parse("beach")], ["runways", "sand"])
"""

from inference.arrays import Prediction
from inference.candidates import Candidates, choose_candidates
from inference.classifier import Classifier
from inference.clip_classifier import ClipClassifier
from inference.loading import load_clip, load_run
from inference.new_classes import NewClass, parse
from inference.saved import SavedRun, load_saved

__all__ = [
    "Candidates",
    "Classifier",
    "ClipClassifier",
    "SavedRun",
    "choose_candidates",
    "load_saved",
    "parse",
]
