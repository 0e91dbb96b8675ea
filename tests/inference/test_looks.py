"""A picture that was looked at is not looked at again."""

from typing import Any

import numpy as np
import torch

from vergence.inference import looks
from vergence.inference.looks import Looks


class Network:
    """Says the mean of a picture everywhere, and counts how often it is asked."""

    def __init__(self, **others: torch.Tensor) -> None:
        self.asked, self.others = 0, others

    def prepare(self, image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image).float().permute(2, 0, 1)

    def maps(self, images: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        self.asked += 1
        batch = torch.stack(images).mean(1, keepdim=True)
        return {"inverse_depth": batch, **{name: value[None] for name, value in self.others.items()}}


class Stand:
    def __init__(self, network: Network) -> None:
        self.network = network


class Frame:
    def __init__(self, name: str, value: int) -> None:
        self.name, self.image = name, np.full((4, 6, 3), value, np.uint8)


def looks_of(network: Network, named: bool = True) -> Any:
    return Looks(Stand(network), named)  # type: ignore[arg-type]


def test_a_frame_is_looked_at_once_and_says_the_same() -> None:
    network = Network()
    seen = looks_of(network)
    first, again = (seen.inverse_depth(Frame("a", 7)) for _ in range(2))
    assert network.asked == 1
    assert torch.equal(first, torch.full((4, 6), 7.0))
    assert torch.equal(first, again)
    seen.inverse_depth(Frame("b", 9))
    assert network.asked == 2
    assert sorted(seen.maps) == ["a", "b"]


def test_nothing_is_remembered_where_names_do_not_tell_pictures() -> None:
    network = Network()
    seen = looks_of(network, named=False)
    for value in (7, 9):
        assert float(seen.inverse_depth(Frame("a", value)).mean()) == value
    assert network.asked == 2


def test_what_is_large_is_not_held(monkeypatch: Any) -> None:
    monkeypatch.setattr(looks, "_MOST_BYTES", 4 * 6 * 4 * 2.5)  # two frames' depth in float32
    seen = looks_of(Network())
    for name in "abc":
        seen.inverse_depth(Frame(name, 1))
    assert sorted(seen.maps) == ["a", "b"]
    whole = looks_of(Network(classes=torch.zeros(1, 4, 6)))
    whole.inverse_depth(Frame("a", 1))
    assert whole.maps == {}
