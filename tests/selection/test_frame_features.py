"""Shares of the frames that processes compute."""

import pytest

from vergence.selection.frame_features import Shard


@pytest.mark.parametrize(("frames", "total"), [(10, 3), (2, 5), (0, 2), (7, 1), (100, 7)])
def test_the_shares_are_everything_once_and_even(frames: int, total: int) -> None:
    shares = [list(Shard(number, total).rows(frames)) for number in range(total)]
    assert [row for share in shares for row in share] == list(range(frames))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
