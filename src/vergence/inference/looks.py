"""What a network says of single frames, before all are looked at."""

from torch import Tensor

from vergence.inference.frame_streams import Frame
from vergence.inference.predictor import Maps, Predictor, entries

_KEPT = ("inverse_depth", "depth_confidence")
_MOST_BYTES = 256e6


class Looks:
    """Looks at frames one by one, and remembers what was said, so that no picture is looked at twice.

    Args:
        predictor: of the network.
        named: whether a frame's name tells its picture, in all later passes; else nothing is remembered.
    """

    def __init__(self, predictor: Predictor, named: bool = True) -> None:
        self.predictor, self.named = predictor, named
        self.maps: dict[str, Maps] = {}
        """By the frames' names: all that the network says of them, unless it is large."""
        self._bytes = 0

    def inverse_depth(self, frame: Frame) -> Tensor:
        """Inverse depth (h, w) of a frame at the network's size, in 1 / its unit, on the CPU."""
        maps = self.maps[frame.name] if frame.name in self.maps else self._look(frame)
        return maps["inverse_depth"][0].float().cpu()

    def _look(self, frame: Frame) -> Maps:
        network = self.predictor.network
        maps = entries(network.maps([network.prepare(frame.image)]), 0)
        if self.named and all(name in _KEPT for name in maps):
            self._bytes += sum(one.nbytes for one in maps.values())
            if self._bytes <= _MOST_BYTES:
                self.maps[frame.name] = maps
        return maps
