"""Each term of the loss against a formula written out by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from dsva.losses import Criterion, compactness, grid_distances
from dsva.network import Output
from runs.options import LOSS_WEIGHTS

GROUPS = [[0, 2], [1]]
GRID = 2


@pytest.fixture
def batch():
    torch.manual_seed(0)
    final = torch.randn(2, 4)
    out = Output(
        projection=final,
        final=final,
        attention=torch.randn(2, 4),
        attributes_projection=torch.randn(2, 3),
        attributes_attention=torch.randn(2, 3),
        maps=torch.randn(2, 3, 2, 2),
        window=torch.randn(2, 4),
    )
    model = SimpleNamespace(prototypes=torch.randn(3, 5), linear=SimpleNamespace(weight=torch.randn(3, 5)))
    return out, torch.tensor([1, 3]), torch.randn(3, 4), model


def entropy_by_hand(scores, labels):
    """-log softmax(scores)[label], averaged; scores and labels are plain lists."""
    losses = [math.log(sum(math.exp(s) for s in row)) - row[label] for row, label in zip(scores, labels)]
    return sum(losses) / len(losses)


def softmax_by_hand(logits):
    return [[math.exp(v) / sum(math.exp(w) for w in row) for v in row] for row in logits]


def group_norms_by_hand(vectors):
    return sum(
        math.sqrt(sum(sum(vectors[a][d] ** 2 for a in group) + 1e-8 for d in range(5))) for group in GROUPS
    )


def compactness_by_hand(maps):
    total = 0.0
    for image in maps:
        for grid in image:
            cells = [(r, c) for r in range(2) for c in range(2)]
            peak = max(cells, key=lambda cell: grid[cell[0]][cell[1]])
            total += sum(
                ((r - peak[0]) ** 2 + (c - peak[1]) ** 2) / (1 + math.exp(-grid[r][c])) for r, c in cells
            )
    return total


def by_hand(out, labels, class_attributes, model):
    labels, M = labels.tolist(), class_attributes.tolist()

    def regression(attributes):
        return (
            sum(
                (row[a] - M[a][label]) ** 2
                for row, label in zip(attributes.tolist(), labels)
                for a in range(3)
            )
            / 6
        )

    return {
        "xe": entropy_by_hand(softmax_by_hand(out.final.tolist()), labels),
        "l_xe": entropy_by_hand(softmax_by_hand(out.attention.tolist()), labels),
        "xe_pro": entropy_by_hand(softmax_by_hand(out.window.tolist()), labels),
        "attri": regression(out.attributes_projection),
        "l_attri": regression(out.attributes_attention),
        "regular": group_norms_by_hand(model.linear.weight.tolist()),
        "l_regular": group_norms_by_hand(model.prototypes.tolist()),
        "cpt": compactness_by_hand(out.maps.tolist()),
    }


def formula_of(term, batch) -> float:
    """What `by_hand` says of a term."""
    formulas = by_hand(*batch)
    assert term in formulas, (
        f"the loss term {term!r} has no formula yet: write it in plain Python, without torch, "
        "into by_hand() of tests/dsva/test_losses.py"
    )
    return formulas[term]


def test_every_term_has_a_weight_and_every_weight_a_term(batch):
    terms = Criterion({}, GROUPS, grid=GRID)(*batch, full=True)
    assert terms.keys() == LOSS_WEIGHTS.keys(), (
        "a loss term needs an entry in Criterion.forward of model/dsva/losses.py, and its weight in "
        "LOSS_WEIGHTS of model/runs/options.py"
    )


def test_a_new_term_without_a_formula_is_told_what_to_write(batch):
    with pytest.raises(AssertionError, match="'spread' has no formula yet: write it .* into by_hand"):
        formula_of("spread", batch)


@pytest.mark.parametrize("term", LOSS_WEIGHTS)
def test_term_is_its_weight_times_its_formula(batch, term):
    out, labels, class_attributes, model = batch
    terms = Criterion({term: 0.3}, GROUPS, grid=GRID)(out, labels, class_attributes, model, full=True)
    assert terms[term].item() == pytest.approx(0.3 * formula_of(term, batch), rel=1e-5)
    assert all(value == 0 for name, value in terms.items() if name != term)


def test_logits_are_the_papers_cross_entropy(batch):
    out, labels, class_attributes, model = batch
    terms = Criterion({"xe": 1.0}, GROUPS, xe_on="logits", grid=GRID)(
        out, labels, class_attributes, model, full=True
    )
    assert terms["xe"].item() == pytest.approx(entropy_by_hand(out.final.tolist(), labels.tolist()), rel=1e-5)


def test_without_groups_the_norms_are_plain(batch):
    out, labels, class_attributes, model = batch
    terms = Criterion({"regular": 1.0}, None, grid=GRID)(out, labels, class_attributes, model, full=True)
    assert terms["regular"].item() == pytest.approx(model.linear.weight.square().sum().sqrt().item())


def test_compactness_waits_for_the_full_stage(batch):
    assert Criterion({"cpt": 1.0}, GROUPS, grid=GRID)(*batch, full=False)["cpt"] == 0


def test_window_term_needs_windows(batch):
    out, labels, class_attributes, model = batch
    out.window = None
    assert (
        Criterion({"xe_pro": 1.0}, GROUPS, grid=GRID)(out, labels, class_attributes, model, full=True)[
            "xe_pro"
        ]
        == 0
    )


def test_a_single_peak_is_more_compact_than_two():
    one, two = torch.full((1, 1, 5, 5), -9.0), torch.full((1, 1, 5, 5), -9.0)
    one[..., 0, 0], one[..., 0, 1] = 5, 4
    two[..., 0, 0], two[..., 4, 4] = 5, 4
    assert compactness(one, grid_distances(5)) < compactness(two, grid_distances(5))


def test_distance_is_in_cells():
    assert grid_distances(3)[0].tolist() == [0, 1, 4, 1, 2, 5, 4, 5, 8]
