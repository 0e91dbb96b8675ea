"""How well a score ranks some pixels above others: the area under the receiver operating characteristic."""

import torch
from torch import Tensor


def auroc(score: Tensor, positive: Tensor) -> Tensor:
    """Probability that a positive has a higher score than a negative, both drawn at random; ties count half.

    0.5 is a score that knows nothing, 1 one that puts every positive above every negative. Exact (Mann and Whitney's U
    by mean ranks), in O(N log N).

    Args:
        score: of any shape and dtype, without NaN.
        positive: bool of the same shape.

    Returns:
        Scalar float64 on the device of the score; NaN where there is no positive or no negative.
    """
    if score.shape != positive.shape or positive.dtype != torch.bool:
        raise ValueError(
            f"score has shape {tuple(score.shape)}, positive {tuple(positive.shape)} and {positive.dtype}, expected "
            "one shape and torch.bool"
        )
    _, place, counts = torch.unique(score.detach().flatten(), return_inverse=True, return_counts=True)
    chosen = positive.flatten()
    mean_rank = counts.cumsum(0).double() - (counts.double() - 1) / 2  # from 1, of each distinct score
    positives = chosen.sum().double()
    above = mean_rank[place[chosen]].sum() - positives * (positives + 1) / 2
    return above / (positives * (chosen.numel() - positives))
