"""A saved run, or a CLIP alone, that names images: photographs of any number, maps of large scenes.

It may import `runs`, `dsva`, `clip`, `data` and `support`.

Start with `saved.py`: a checkpoint of main.py, loaded. `classifier.py` names images with it, among the
classes that `candidates.py` chooses; `new_classes.py` and `new_columns.py` add classes that the run has never
seen. `clip_classifier.py` names images with a CLIP alone. `contributions.py` knows why, and
`deletion.py` tries the attention maps. `predictions.py` writes what was found, in lines that
`prediction_lines.py` describes, and `accuracy.py` counts what is right. `familiarity.py` tells of pictures of
another kind. `offered.py` keeps what a page chooses from.
Large scenes: `scenes.py` reads them, `tiles.py` divides and blends, `colours.py` chooses colours, `maps.py`
draws, and `map_files.py` writes.

From a notebook, for which `loading.py` loads, `pictures.py` reads and `arrays.py` answers:

    import sys; sys.path.insert(0, "model")
    from inference import load_clip, load_run

    run = load_run("runs/X")                                 # a folder or a checkpoint: no dataset is needed
    run = run.with_classes("wind farm: tall white turbines")
    found = run.predict(["a.jpg", picture])                  # paths, PIL images, a tensor
    found.classes, found.probabilities                       # [n] names, [n, K]
    found.contributions                                      # [n, A], what attributes add to the class
    found.attributes, found.maps, found.windows              # [n, A], [n, A, G, G], [n, 4]

    clip = load_clip("flax-community/clip-rsicd-tiny", ["airport", "beach", "port: piers and ships"])
    clip.predict("a.jpg").classes                            # without a run: no maps, no windows

`load_saved`, `choose_candidates` and `Classifier` are the parts of `load_run`, as the programs use them.
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
    "NewClass",
    "Prediction",
    "SavedRun",
    "choose_candidates",
    "load_clip",
    "load_run",
    "load_saved",
    "parse",
]
