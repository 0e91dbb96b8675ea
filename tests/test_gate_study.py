"""The study of what flywheels keep: each task against the last kept one, and intervals that hold for few rounds."""

import pytest
import torch

from benchmarks.claims.flywheel import numbers_of
from benchmarks.studies import gate_frames
from benchmarks.studies.gate import Decision, as_table, counted, decisions, share


def row(number: int, task: str, kept: bool, value: float) -> dict[str, str]:
    metric = "abs_rel" if task == "depth" else "miou"
    return {"round": str(number), "run": task, "task": task, "kept": str(kept), metric: str(value)}


def test_each_task_is_compared_with_the_last_kept_one() -> None:
    beside = row(1, "depth", True, 0.3) | {"task": "segmentation", "miou": "0.9"}  # classes that depth runs learn
    rows = [
        row(0, "depth", True, 0.5), row(0, "segmentation", True, 0.25), row(1, "depth", False, 0.75), beside,
        row(1, "segmentation", True, 0.5), row(2, "segmentation", True, 0.375), row(2, "depth", True, 0.25),
    ]  # fmt: skip
    assert decisions(rows) == [
        Decision("depth", 1, False, -0.25),
        Decision("depth", 2, True, 0.25),
        Decision("segmentation", 1, True, 0.25),
        Decision("segmentation", 2, True, -0.125),
    ]
    assert decisions([]) == []


def test_rows_of_the_claim_say_what_their_flywheel_said() -> None:
    values = {("depth", 0): 0.5, ("depth", 1): 0.75, ("segmentation", 0): 0.25, ("segmentation", 1): 0.5}
    rows = [
        row(number, task, (task, number) != ("depth", 1), value) | {"pixel_accuracy": "0.75"}
        for (task, number), value in values.items()
    ]
    numbers = numbers_of(rows)
    assert (numbers["abs_rel"], numbers["miou"]) == (0.5, 0.5), "what was not kept is no result"
    assert (numbers["abs_rel round 1"], numbers["depth kept round 1"]) == (0.75, 0.0)
    stored = {key: str(value) for key, value in numbers.items()} | {"depth by video round 1": "1.0"}
    found = decisions(as_table(stored))
    assert found == [Decision("depth", 1, False, -0.25, True), Decision("segmentation", 1, True, 0.25)]
    own, video, classes = counted(found, flywheels=1)
    assert (own["gate"], own["kept"], own["refused and worse"]) == ("as it was", share(0, 1), share(1, 1))
    assert (video["gate"], video["kept and not worse"]) == ("by video", share(0, 1))
    assert (classes["task"], classes["kept and not worse"]) == ("segmentation", share(1, 1))


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [(0, 0, "0 of 0"), (5, 10, "5 of 10 (50 %; 24 to 76)"), (10, 10, "10 of 10 (100 %; 72 to 100)")],
)
def test_a_share_has_its_interval(count: int, of: int, text: str) -> None:
    assert share(count, of) == text


def test_more_frames_and_less_doubt_keep_less_that_is_worse() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.linspace(-0.02, 0.02, 9, dtype=torch.float64)[:, None]
    errors = 0.25 + truth + 0.05 * torch.randn(9, 240, generator=generator, dtype=torch.float64)
    found = {(n, doubt): gate_frames.counted(errors, n, doubt) for n in (10, 80) for doubt in (1.0, -1.0)}
    assert found[10, 1.0]["kept"] > found[10, -1.0]["kept"] > 0
    assert found[10, -1.0]["kept and not worse"] > found[10, 1.0]["kept and not worse"]
    assert found[80, -1.0]["kept and not worse"] > found[80, 1.0]["kept and not worse"] > 0.5
    assert all(one["nearly"] >= one["kept and not worse"] for one in found.values())
    same = gate_frames.counted(errors[:1].repeat(2, 1), 10, -1.0)
    assert same == {"kept": 1.0, "kept and not worse": 1.0, "nearly": 1.0}
