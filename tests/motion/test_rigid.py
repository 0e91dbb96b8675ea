"""Flow of a still scene from depth and pose, and the choice between two flows."""

import pytest
import torch

from vergence.motion.rigid import better_explained, rigid_flow

CAMERA = torch.tensor([[40.0, 0, 15.5], [0, 40.0, 11.5], [0, 0, 1]])


def test_a_plane_seen_from_the_side_moves_by_focal_length_times_shift_over_depth() -> None:
    motion = torch.eye(4)
    motion[0, 3] = 0.5
    flow = rigid_flow(torch.full((24, 32), 10.0), CAMERA, motion)
    assert flow[0].mean().item() == pytest.approx(40 * 0.5 / 10, abs=1e-4)
    assert flow[1].abs().max() < 1e-4


def test_what_comes_to_lie_behind_the_camera_moves_far_outside() -> None:
    motion = torch.eye(4)
    for ahead in (-20.0, -10.0):  # behind it, seen through it upside down; in its plane
        motion[2, 3] = ahead
        flow = rigid_flow(torch.full((24, 32), 10.0), CAMERA, motion)
        assert flow.isfinite().all()
        assert (flow.abs().amax(0) == 64).all()


def test_each_pixel_takes_the_flow_that_finds_its_colour() -> None:
    frame = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(1))
    other = torch.cat([frame[:, :, :16].roll(2, 2), frame[:, :, 16:]], dim=2)  # the left half moved by two pixels
    moved = torch.zeros(2, 24, 32)
    moved[0] = 2
    still = torch.zeros(2, 24, 32)
    chosen = better_explained((moved, -moved), (still, still), frame, other)
    assert (chosen[0, :, 4:11] == 2).float().mean() > 0.9
    assert (chosen[0, :, 20:] == 0).all()


@pytest.mark.parametrize("lost", ["flow", "rigid"])
def test_where_colours_say_nothing_what_comes_back_wins(lost: str) -> None:
    frame = torch.full((3, 24, 32), 0.5)
    flow, rigid = torch.zeros(2, 24, 32), torch.zeros(2, 24, 32)
    flow[0], rigid[0] = 2.0, 3.0
    backs = {"flow": -flow, "rigid": -rigid}
    backs[lost] = backs[lost] + 1.5
    chosen = better_explained((flow, backs["flow"]), (rigid, backs["rigid"]), frame, frame)
    assert (chosen[0] == (3.0 if lost == "flow" else 2.0)).all()
