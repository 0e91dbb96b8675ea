"""Shares of frames over time as bars, as inline SVG in the page's colours."""

from collections.abc import Iterator, Sequence

_WIDTH, _HEIGHT = 960, 160


def time_chart(shares: Sequence[float], marked: Sequence[bool], label: str) -> str:
    """A bar for each frame, as high as its share in [0, 1]; marked ones in orange, each of them shown."""
    step = max(1, len(shares) // _WIDTH)
    groups = [range(start, min(start + step, len(shares))) for start in range(0, len(shares), step)]
    bars_of = [next((index for index in group if marked[index]), group[0]) for group in groups]
    bars = "".join(_bars([shares[index] for index in bars_of], [marked[index] for index in bars_of]))
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">{bars}</svg>'
    )


def _bars(shares: Sequence[float], marked: Sequence[bool]) -> Iterator[str]:
    width = _WIDTH / max(len(shares), 1)
    for index, (share, mark) in enumerate(zip(shares, marked, strict=True)):
        height = share * (_HEIGHT - 4)
        colour = "#e0762b" if mark else "#4c8dd6"
        yield (
            f'<rect x="{index * width:.2f}" y="{_HEIGHT - height:.1f}" width="{width * 0.92:.2f}" '
            f'height="{height:.1f}" fill="{colour}"/>'
        )
