"""Hints from where things stand, in a world of a level road and upright things with known inverse depth."""

import torch

from vergence.losses.hint_contacts import contact_candidates
from vergence.losses.hint_proposals import FAMILIES, ClassGroups, propose
from vergence.settings.losses import HintProposalConfig

HEIGHT, WIDTH, HORIZON, FOOT = 60, 40, 20, 45
ROAD, POLE, SIGN, BUILDING, IGNORED = 0, 1, 2, 3, 255


def world() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True and wrong inverse depth (1, 1, H, W) and labels (1, H, W): a pole with a sign on a road, a building behind.

    The pole has taken the building's depth, and the blur reaches one row below its foot.
    """
    rows = torch.arange(HEIGHT, dtype=torch.float32)[:, None].expand(-1, WIDTH)
    truth = ((rows - HORIZON) * 0.01).clamp(min=0.1)  # the building is upright from row 30 on
    labels = torch.where(rows > 30, ROAD, BUILDING).long()
    pole = (slice(15, FOOT + 1), slice(10, 12))
    labels[pole], labels[10:15, 8:14] = POLE, SIGN
    wrong = truth.clone()
    wrong[FOOT + 1, 10:12] = 0.1
    wrong[pole] = 0.1
    truth[pole] = truth[FOOT, 20]
    truth[10:15, 8:14] = truth[FOOT, 20]
    return truth[None, None], wrong[None, None], labels[None]


def member(labels: torch.Tensor, *classes: int) -> torch.Tensor:
    return torch.isin(labels, torch.tensor(classes))


def test_things_are_as_far_as_the_ground_at_their_foot() -> None:
    truth, wrong, labels = world()
    found = contact_candidates(
        wrong, labels, member(labels, ROAD), member(labels, POLE, SIGN), member(labels, POLE, SIGN)
    )
    pole = labels[:, None] == POLE
    # the foot is the first row of ground: one row of inverse depth, 0.01, nearer than the pole's last
    torch.testing.assert_close(found[pole], truth[pole] + 0.01)
    sign = (labels[:, None] == SIGN) & torch.isin(torch.arange(WIDTH), torch.tensor([10, 11]))
    torch.testing.assert_close(found[sign], truth[sign] + 0.01)  # it stands on its pole
    rest = ~pole & ~sign
    assert found[rest].isnan().all()  # the sign beside the pole has the building below it, which is no ground


def test_nothing_is_said_without_ground_below() -> None:
    _, wrong, labels = world()
    everything, nothing = torch.ones_like(labels, dtype=torch.bool), torch.zeros_like(labels, dtype=torch.bool)
    assert contact_candidates(wrong, labels, nothing, everything, nothing).isnan().all()
    standing = torch.full_like(labels, POLE)  # down to the last row
    assert contact_candidates(wrong, standing, nothing, everything, everything).isnan().all()
    one_row = wrong[:, :, :1], labels[:, :1]
    assert contact_candidates(*one_row, everything[:, :1], everything[:, :1], nothing[:, :1]).isnan().all()


def test_ground_that_rises_to_beyond_infinity_gives_no_hint() -> None:
    _, _, labels = world()
    steep = torch.linspace(-2, 4, HEIGHT).exp()[:, None].expand(-1, WIDTH)[None, None].clone()
    found = contact_candidates(steep, labels, member(labels, ROAD), member(labels, POLE), member(labels, POLE))
    assert (found[~found.isnan()] > 0).all()


def test_as_a_family_of_proposals() -> None:
    truth, wrong, labels = world()
    labels[0, 3:6, 30:33] = IGNORED
    found = propose(
        wrong, labels, torch.full_like(wrong, 0.1), HintProposalConfig(families=("contacts",)),
        ClassGroups(foreground=(POLE, SIGN), ground=(ROAD,), standing=(POLE, SIGN)), classes=4,
    )  # fmt: skip
    assert found.family.tolist() == [FAMILIES.index("contacts")]
    pole = labels[:, None] == POLE
    assert found.valid[pole].all()
    assert not found.valid[labels[:, None] == ROAD].any()
    assert not found.valid[labels[:, None] == IGNORED].any()
    torch.testing.assert_close(found.inverse_depth[pole], truth[pole] + 0.01)
