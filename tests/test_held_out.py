"""A class that is held out and added again: what is measured of it."""
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import held_out
from test_predict import place  # noqa: F401  a fixture: a described dataset and a run


def test_a_new_column_takes_the_place_of_the_old_one_among_the_unseen_classes():
    data = SimpleNamespace(class_attributes=torch.tensor([[1.0, 0, 0, 9], [0, 1, 0, 9]]), unseen=np.array([0, 1]))
    scores = np.array([[2.0, 1], [1, 2]])
    assert held_out.named(scores, np.array([1.0, 0]), 0, data).tolist() == [True, False]
    assert held_out.named(scores, np.array([0, 5.0]), 0, data).tolist() == [True, True]
    assert held_out.named(scores, np.array([-1.0, -1]), 0, data).tolist() == [False, False]


def test_a_description_names_what_most_images_show_the_most_common_first():
    ways = held_out.ways("TankFarm", ["a.png", "b.png"], np.array([0.6, 0.1, 0.9]), ["soil", "snow", "tanks"])
    assert {way: new.words for way, new in ways.items()} == {"by name": "tank farm", "by description": "tanks, soil", "by 2 pictures": ""}
    assert ways["by 2 pictures"].pictures == ("a.png", "b.png") and "by description" not in held_out.ways("TankFarm", [], None, [])


def test_every_unseen_class_is_measured_on_images_that_do_not_stand_for_it(place, tmp_path, capsys):  # noqa: F811
    words = ["--resume", str(place / "run" / "last.safetensors"), "--pictures", "1", "--workers", "0", "--device", "cpu", "--output", str(tmp_path / "x.json")]
    held_out.main(words)
    result = json.loads((tmp_path / "x.json").read_text())
    assert [(row["class"], row["images"]) for row in result["classes"]] == [("class0", 2), ("class1", 2)]
    assert result["chance"] == 50 and list(result["mean"]) == ["run's own", "by name", "by 1 pictures"]
    assert result["mean"]["by name"] == np.mean([row["by name"] for row in result["classes"]], axis=0).tolist()
    rightly, wrongly = zip(*(row["run's own"] for row in result["classes"]))
    assert all(0 <= share <= 100 for share in (*rightly, *wrongly))
    assert "chance: 50.0" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        held_out.main([*words, "--pictures", "3"])
    assert "--pictures 3 takes them all" in capsys.readouterr().err
