"""What a line of predictions.jsonl must be for a prediction to go on behind it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.prediction_lines import FOREIGN, LineForm, table_row

RUN = LineForm({"port", "beach"}, {"ships", "sand"}, True, ("score", "contribution"), ("rest", "lead"))
CLIP = LineForm({"port", "beach"}, {"ships", "sand"}, False, ("share",), ())

OF_RUN = {
    "image": "a.jpg",
    "classes": [
        {"class": "port", "calibrated_score": 0.1, "probability": 0.7},
        {"class": "beach", "calibrated_score": -0.3, "probability": 0.3},
    ],
    "attributes": [{"attribute": "ships", "score": 2.1, "contribution": 0.4}],
    "rest": 1.0,
    "lead": 1.4,
}
OF_CLIP = {
    "image": "a.jpg",
    "classes": [{"class": "port", "probability": 1.0}],
    "attributes": [{"attribute": "ships", "share": 0.2}, {"attribute": "sand", "share": 0.1}],
}
UNREADABLE = {"image": "b.jpg", "error": "it is no picture"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["ships", "port", "a.jpg"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*OF_RUN, "error"]), inner),
    max_leaves=4,
)


def copy_of(line: dict) -> dict:
    return json.loads(json.dumps(line))


def places(value) -> list:
    """All dicts and lists within a line, each with one of its keys."""
    found = []
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places(value[key])]
    return found


def test_what_predict_writes_is_one():
    assert RUN.problem(OF_RUN) == CLIP.problem(OF_CLIP) == ""
    assert RUN.problem(UNREADABLE) == CLIP.problem(UNREADABLE) == ""
    assert RUN.problem({**OF_RUN, "attributes": []}) == ""  # --attributes 0


@pytest.mark.parametrize(("form", "line"), [(RUN, OF_RUN), (CLIP, OF_CLIP), (RUN, UNREADABLE)])
def test_none_may_lack_anything(form, line):
    for place in range(len(places(line))):
        spoilt = copy_of(line)
        inside, key = places(spoilt)[place]
        if isinstance(inside, dict):
            del inside[key]
            assert form.problem(spoilt), spoilt


@pytest.mark.parametrize(("form", "line"), [(RUN, OF_RUN), (CLIP, OF_CLIP), (RUN, UNREADABLE)])
@given(data=st.data(), value=JSON)
def test_with_anything_in_any_place_it_is_refused_or_can_be_read(form, line, data, value):
    spoilt = copy_of(line)
    inside, key = data.draw(st.sampled_from(places(spoilt)))
    inside[key] = value
    if form.problem(spoilt) or "error" in spoilt:
        return
    json.dumps(spoilt, allow_nan=False)
    assert set(table_row(spoilt)) <= set(form.columns(2, 2))
    for entry in spoilt["classes"]:
        assert entry["class"] in form.classes and f"{entry['probability']:6.1%}"
    for entry in spoilt["attributes"]:
        assert entry["attribute"] in form.attributes
        assert all(f"{entry[name]:+.1f}" for name in form.told)


def test_a_line_of_another_kind_of_prediction():
    assert CLIP.problem({**OF_CLIP, "lead": 1.0}) == FOREIGN
    assert CLIP.problem(OF_RUN) == FOREIGN
    assert RUN.problem({**OF_RUN, "attributes": OF_CLIP["attributes"]}) == FOREIGN


def test_a_class_or_an_attribute_that_is_none_of_the_prediction():
    other = copy_of(OF_RUN)
    other["classes"][0]["class"] = "desert"
    assert RUN.problem(other) == FOREIGN
    other = copy_of(OF_RUN)
    other["attributes"][0]["attribute"] = "\x1b[31mships"
    assert RUN.problem(other) == FOREIGN


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, True, None, "0.5"])
def test_what_is_no_finite_number(number):
    for place in range(len(places(OF_RUN))):
        spoilt = copy_of(OF_RUN)
        inside, key = places(spoilt)[place]
        if isinstance(inside[key], float):
            inside[key] = number
            assert RUN.problem(spoilt), spoilt


def test_earlier_versions_are_called_so():
    former = copy_of(OF_RUN)
    for entry in former["classes"]:
        del entry["calibrated_score"]
    assert RUN.problem(former) == "has no calibrated_score: an earlier version wrote it"
    former = copy_of(OF_RUN)
    del former["rest"]
    assert RUN.problem(former).startswith("has no rest and no lead: an earlier version wrote it, and its")


def test_a_row_has_a_column_for_everything():
    columns = RUN.columns(2, 1)
    assert columns[:4] == ["image", "class_1", "calibrated_score_1", "probability_1"]
    assert columns[-6:] == ["attribute_1", "score_1", "contribution_1", "rest", "lead", "error"]
    row = table_row(OF_RUN)
    assert set(row) == set(columns) - {"error"} and row["class_2"] == "beach" and row["contribution_1"] == 0.4
    assert table_row(UNREADABLE) == UNREADABLE
