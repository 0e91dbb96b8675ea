"""Votes of carried labels and the trust in their sum."""

import pytest
import torch

from vergence.motion.confidence import IGNORED, Trust, add_votes, decide, probability, vote_weight
from vergence.motion.track import advance, begin, pixel_positions


def test_votes_are_shared_bilinearly_and_ignored_pixels_do_not_vote() -> None:
    label = torch.tensor([[0, 1], [2, IGNORED]], dtype=torch.uint8)
    votes = torch.zeros(3, 2, 2)
    position = torch.full((2, 2, 2), 0.25)
    add_votes(votes, label, position, torch.ones(2, 2))
    assert votes[:, 0, 0].tolist() == pytest.approx([0.5625, 0.1875, 0.1875])


def test_labels_of_another_size_are_met_at_their_own_pixels() -> None:
    label = torch.zeros(8, 8, dtype=torch.uint8)
    label[:, 4:] = 1
    votes = torch.zeros(2, 4, 4)
    add_votes(votes, label, pixel_positions(torch.zeros(4, 4)), torch.ones(4, 4))
    assert votes[1].tolist() == [[0, 0, 1, 1]] * 4


def test_agreement_outranks_disagreement_and_nothing_is_no_label() -> None:
    votes = torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.4, 0.0]]).view(2, 1, 3)
    label, score = decide(votes, torch.tensor([[1.0, 1.0, 0.0]]), Trust(agreement=2.0))
    assert label.tolist() == [[0, 0, IGNORED]]
    assert score[0].tolist() == pytest.approx([1.0, 0.36, 0.0])


def test_weight_falls_with_every_kind_of_evidence() -> None:
    frame = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    still = begin(24, 32)
    none = torch.zeros(2, 24, 32)
    missed = advance(still, none, none + 3)
    whole = vote_weight(still, frame, frame, 0.0, Trust())
    assert torch.allclose(whole, torch.ones(24, 32), atol=1e-4)
    for other in (
        vote_weight(still, frame, frame, 1.0, Trust()),
        vote_weight(still, frame, frame.roll(1, 2), 0.0, Trust()),
        vote_weight(missed, frame, frame, 0.0, Trust()),
    ):
        assert (other[4:-4, 4:-4] < 1).all()


def test_probability_rises_with_the_score_between_one_half_and_one() -> None:
    found = probability(torch.linspace(0, 1, 101))
    assert (found.diff() >= 0).all()
    assert found[0] >= 0.4
    assert found[-1] == 1
    assert probability(torch.tensor([0.19])).item() == pytest.approx(0.79)
