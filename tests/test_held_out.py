"""A class that is held out and added again: what is measured of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import held_out
from data.pipeline import SceneImages, normalize
from dsva.discriminant import Discriminant
from inference.classifier import turning
from inference.new_classes import Turning
from runs.build import load_saved
from runs.options import BRANCH, needs_windows
from test_predict import place  # noqa: F401  a fixture: a described dataset and a run


def test_a_new_column_takes_the_place_of_the_old_one_among_the_unseen_classes():
    data = SimpleNamespace(
        class_attributes=torch.tensor([[1.0, 0, 0, 9], [0, 1, 0, 9]]), unseen=np.array([0, 1])
    )
    scores, as_it_is = np.array([[2.0, 1], [1, 2]]), Turning()
    assert held_out.named(scores, np.array([1.0, 0]), 0, data, as_it_is).tolist() == [True, False]
    assert held_out.named(scores, np.array([0, 5.0]), 0, data, as_it_is).tolist() == [True, True]
    assert held_out.named(scores, np.array([-1.0, -1]), 0, data, as_it_is).tolist() == [False, False]


def test_a_description_names_what_most_images_show_the_most_common_first():
    ways = held_out.ways("TankFarm", ["a.png", "b.png"], np.array([0.6, 0.1, 0.9]), ["soil", "snow", "tanks"])
    assert {way: new.words for way, new in ways.items()} == {
        "by name": "tank farm",
        "by description": "tanks, soil",
        "by 2 pictures": "",
    }
    assert ways["by 2 pictures"].pictures == ("a.png", "b.png") and "by description" not in held_out.ways(
        "TankFarm", [], None, []
    )


def test_every_unseen_class_is_measured_on_images_that_do_not_stand_for_it(place, tmp_path, capsys):  # noqa: F811
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


@pytest.mark.parametrize("branch", ["main", "layer"])
def test_attribute_scores_times_the_classes_directions_are_the_networks_class_scores(place, tmp_path, branch):  # noqa: F811
    """Also where they are decorrelated."""
    run, data, model = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    run.sel_res = branch
    model.discriminants = torch.nn.ModuleDict(
        {branch: Discriminant(len(data.class_attributes)) for branch in ("projection", "attention")}
    )
    for discriminant in model.discriminants.values():
        discriminant.fit(torch.randn(40, len(data.class_attributes)), torch.arange(40) % 3, 0.5)
    images = data.splits["test_unseen_loc"]
    scores = held_out.attribute_scores(SimpleNamespace(batch_size=3, workers=0), run, data, model, images)
    pixels = torch.stack([SceneImages(data, model.tower.config.image_size)[i][0] for i in images])
    with torch.no_grad():
        said = getattr(
            model(normalize(pixels, run.normalize), data.class_attributes, needs_windows(run, run.epoch)),
            BRANCH[branch],
        )
    np.testing.assert_allclose(
        scores @ turning(run, model)(data.class_attributes.numpy()), said, rtol=1e-3, atol=1e-5
    )
