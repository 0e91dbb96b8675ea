"""Heads of other widths."""

import pytest
import torch
import torch.nn.functional as F

from vergence.models.segmentation_heads import SegmentationHead


@pytest.mark.parametrize(("width", "hidden"), [(64, 32), (24, 40), (16, 16)])
def test_a_head_may_have_other_widths(width: int, hidden: int) -> None:
    head = SegmentationHead({2: 8, 0: 6}, classes=5, width=width, hidden=hidden, dropout=0.0).double().eval()
    levels = {2: torch.rand(1, 8, 4, 6, dtype=torch.float64), 0: torch.rand(1, 6, 16, 24, dtype=torch.float64)}
    parts = [F.conv2d(levels[level], head.project[str(level)].weight) for level in (2, 0)]
    joined = torch.cat([F.interpolate(parts[0], (16, 24), mode="bilinear", align_corners=False), parts[1]], 1)
    assert joined.shape[1] == 2 * width
    inner = F.conv2d(joined, head.hidden[0].weight, padding=1)
    assert inner.shape[1] == hidden
    expected = head.classify(F.relu(inner / (1 + 1e-5) ** 0.5))  # fresh batch norm: mean 0, variance 1
    torch.testing.assert_close(head(levels, (16, 24)), expected)
