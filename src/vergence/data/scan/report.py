"""What the scan found, as values, as a table for people and as a dict for programs."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from vergence.errors import printable

Level = Literal["problem", "advice", "note"]
_STYLE = {"problem": "red", "advice": "yellow", "note": "dim", "poor": "red", "usable": "yellow", "good": "green"}


@dataclass(frozen=True)
class Finding:
    """One thing worth saying and, in the same sentence, what to do about it."""

    kind: str
    """static, slow, fast, rotation, cuts, exposure, duplicates, blur, short, gaps, borders, grey, sizes, unreadable,
    unmeasured, cameras, mixed."""
    level: Level
    """"problem": do not train on it as it is; "advice": train better by following it; "note": good to know."""
    text: str


@dataclass(frozen=True)
class SequenceReport:
    """One sequence of one camera. Motions are shares of the frame's width between neighbouring frames."""

    name: str
    """The sequence, with the camera where it has several."""
    sequence: str
    camera: str
    frames: int
    pairs: int
    """Pairs of frames that were measured."""
    width: int
    height: int
    fps: float | None
    colour: bool | None
    """None where no frame could be read."""
    stereo: bool
    motion: float | None
    """Median over the pairs of the median displacement; None where nothing could be measured."""
    motion_range: tuple[float, float] | None
    """10th and 90th percentile over the pairs."""
    parallax: float | None
    """As ``motion``, of what no rotation of the camera explains."""
    static_share: float | None
    """Share of the pairs in which the camera stands."""
    standing: tuple[tuple[int, int], ...]
    """First and last position of each measured run of frames in which the camera stands."""
    step: int
    """Suitable distance in frames between target and source (``FrameOptions.offsets`` -step and step)."""
    findings: tuple[Finding, ...]

    @classmethod
    def of_plain(cls, values: dict[str, Any]) -> "SequenceReport":
        """From its fields as :meth:`ScanReport.to_dict` gives them."""
        fields = {field.name: values[field.name] for field in dataclasses.fields(cls)}
        fields["standing"] = tuple((first, last) for first, last in values["standing"])
        fields["findings"] = tuple(Finding(**finding) for finding in values["findings"])
        fields["motion_range"] = None if values["motion_range"] is None else tuple(values["motion_range"])
        return cls(**fields)

    @property
    def verdict(self) -> Literal["good", "usable", "poor"]:
        """ "poor": has a problem; "usable": follow the advice; "good": can teach depth as it is."""
        levels = {finding.level for finding in self.findings}
        return "poor" if "problem" in levels else "usable" if "advice" in levels else "good"

    def has(self, kind: str) -> bool:
        return any(finding.kind == kind for finding in self.findings)


@dataclass(frozen=True)
class ScanReport:
    """All sequences, and what concerns them together."""

    sequences: tuple[SequenceReport, ...]
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether some sequence can teach depth."""
        return any(sequence.verdict != "poor" for sequence in self.sequences)

    def summary(self) -> str:
        """The answer in one sentence: can this video teach depth?"""
        fit = [sequence for sequence in self.sequences if sequence.verdict != "poor"]
        frames, total = sum(one.frames for one in fit), sum(one.frames for one in self.sequences)
        if not self.sequences:
            return "No sequence is in this piece: there are fewer sequences than pieces."
        if not fit:
            return (
                f"None of the {len(self.sequences)} sequence(s) can teach depth from video as it is: see the problems."
            )
        return f"{len(fit)} of {len(self.sequences)} sequence(s) with {frames} of {total} frames can teach depth."

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values (JSON)."""
        sequences = [{**dataclasses.asdict(one), "verdict": one.verdict} for one in self.sequences]
        return {
            "summary": self.summary(),
            "usable": self.usable,
            "sequences": sequences,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
        }

    def table(self) -> Table:
        """One row for each sequence."""
        table = Table(
            title="Can this video teach depth?",
            caption="motion, parallax: % of the width between frames; still: share of the time",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("sequence", overflow="fold", min_width=16)
        for name in ("frames", "size", "fps", "motion", "parallax", "still", "step"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for one in self.sequences:
            table.add_row(
                Text(printable(one.name)),
                str(one.frames),
                f"{one.width}x{one.height}",
                "?" if one.fps is None else f"{one.fps:g}",
                _percent(one.motion, 2),
                _percent(one.parallax, 2),
                _percent(one.static_share, 0),
                str(one.step),
                Text(one.verdict, style=_STYLE[one.verdict]),
            )
        return table

    def lines(self) -> Iterator[Text]:
        """One line for each finding."""
        for one in self.sequences:
            for finding in one.findings:
                yield _line(finding, f"{one.name}: ")
        for finding in self.findings:
            yield _line(finding, "")

    def __rich__(self) -> Group:
        table = [self.table()] if self.sequences else []
        return Group(*table, *self.lines(), Text(self.summary(), style="bold"))

    def print(self, console: Console | None = None) -> None:
        """Print the table, the findings and the answer."""
        (console or Console(markup=False, emoji=False, highlight=False)).print(self)


def _line(finding: Finding, prefix: str) -> Text:
    return Text.assemble((f"{finding.level:>8}  ", _STYLE[finding.level]), printable(prefix + finding.text))


def _percent(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f} %"
