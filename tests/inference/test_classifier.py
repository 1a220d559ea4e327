"""A saved run in a notebook, as the docstring of the room shows it."""

import numpy as np
import torch

from data.pipeline import load_image
from inference import Classifier, choose_candidates, load_saved


def test_a_saved_run_names_images_in_a_few_lines(place):
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    classifier = Classifier(run, choose_candidates(run, "unseen"))
    images = torch.stack([load_image(path, run.preprocessing) for path in run.dataset.load().image_paths[:4]])
    probabilities = classifier.probabilities(images)
    assert classifier.candidates.names == ["Class0", "Class1"] and classifier.candidates.calibration == 0
    assert probabilities.shape == (4, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)

    lines = classifier.describe(images, top=1, attributes=2)
    best = [classifier.candidates.names[k] for k in probabilities.argmax(axis=1)]
    assert [line["classes"][0]["class"] for line in lines] == best
    assert classifier.describe(images[:0], top=1, attributes=2) == []


def test_all_classes_compete_with_the_constant_that_the_run_was_trained_with_or_another(place):
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    assert choose_candidates(run, "all").calibration == 0.1
    assert choose_candidates(run).names == [f"Class{c}" for c in range(5)]  # as in the test of a GZSL run
    assert choose_candidates(run, "Class3, Class4").calibration == 0  # seen ones among themselves
    candidates = choose_candidates(run, "all", calibration=0.3)
    calibrated = candidates.calibrated(np.full((1, 5), 0.2))
    np.testing.assert_allclose(calibrated, [[0.2, 0.2, -0.1, -0.1, -0.1]])
