"""Votes of carried labels and the trust in their sum."""

import math
from collections.abc import Callable

import pytest
import torch

from vergence.motion.confidence import (
    IGNORED,
    Trust,
    decide,
    probability,
    probability_of_arrival,
    vote_weight,
    votes_around,
)
from vergence.motion.track import advance, begin, pixel_positions


def test_pixels_around_vote_by_nearness_and_unlabelled_ones_keep_their_share() -> None:
    label = torch.tensor([[0, 1], [2, IGNORED]], dtype=torch.uint8)
    grey, at = torch.full((3, 2, 2), 0.5), pixel_positions(torch.zeros(2, 2))
    votes, alike = votes_around(grey, label, at, grey, 3, Trust())
    near, beside, across = (math.exp(-far / (2 * 1.5**2)) for far in (0, 1, 2))
    # of the 25 places around the corner those outside stand for the border's pixels: 3 x 3, 3 x 2, 2 x 3, 2 x 2 of them
    shares = torch.tensor([9 * near, 6 * beside, 6 * beside, 4 * across])
    assert votes[:, 0, 0].argmax() == 0
    assert float(votes[:, 0, 0].sum()) == pytest.approx(float(1 - shares[3] / shares.sum()), abs=1e-6)
    assert torch.equal(alike, torch.ones(2, 2))


def test_colours_tell_on_which_side_of_a_border_a_pixel_is() -> None:
    red, blue = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.8])
    side = torch.arange(12).expand(8, 12) >= 6
    picture = torch.where(side, blue[:, None, None], red[:, None, None])
    off = pixel_positions(picture) + torch.tensor([1.4, -0.7]).view(2, 1, 1)  # tracks that miss by more than a pixel
    votes, alike = votes_around(picture, side.byte(), off, picture, 2, Trust())
    assert torch.equal(votes.argmax(0), side.long())
    assert votes.amax(0).min() > 0.99
    assert alike.min() > 0.999
    other = torch.tensor([0.1, 0.8, 0.1])[:, None, None].expand(3, 8, 12)  # a colour that is nowhere in the key
    assert (votes_around(picture, side.byte(), off, other, 2, Trust())[1] < 0.01).all()


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


@pytest.mark.parametrize("told", [probability, probability_of_arrival])
def test_probability_rises_between_one_half_and_one(told: Callable[[torch.Tensor], torch.Tensor]) -> None:
    found = told(torch.linspace(0, 1, 101))
    assert (found.diff() >= 0).all()
    assert found[0] >= 0.5
    assert found[-1] == 1
    assert told(torch.tensor([0.25])).item() == pytest.approx({probability: 0.976, probability_of_arrival: 0.876}[told])
