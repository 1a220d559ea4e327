"""The benchmark on a tiny tower: it times what it says, and the published order has the same losses."""

import copy
import json
from collections import Counter

import pytest
import torch

from bench import workload
from bench.as_published import AsPublished, as_published
from bench.rows import ROWS
from bench.table import COLUMNS, PUBLISHED_COLUMNS, row_line, three_digits
from bench.workload import Work, pass_flops, time_alternately
from benchmark import generate, get_benchmark_options, main
from clip.checkpoint import use_eager_attention
from dsva.engine import make_optimizer

SMALL = [
    *("--width 32 --layers 2 --heads 2 --image_size 32 --patch_size 8".split()),
    *("--classes 14 --per_class 8 --start_up 140 --matrix 64 --rounds 2".split()),
]
TRAINING = "--n_batch 2 --ways 4 --shots 2 --batch_size 8 --workers 0".split()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    sizes, options = get_benchmark_options([*SMALL, *TRAINING])
    opt = generate(sizes, tmp_path_factory.mktemp("work"), sizes.per_class, options)
    return Work(opt, batches=2, with_published=True)


def test_all_rows(tmp_path, capsys):
    main([*SMALL, *TRAINING, "--as_published", "--json", str(tmp_path / "speed.json")])
    told, printed = json.loads((tmp_path / "speed.json").read_text()), capsys.readouterr().out
    assert [row["name"] for row in told["rows"]] == list(ROWS)
    for row in told["rows"]:
        assert row["seconds"].keys() == (
            {"ours"} if row["name"] == "loading" else {"ours", "tower", "published"}
        )
        assert (
            f"{row['name']:20}{three_digits(1000 * row['seconds']['ours'] / row['batches']):>10}" in printed
        )
    assert {row["name"]: row["images"] for row in told["rows"]} == dict.fromkeys(ROWS, 16)
    assert told["memory"] > 0
    assert "start with 140 images" in printed and told["seconds_to_first_step"] > 0


@pytest.mark.parametrize(
    "name, forward",
    [
        ("warm-up", 2),
        ("warm-up+windows", 4),
        ("evaluation", 2),
        ("evaluation+windows", 4),
        ("full+windows", 4),
    ],
)
def test_ours_passes_through_the_tower_as_often_as_the_bare_tower(work, monkeypatch, name, forward):
    calls = Counter()

    def counted(programs, rounds, device):
        networks = {"published": work.published}
        for who, program in programs.items():
            tower = networks.get(who, work.model).tower
            hook = tower.register_forward_hook(lambda *args, who=who: calls.update([who]))
            program()
            hook.remove()
        return Counter(dict.fromkeys(programs, 0)), {}

    monkeypatch.setattr(workload, "time_alternately", counted)
    work.measure(name, rounds=1)
    assert calls == {
        "ours": forward,
        "tower": forward,
        "published": 4 if "evaluation" in name else forward,
    }  # which always looks twice in a test


def test_an_evaluation_of_kept_tokens_needs_no_tower_after_the_first(work, monkeypatch):
    calls = []

    def counted(programs, rounds, device):
        hook = work.model.tower.register_forward_hook(lambda *args: calls.append(len(args[2][0])))
        programs["ours"]()
        first = len(calls)
        programs["ours"]()
        hook.remove()
        assert len(calls) == first == len(work.testing)
        return {"ours": None}, {"ours": 1.0, "tower": 2.0}

    monkeypatch.setattr(workload, "time_alternately", counted)
    assert work.measure("evaluation+kept", rounds=1).passes == 0


def test_other_losses_than_in_the_published_order_are_an_error(work, monkeypatch):
    monkeypatch.setattr(AsPublished, "crop", lambda self, images, boxes: images)
    with pytest.raises(AssertionError, match=r"full\+windows: the loss is"):
        work.measure("full+windows", rounds=1)


def test_the_published_order_gives_the_same_numbers(work):
    """In double precision, in which nothing hides behind rounding."""
    ours = copy.deepcopy(work.model).double()
    published = as_published(ours)
    images, _ = work.training[0]
    images, candidates = images.double(), work.data.class_attributes.double()
    for network in (ours, published):
        network.learn(everything=False)
        network.train()
    out = ours(images, candidates, windows=True)
    expected = published(images, candidates, windows=True)
    torch.testing.assert_close(out.final, expected.final, rtol=1e-9, atol=1e-9)
    assert torch.equal(out.boxes, expected.boxes)
    assert out.maps.grad_fn is not None and not ours.encode(images).requires_grad
    optimizer = make_optimizer(published, False, 1e-3, (0.5, 0.999))
    assert published.encode(images).requires_grad and len(optimizer.param_groups[0]["params"]) == 3


def test_programs_alternate():
    order = []
    first, seconds = time_alternately(
        {"a": lambda: order.append("a") or 1, "b": lambda: order.append("b") or 2}, 2, torch.device("cpu")
    )
    assert order == ["a", "b"] * 3 and first == {"a": 1, "b": 2} and seconds.keys() == {"a", "b"}


def test_flops_of_a_pass(work):
    flop_counter = pytest.importorskip("torch.utils.flop_counter")
    use_eager_attention(work.model.tower, torch.device("cpu"))  # whose products are counted
    with flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        work.model.encode(torch.zeros(1, 3, 32, 32, device=next(work.model.parameters()).device))
    assert counter.get_total_flops() == pytest.approx(pass_flops(work.model.tower.config), rel=1e-3)


def test_columns_stand_below_each_other_whatever_a_row_lacks():
    seconds = {"ours": 1.0, "tower": 2.0, "published": 3.0}
    lines = []
    for passes in (0, 3):
        for lacks in ((), ("tower",)):
            there = {who: value for who, value in seconds.items() if who not in lacks}
            lines.append(row_line(workload.Row("a row", 1, 64, passes, there), 1e9, 1e12))
    head = COLUMNS + PUBLISHED_COLUMNS
    assert {len(line) for line in lines} == {len(head)}
    assert all(line.endswith("3000   3.00") for line in lines)
