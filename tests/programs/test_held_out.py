"""A class that is held out and added again: what is measured of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import held_out
from data.pipeline import load_image
from dsva.discriminant import Discriminant
from inference import load_saved
from inference.new_columns import class_vectors


def test_a_new_column_takes_the_place_of_the_old_one_among_the_unseen_classes():
    data = SimpleNamespace(
        class_attributes=torch.tensor([[1.0, 0, 0, 9], [0, 1, 0, 9]]), unseen=np.array([0, 1])
    )
    evidence = np.array([[2.0, 1], [1, 2]])

    def named(column):
        return held_out.are_named(evidence, np.array(column), 0, data, None).tolist()

    assert named([1.0, 0]) == [True, False]
    assert named([0, 5.0]) == [True, True]
    assert named([-1.0, -1]) == [False, False]


def test_a_description_names_what_most_images_show_the_most_common_first():
    ways = held_out.ways_to_describe(
        "TankFarm", ["a.png", "b.png"], np.array([0.6, 0.1, 0.9]), ["soil", "snow", "tanks"]
    )
    assert {way: new.words for way, new in ways.items()} == {
        "by name": "tank farm",
        "by description": "tanks, soil",
        "by 2 pictures": "",
    }
    assert ways["by 2 pictures"].pictures == (
        "a.png",
        "b.png",
    ) and "by description" not in held_out.ways_to_describe("TankFarm", [], None, [])


def test_every_unseen_class_is_measured_on_images_that_do_not_stand_for_it(place, tmp_path, capsys):
    words = [
        "--resume",
        str(place / "run" / "last.safetensors"),
        "--pictures",
        "1",
        "--workers",
        "0",
        "--device",
        "cpu",
        "--output",
        str(tmp_path / "x.json"),
    ]
    held_out.main(words)
    result = json.loads((tmp_path / "x.json").read_text())
    assert [(row["class"], row["images"]) for row in result["classes"]] == [("class0", 2), ("class1", 2)]
    assert result["chance"] == 50 and list(result["mean"]) == ["run's own", "by name", "by 1 pictures"]
    assert (
        result["mean"]["by name"] == np.mean([row["by name"] for row in result["classes"]], axis=0).tolist()
    )
    rightly, wrongly = zip(*(row["run's own"] for row in result["classes"]))
    assert all(0 <= share <= 100 for share in (*rightly, *wrongly))
    assert "chance: 50.0" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        held_out.main([*words, "--pictures", "3"])
    assert "--pictures 3 takes them all" in capsys.readouterr().err


@pytest.mark.parametrize("branch", ["projection", "attention", "window", "projection+window"])
@pytest.mark.parametrize("decorrelated", [False, True])
def test_evidence_times_class_vectors_is_the_class_scores_of_the_network(place, branch, decorrelated):
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    run.branch = branch
    run.windows = "window" in branch
    run.model.pro_weight = 0.5
    data = run.dataset.load()
    if decorrelated:
        for name in ("projection", "attention"):
            discriminant = Discriminant(len(data.class_attributes))
            discriminant.fit(torch.randn(40, len(data.class_attributes)), torch.arange(40) % 3, 0.5)
            run.model.discriminants[name] = discriminant
    images = data.splits["test_unseen_loc"]
    evidence = held_out.evidence_of(run, data, images, batch_size=3, workers=0)
    pixels = torch.stack([load_image(data.image_paths[i], run.preprocessing) for i in images])
    scores = run.class_scores(run.look(pixels, data.class_attributes))
    vectors = class_vectors(data.class_attributes.numpy(), run.discriminant)
    np.testing.assert_allclose(evidence @ vectors, scores, rtol=1e-3, atol=1e-5)
