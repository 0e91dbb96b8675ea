"""Several processes of one run find what one process would."""

import pytest
import torch

from vergence.errors import InputError
from vergence.runs.processes import ALONE, Processes, ProcessLost, lost_process_said


@pytest.mark.parametrize("count", [0, 1, 2, 7, 16, 33])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_one_after_the_other_are_everything(count: int, world: int) -> None:
    shares = [Processes(rank, world).share(range(count), batch=8) for rank in range(world)]
    assert [item for share in shares for item in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 8
    if count >= world:
        assert min(map(len, shares)) > 0


def test_shares_keep_whole_batches_where_there_are_enough() -> None:
    assert [len(Processes(rank, 2).share(range(40), batch=8)) for rank in range(2)] == [16, 24]


def test_an_error_of_collectives_is_a_sentence_and_others_stay() -> None:
    said = r"another process of runs/a was lost .* --resume runs/a goes on"
    with pytest.raises(ProcessLost, match=said), lost_process_said(Processes(0, 2), "runs/a"):
        raise RuntimeError("[/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:8470")
    with pytest.raises(RuntimeError, match="shapes"), lost_process_said(Processes(0, 2), "runs/a"):
        raise RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="gloo"), lost_process_said(ALONE, "runs/a"):
        raise RuntimeError("gloo")


def test_alone_there_is_nothing_to_gather() -> None:
    assert ALONE.gather(3) == [3]
    assert ALONE.together(lambda: 4) == [4]
    with pytest.raises(InputError, match="broken"):
        ALONE.together(_refuse)
    ALONE.share_buffers(torch.nn.BatchNorm2d(2))


def _refuse() -> int:
    raise InputError("broken")
