"""Names that are written as one word are taken apart, and no others."""

import pytest

from data.joined import split_joined, split_names
from data.names import readable

UC_MERCED = """agricultural airplane baseballdiamond beach buildings chaparral denseresidential forest freeway
    golfcourse harbor intersection mediumresidential mobilehomepark overpass parkinglot river runway
    sparseresidential storagetanks tenniscourt""".split()
AID = """Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential Desert Farmland
    Forest Industrial Meadow MediumResidential Mountain Park Parking Playground Pond Port RailwayStation
    Resort River School SparseResidential Square Stadium StorageTanks Viaduct""".split()


def test_the_names_of_uc_merced():
    split = dict(zip(UC_MERCED, split_names(UC_MERCED)))
    changed = {joined: words for joined, words in split.items() if joined != words}
    assert list(changed.values()) == [
        "baseball diamond",
        "dense residential",
        "golf course",
        "medium residential",
        "mobile home park",
        "parking lot",
        "sparse residential",
        "storage tanks",
        "tennis court",
    ]


def test_the_names_of_aid_in_capitals_and_without():
    in_words = [readable(name) for name in AID]
    assert split_names(in_words) == in_words
    assert split_names([name.lower() for name in AID]) == in_words


@pytest.mark.parametrize(
    "word",
    """farmland grassland overpass underpass freeway airport baseball waterfall seashore roundabout crossroad
    greenhouse lighthouse playground shipyard railway wetland islands cities churches mangroves snowberg
    chaparral aquaculture wastewater boathouses xyzzy 草地 b52""".split(),
)
def test_a_word_that_is_known_or_not_made_of_known_ones_stays(word):
    assert split_names([word, "land", "ground"])[0] == word


def test_the_fewest_words_are_chosen():
    words = {"sea", "ice", "seaice", "field", "icefield"}
    assert split_joined("seaicefield", words) == "seaice field"


def test_other_names_and_more_words_make_parts():
    assert split_names(["zubrovka", "zubrovkafarm"]) == ["zubrovka", "zubrovka farm"]
    assert split_names(["quokkapen", "river"]) == ["quokkapen", "river"]
    assert split_names(["quokkapen", "river"], ["quokka", "pen"]) == ["quokka pen", "river"]
    assert split_names(["quokkapen", "river"], ["quokka", "pen", "quokkapen"]) == ["quokkapen", "river"]


def test_what_ends_like_a_plural_and_is_none():
    assert split_names(["albatross"], ["alba", "tros"]) == ["albatross"]
    assert split_names(["albatanks"], ["alba", "tank"]) == ["alba tanks"]


def test_a_joined_name_in_another_name_does_not_keep_it_joined():
    assert split_names(["golfcourse", "empty golfcourse"]) == ["golf course", "empty golf course"]


def test_where_names_have_two_words_a_word_is_not_made_of_other_names():
    assert split_names(["meadowlark", "horned lark"]) == ["meadowlark", "horned lark"]
    assert split_names(["meadowlark", "lark"]) == ["meadow lark", "lark"]
    assert split_names(["storagetanks", "horned lark"]) == ["storage tanks", "horned lark"]
