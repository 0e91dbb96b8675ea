"""Orders and steps: golden facts 20 and 21, even spread of every beginning, duplicates."""

import numpy as np

from vergence.selection.orders import (
    default_steps,
    first_of_each,
    random_order,
    spread_order,
    top_scores,
    uniform_order,
)


def test_golden_facts_20_and_21() -> None:
    assert random_order(2975, 42)[:6] == [2403, 2865, 2159, 507, 2462, 1235]
    assert random_order(2975, 43)[:6] == [938, 884, 2730, 1559, 1385, 1704]
    assert random_order(2975, 44)[:6] == [1436, 922, 1710, 223, 1058, 558]
    assert [random_order(367, seed)[0] for seed in (42, 43, 44)] == [193, 59, 230]


def test_spread_is_a_permutation_whose_beginnings_are_even() -> None:
    for total in (1, 2, 3, 5, 8, 37, 100):
        order = spread_order(total)
        assert sorted(order) == list(range(total))
        for count in (1, 3, 7, 15):
            if count <= total:
                places = np.sort([-1, *order[:count], total])
                assert np.diff(places).max() <= total / (count + 1) + 1


def test_uniform_takes_turns_in_proportion_and_follows_time() -> None:
    groups = ["a"] * 40 + ["b"] * 20 + ["c"] * 4
    times = [*range(40), *range(19, -1, -1), *range(4)]
    order = uniform_order(groups, times)
    assert sorted(order) == list(range(64))
    for count in (8, 16, 32):
        shares = [sum(groups[row] == name for row in order[:count]) / count for name in "abc"]
        assert np.allclose(shares, [40 / 64, 20 / 64, 4 / 64], atol=1 / count)
    assert [times[row] for row in order if groups[row] == "b"][:3] == [10, 5, 15]


def test_top_scores_are_stable_and_allowed() -> None:
    scores = np.array([1.0, 3.0, 3.0, 2.0, 9.0])
    allowed = np.array([True, True, True, True, False])
    assert top_scores(scores, 3, allowed) == [1, 2, 3]
    assert top_scores(scores, 9, allowed) == [1, 2, 3, 0]


def test_steps() -> None:
    assert default_steps(744) == [25, 50, 100, 200, 372, 744]
    assert default_steps(100) == [25, 50, 100]
    assert default_steps(60) == [25, 50, 60]
    assert default_steps(4000) == [25, 50, 100, 200, 372, 744, 1488, 2976, 4000]
    assert default_steps(10) == [5, 10]
    assert default_steps(1) == [1]


def test_first_of_each() -> None:
    digests = np.array([5, 7, 5, 8, 7, 9], dtype=np.uint64)
    closed = np.zeros(6, dtype=bool)
    assert first_of_each(digests, closed).tolist() == [True, True, False, True, False, True]
    closed[4] = True  # the second of a pair: its twin goes, too
    assert first_of_each(digests, closed).tolist() == [True, False, False, True, False, True]
