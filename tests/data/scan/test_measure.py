"""Which pairs of a long sequence are measured."""

import dataclasses
import itertools
import math

import pytest

from tests.data.scan.films import film, travelling
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.scan.measure import chosen_frames, measure_sequence


def test_long_sequences_are_sampled_in_chunks():
    chosen = chosen_frames(10_000, 100)
    assert chosen[0] == 0
    assert chosen[-1] == 9_999
    assert 100 <= len(chosen) <= 120
    assert sum(b - a == 1 for a, b in itertools.pairwise(chosen)) == 100
    assert chosen_frames(101, 100) == list(range(101))


@pytest.mark.parametrize("stride", [1, 30])
def test_what_lies_across_a_gap_is_no_motion(tmp_path, stride):
    """Frames are as far apart as usual, whatever that is; across a gap nothing is measured."""
    manifest = resolve_input(film(tmp_path / "gap", travelling(12)), split=False)
    rows = [dataclasses.replace(row, position=stride * (row.position + 500 * (row.position > 5))) for row in manifest]
    measures = measure_sequence(Manifest(rows, manifest.root), range(12), 100)
    assert [pair.apart // stride for pair in measures.pairs] == [1] * 5 + [501] + [1] * 5
    assert [math.isnan(pair.motion) for pair in measures.pairs] == [False] * 5 + [True] + [False] * 5
