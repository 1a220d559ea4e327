"""A saved run that names images: photographs of any number, and maps of classes of large scenes.

It may import `runs`, `dsva`, `clip`, `data` and `support`.

Start with `saved.py`: a checkpoint of main.py, loaded. `classifier.py` names images with it, among the
classes that `candidates.py` chooses; `new_classes.py` and `new_columns.py` add classes that the run has never
seen. `predictions.py` writes what was found. Large scenes: `scenes.py` reads them, `tiles.py` divides and
blends, `colours.py` chooses colours, `maps.py` draws, and `map_files.py` writes.

From a notebook:

    from inference import Classifier, choose_candidates, load_saved

    run = load_saved("runs/X/last.safetensors", torch.device("cpu"))  # the file is enough: no dataset
    classifier = Classifier(run, choose_candidates(run))
    images = torch.stack([load_image(path, run.preprocessing) for path in paths])  # load_image: data.pipeline
    probabilities = classifier.probabilities(images)                               # [n, K]
"""

from inference.candidates import Candidates, choose_candidates
from inference.classifier import Classifier
from inference.saved import SavedRun, load_saved

__all__ = ["Candidates", "Classifier", "SavedRun", "choose_candidates", "load_saved"]
