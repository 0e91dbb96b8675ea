"""Which pairs of a long sequence are measured."""

import itertools

from vergence.data.scan.measure import chosen_frames


def test_long_sequences_are_sampled_in_chunks():
    chosen = chosen_frames(10_000, 100)
    assert chosen[0] == 0
    assert chosen[-1] == 9_999
    assert 100 <= len(chosen) <= 120
    assert sum(b - a == 1 for a, b in itertools.pairwise(chosen)) == 100
    assert chosen_frames(101, 100) == list(range(101))
