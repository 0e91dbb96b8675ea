"""How labels are made worse on purpose, as settings: noise that is known shows how much noise a method bears."""

from dataclasses import dataclass

from vergence.errors import InputError


@dataclass
class LabelCorruption:
    """How labels are made worse; the same frame and seed always give the same label (semhint.md section 2.3)."""

    border: int = 0
    """Pixels of the working size by which borders between classes are shifted at most along each axis, smoothly."""
    blobs: float = 0.0
    """Share of the labelled pixels that random discs of random classes cover."""
    seed: int = 0
    """Seed of both; a frame and a seed always give the same labels."""

    def __post_init__(self) -> None:
        if self.border < 0:
            raise InputError(f"frames.label_noise.border is {self.border}; give pixels, 0 for none.")
        if not 0 <= self.blobs <= 1:
            raise InputError(f"frames.label_noise.blobs is {self.blobs}; give a share from 0 to 1.")
        if self.seed < 0:
            raise InputError(f"frames.label_noise.seed is {self.seed}; give 0 or more.")

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self.border > 0 or self.blobs > 0
