import pytest
import torch

from vergence.metrics.ranking import auroc


def test_by_comparing_all_pairs():
    generator = torch.Generator().manual_seed(0)
    score = torch.randint(6, (5, 40), generator=generator).float()  # with many ties
    positive = torch.rand(5, 40, generator=generator) < 0.3
    ours, others = score[positive], score[~positive]
    pairs = (ours[:, None] > others).double() + 0.5 * (ours[:, None] == others).double()
    assert auroc(score, positive).item() == pytest.approx(pairs.mean().item(), abs=1e-12)


@pytest.mark.parametrize(
    ("score", "positive", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([-torch.inf, 0, torch.inf], [0, 0, 1], 1.0),
    ],
)
def test_known_values(score, positive, expected):
    assert auroc(torch.tensor(score), torch.tensor(positive).bool()).item() == expected


def test_invariance_and_many_pixels():
    generator = torch.Generator().manual_seed(1)
    score, positive = torch.rand(200_000, generator=generator), torch.rand(200_000, generator=generator) < 0.01
    value = auroc(score, positive)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(0.5, abs=0.02)
    assert auroc(score.exp(), positive).item() == pytest.approx(value.item(), abs=1e-4)  # exp may make new ties
    assert auroc(-score, positive).item() == pytest.approx(1 - value.item(), abs=1e-9)
    assert auroc(score, ~positive).item() == pytest.approx(1 - value.item(), abs=1e-9)


def test_one_kind_alone_or_none():
    assert auroc(torch.rand(4), torch.ones(4, dtype=torch.bool)).isnan()
    assert auroc(torch.rand(4), torch.zeros(4, dtype=torch.bool)).isnan()
    assert auroc(torch.rand(0), torch.zeros(0, dtype=torch.bool)).isnan()


def test_bad_input():
    with pytest.raises(ValueError, match=r"score has shape \(4,\), positive \(3,\)"):
        auroc(torch.rand(4), torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"torch.int64"):
        auroc(torch.rand(4), torch.zeros(4, dtype=torch.int64))
