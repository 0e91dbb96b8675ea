"""When a claim is confirmed, refuted, undecided, thrown out; that runs are resumed and never run twice; the page."""

from dataclasses import replace

import pytest

from benchmarks.claims import state
from benchmarks.claims.__main__ import complete
from benchmarks.claims.claim import Claim, Comparison, gains, head_room, interval, judged, verdict
from benchmarks.claims.page import in_points, overview, picture, section
from benchmarks.claims.registry import CLAIMS


def claim_of(values: dict[str, float], seeds: int = 4, **changes) -> Claim:
    """Variants score these values, with a spread over seeds that pairs share."""

    def run(lab: object, variant: str, seed: int) -> dict:
        lab.append((variant, seed))
        return {"miou": values[variant] + 0.05 * (seed % 3) + 0.001 * seed * (variant == "new")}

    claim = Claim(
        "made_up", "New is better than old.", "Invented.", ("old", "new"), (Comparison("new", "old"),), seeds, run,
        seconds=1, few="old", full="all",
    )  # fmt: skip
    return replace(claim, **changes)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.claims.__main__.write_page", lambda claims: None)
    return tmp_path


def test_interval_is_students() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.seeds) == (2.0, 3)
    assert found.high - found.mean == pytest.approx(4.303 / 3**0.5)
    assert interval([0.5] * 40).low == 0.5
    assert judged(interval([0.3]), 1) == "undecided"  # one seed says nothing
    assert judged(interval([]), 8) == "not run"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"old": 0.3, "new": 0.35, "all": 0.5}, "confirmed"),
        ({"old": 0.3, "new": 0.2, "all": 0.5}, "refuted"),
        ({"old": 0.3, "new": 0.2985, "all": 0.5}, "undecided"),
        ({"old": 0.3, "new": 0.4, "all": 0.34}, "thrown out"),
    ],
)
def test_verdicts(results, values: dict[str, float], said: str) -> None:
    claim, lab = claim_of(values), []
    complete(claim, lab, hours=1)
    rows = state.rows_of(claim)
    assert verdict(claim, rows) == said
    if said == "thrown out":  # nothing but the gate was run
        assert {variant for variant, _ in lab} == {"old", "all"}
        assert "thrown out" in section(claim, rows)
    else:
        assert len(lab) == len(set(lab)) == 4 * 2 + 3


def test_a_claim_is_not_decided_before_all_seeds_are_there(results) -> None:
    claim, lab = claim_of({"old": 0.3, "new": 0.4, "all": 0.5}), []
    short = replace(claim, seeds=3)
    complete(short, lab, hours=1)
    rows = state.rows_of(claim)
    assert verdict(claim, rows) == "undecided"
    assert "about" in overview([(claim, rows)])


def test_runs_are_gone_on_with_and_the_budget_holds(results, monkeypatch) -> None:
    claim, lab = claim_of({"old": 0.3, "new": 0.4, "all": 0.5}), []
    complete(replace(claim, seeds=2), lab, hours=1)
    before = len(lab)
    complete(replace(claim, seeds=3), lab, hours=1)
    assert len(lab) == len(set(lab)) > before
    monkeypatch.setattr("benchmarks.claims.__main__.CLAIMS", (claim,))
    complete(claim, lab, hours=-1)
    assert verdict(claim, state.rows_of(claim)) == "undecided"


def test_smaller_is_better_where_it_is_said() -> None:
    rows = [
        {"variant": name, "seed": str(seed), "abs_rel": str(value + seed)}
        for seed in range(4)
        for name, value in (("old", 0.3), ("new", 0.25))
    ]
    comparison = Comparison("new", "old", "abs_rel", lower=True)
    assert gains(rows, comparison) == pytest.approx([0.05] * 4)
    assert in_points(interval(gains(rows, comparison))) == "+5.0 (+5.0 to +5.0)"
    assert gains(rows[:-1], comparison) == pytest.approx([0.05] * 3)  # a seed without its pair does not count


def test_the_page_says_what_was_not_run() -> None:
    claim = claim_of({})
    assert "Not run. 11 runs" in section(claim, [])
    assert "not run" in overview([(claim, [])])
    assert picture([(claim, [])]).startswith("<svg")


def test_registered_claims_are_sound() -> None:
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        named = {name for one in claim.comparisons for name in (one.better, one.worse)}
        assert named <= {*claim.variants, claim.few, claim.full}
        assert claim.seeds >= 8
        assert bool(claim.few) == bool(claim.full)
        assert head_room(claim, []) is None
