"""Connected components against a flood fill; both ways of joining; ignored pixels, odd sizes, bad input."""

import pytest
import torch
from torch import Tensor

from vergence.geometry import components
from vergence.geometry.components import connected_components


def flood(labels: Tensor, minimum: int) -> Tensor:
    """What connected_components shall give for one image."""
    rows, columns = labels.shape
    result = torch.full((rows, columns), -1)
    seen: set[tuple[int, int]] = set()
    number = 0
    for start in ((y, x) for y in range(rows) for x in range(columns)):
        if start in seen or labels[start] == 255:
            continue
        members, front = [], [start]
        seen.add(start)
        while front:
            y, x = front.pop()
            members.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= near[0] < rows and 0 <= near[1] < columns
                if inside and near not in seen and labels[near] == labels[start]:
                    seen.add(near)
                    front.append(near)
        if len(members) >= minimum:
            for member in members:
                result[member] = number
            number += 1
    return result


def random_labels(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (2, 11, 17), generator=generator)
    if seed % 2:
        labels = labels.repeat_interleave(2, 1).repeat_interleave(3, 2)
    if seed % 3 == 0:
        labels[labels == 2] = 255
    return labels


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("minimum", [1, 4])
def test_flood_fill(seed: int, minimum: int) -> None:
    labels = random_labels(seed)
    regions, bound = connected_components(labels, minimum)
    assert regions.max() < bound
    for image, expected in zip(regions, (flood(one, minimum) for one in labels), strict=True):
        assert torch.equal(image, expected)


def test_spiral_is_one_component() -> None:
    size = 41
    labels = torch.zeros(1, size, size, dtype=torch.uint8)
    y, x, dy, dx, length = 0, 0, 0, 1, size - 1
    labels[0, 0, 0] = 1
    for leg in range(2 * (size // 4) + 2):
        for _ in range(length if leg else size - 1):
            y, x = y + dy, x + dx
            labels[0, y, x] = 1
        dy, dx = dx, -dy
        length -= 2 if leg and leg % 2 == 0 else 0
        if length < 2:
            break
    regions, _ = connected_components(labels, 1)
    assert torch.equal(regions[0], flood(labels[0], 1))


def test_without_asking_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a GPU: fixed shapes and rounds."""
    labels = random_labels(3)
    expected, _ = connected_components(labels, 2)
    monkeypatch.setattr(components, "on_host", lambda _: False)
    assert torch.equal(connected_components(labels, 2)[0], expected)


def test_one_class_everywhere_and_nothing() -> None:
    regions, _ = connected_components(torch.zeros(2, 5, 7, dtype=torch.uint8), 35)
    assert (regions == 0).all()
    assert (connected_components(torch.zeros(2, 5, 7, dtype=torch.uint8), 36)[0] == -1).all()
    assert (connected_components(torch.full((1, 5, 7), 255), 1)[0] == -1).all()
    assert connected_components(torch.zeros(1, 1, 1, dtype=torch.long), 1)[0].item() == 0


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="expected integers"):
        connected_components(torch.zeros(1, 4, 4), 1)
    with pytest.raises(ValueError, match="minimum 0"):
        connected_components(torch.zeros(1, 4, 4, dtype=torch.long), 0)
