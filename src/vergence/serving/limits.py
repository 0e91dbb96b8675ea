"""What a server takes at the most, and the answers that say that it was too much."""

from dataclasses import dataclass

from vergence.data.pictures import LIMIT
from vergence.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; InputError for values that make no sense."""

    megabytes: float = 64.0
    """Size of a request, counted while it is read."""
    megapixels: float = 25.0
    """Million pixels of a picture or a frame of a video, known from its header before it is decoded."""
    seconds: float = 60.0
    """For reading a request, and again for answering it; a worker that needs longer is ended."""
    waiting: int = 32
    """Requests that may wait or be worked on; those beyond are told to come back."""
    frames: int = 120
    """How many frames of a video the page shows."""

    def __post_init__(self) -> None:
        for name in ("megabytes", "megapixels", "seconds"):
            if not 0 < getattr(self, name) < 1e5:
                raise InputError(f"serve: {name} is {getattr(self, name):g}; give more than 0, less than 100000.")
        for name in ("waiting", "frames"):
            if not 1 <= getattr(self, name) <= 100_000:
                raise InputError(f"serve: {name} is {getattr(self, name)}; give 1 or more, at the most 100000.")

    @property
    def bytes(self) -> int:
        """Size of a request."""
        return round(self.megabytes * 1_000_000)

    def environment(self) -> dict[str, str]:
        """What the worker's process must know of them."""
        return {LIMIT: f"{self.megapixels:g}"}


class Refusal(Exception):
    """A request that gets no result: an HTTP status and one sentence, which names no path of this machine."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Those of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
