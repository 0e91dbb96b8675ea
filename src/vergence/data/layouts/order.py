"""Time order of frames from their names: which number counts the frames, which names are of another camera or clip,
and which frames are neighbours."""

import datetime
import itertools
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vergence.data.layouts.files import NUMBER, natural_key

_log = logging.getLogger("vergence")
_HASH = re.compile(
    r"[._]rf[._][0-9A-Za-z]+|^[0-9a-f]{8}-|(?<![0-9A-Za-z])(?=[0-9a-f]*[a-f])[0-9a-f]{16,}(?![0-9A-Za-z])"
)
"""What annotation tools add to names: it says nothing of time."""
_DATE = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d\d)[-_.]?(?P<m>[01]\d)[-_.]?(?P<d>[0-3]\d)[-_.T ]*"
    r"(?P<H>[0-2]\d)[-_.:h]?(?P<M>[0-5]\d)[-_.:m]?(?P<S>[0-5]\d)(?:(?P<f>\d{3})|(?:[-_.](?P<g>\d{3,9}))?)(?!\d)"
)
_CLOCK = re.compile(r"(?<!\d)([01]\d|2[0-3])([-_:h])([0-5]\d)[-_:m]([0-5]\d)[-_.,s](\d{3})(?!\d)")
"""Hours, minutes, seconds and thousandths."""
_STAMP = re.compile(r"(?<!\d)([1-2]\d{9})[-_](\d{1,9})(?!\d)")
"""Seconds since 1970, and parts of one as ROS writes them."""
_FEW_NAMES = 8
"""Forms of names up to which each form is a clip of its own."""
_REGULAR = 0.7
"""Share of the steps between numbers that are about alike where they count frames."""
_FEWEST = 4
"""Frames of a camera that is told by a number where no two cameras have a time in common."""
_MOST = 0.8
"""Share of the names that have such forms; the others (contact_sheet.jpg) are neighbours of nothing."""


class TimedFrame(NamedTuple):
    """Where a frame lies in time."""

    name: str
    clip: str
    """"" or what tells its camera or clip from the others of the same folder."""
    position: int


class _Form(NamedTuple):
    words: tuple[str, ...]
    numbers: tuple[Fraction, ...]


def in_time(names: Sequence[str], where: str = "") -> list[TimedFrame]:
    """Frames of one folder with their positions, clip by clip, in order of time.

    Names of a few different forms (``left_0001``, ``right_0001``), and numbers that start again under another number
    (``0001_cam0``, ``0001_cam1``), are clips of their own. Of several numbers the one with most values counts the
    frames. A gap in the numbers stays a gap; see :func:`steps_in_time`. What could not be told is logged with
    ``where``.
    """
    clips = _clips(names)
    frames = []
    for clip, members in clips.items():
        numbers = [number for number, _ in members]
        known = None if any(number is None for number in numbers) else _positions(numbers, where)  # type: ignore[arg-type]
        if known is None and len(members) > 1:
            _log.warning(
                "%s: the names (%s, %s ...) do not number the frames; they are counted in the order of their names",
                where or "frames",
                *[name for _, name in members[:2]],
            )
        frames += [TimedFrame(name, clip, k if known is None else known[k]) for k, (_, name) in enumerate(members)]
    if len(clips) > 1:
        _log.info("%s: %d cameras or clips in one folder, told by their names: %s", where, len(clips), _some(clips))
    return frames


def positions(names: Sequence[str]) -> list[int]:
    """Positions in time of naturally sorted names of one clip; counted where their numbers do not tell.

    Example:
        >>> positions(["a_0001", "a_0002", "a_0004"])
        [0, 1, 3]
    """
    position_of = {frame.name: frame.position for frame in in_time(names)}
    numbers = [position_of[name] for name in names]
    return numbers if len(set(numbers)) == len(numbers) else list(range(len(names)))


def follows_by_name(names: Sequence[str]) -> list[bool] | None:
    """Whether each name is the next in time after the one before it in ``names`` (one fewer), or None."""
    timed: dict[str, tuple[str, int]] = {}
    for clip, members in _clips(names).items():
        numbers = [number for number, _ in members if number is not None]
        steps = [b - a for a, b in itertools.pairwise(numbers)]
        if len(numbers) < len(members) or any(step <= 0 for step in steps):
            return None
        counted = [0, *itertools.accumulate(steps_in_time(steps)[0])]
        timed.update({name: (clip, position) for (_, name), position in zip(members, counted, strict=True)})
    return [timed[a][0] == timed[b][0] and timed[b][1] - timed[a][1] == 1 for a, b in itertools.pairwise(names)]


def _some(clips: Sequence[str] | dict[str, list]) -> str:
    names = list(clips)
    return ", ".join(names[:4]) + (" ..." if names[4:] else "")


def _clocked(match: re.Match[str]) -> str:
    return f"{int(match[1]) * 3600 + int(match[3]) * 60 + int(match[4])}.{match[5]}"


def _stamp_digits(names: Sequence[str]) -> int:
    """Digits of the parts of a second where all names are SECONDS_PARTS.png: ROS does not always fill them up."""
    matches = [_STAMP.search(os.path.splitext(name)[0]) for name in names]
    return max((len(one[2]) for one in matches if one), default=0) if matches and all(matches) else 0


def _form(name: str, digits: int = 0) -> _Form:
    """Words and numbers of a name; ``digits`` of :func:`_stamp_digits`."""
    stem = _HASH.sub("", os.path.splitext(name)[0])
    numbers: list[Fraction] = []

    def dated(match: re.Match[str]) -> str:
        part = [int(match[key]) for key in "YmdHMS"]
        try:
            seconds = int(datetime.datetime(*part, tzinfo=datetime.UTC).timestamp())  # type: ignore[arg-type, misc]
        except ValueError:
            return match.group()
        parts = match["f"] or match["g"]
        return f"{seconds}.{parts}" if parts else str(seconds)

    stem = _CLOCK.sub(_clocked, _DATE.sub(dated, stem))
    if digits:
        stem = _STAMP.sub(lambda match: f"{match[1]}.{match[2].zfill(digits)}", stem)
    words = []
    last = 0
    for match in NUMBER.finditer(stem):
        words.append(stem[last : match.start()])
        numbers.append(Fraction(match.group()))
        last = match.end()
    return _Form((*words, stem[last:]), tuple(numbers))


def _clips(names: Sequence[str]) -> dict[str, list[tuple[Fraction | None, str]]]:
    """Clip -> (number, name) of its frames in order."""
    digits = _stamp_digits(names)
    forms = {name: _form(name, digits) for name in sorted(names, key=natural_key)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, form in forms.items():
        groups.setdefault(form.words, []).append(name)
    counted = {words: members for words, members in groups.items() if len(words) > 1}
    several = [members for members in counted.values() if len(members) > 1]
    distinct = sum(map(len, several)) >= _MOST * len(forms) and len(several) <= _FEW_NAMES
    if len(groups) > 1 and not distinct:
        return {"": [(None, name) for name in forms]}
    result: dict[str, list[tuple[Fraction | None, str]]] = {}
    for words, members in groups.items():
        title = _title(words) if len(groups) > 1 else ""
        for key, part in _by_number({name: forms[name].numbers for name in members}).items():
            label = "-".join(filter(None, (title, _numbered(words, key))))
            result.setdefault(label, []).extend(part)
    return result


def _title(words: Sequence[str]) -> str:
    return "_".join(word.strip("_-. ") for word in words if word.strip("_-. ")) or "numbers"


def _numbered(words: Sequence[str], key: Sequence[tuple[int, Fraction]]) -> str:
    """ "cam0" for the 0 in NNNN_cam0."""
    return "-".join(f"{words[index].strip('_-. ')}{_text(value)}" for index, value in key)


def _text(value: Fraction) -> str:
    """All digits: two clips may differ in the last one of a date."""
    return str(value.numerator if value.denominator == 1 else float(value))


def _by_number(
    numbers: dict[str, tuple[Fraction, ...]],
) -> dict[tuple[tuple[int, Fraction], ...], list[tuple[Fraction | None, str]]]:
    """Names of one form by the numbers that are not the time, each with its time, in order."""
    names = list(numbers)
    columns = list(zip(*numbers.values(), strict=True))
    varying = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    if not varying:
        return {(): [(columns[-1][0] if columns else None, name) for name in names]}
    time = max(varying, key=lambda k: (len(set(columns[k])), _even(columns[k]), k))
    ordered = columns[time]
    groups: dict[tuple[tuple[int, Fraction], ...], list[tuple[Fraction, str]]] = {}
    for row, name in enumerate(names):
        groups.setdefault(tuple((k, columns[k][row]) for k in varying if k != time), []).append((ordered[row], name))
    once = len(set(ordered)) == len(ordered)
    if 2 * len(groups) > len(names) or (once and not _in_turns([[when for when, _ in g] for g in groups.values()])):
        groups = {(): list(zip(ordered, names, strict=True))}
    return {
        key: list[tuple[Fraction | None, str]](sorted(group, key=lambda pair: (pair[0], natural_key(pair[1]))))
        for key, group in groups.items()
    }


def _even(numbers: Sequence[Fraction]) -> bool:
    """Whether different numbers come at an even rate, as those of frames do and speeds or checksums do not."""
    steps = np.diff([float(number) for number in sorted(set(numbers))])
    return bool(len(steps)) and float(np.mean(_usual(steps))) >= _REGULAR


def _in_turns(times: Sequence[Sequence[Fraction]]) -> bool:
    """Whether the times are those of cameras that see the same seconds: each at an even rate, all most of the while."""
    if not 1 < len(times) <= _FEW_NAMES or min(map(len, times)) < _FEWEST:
        return False
    together = min(map(max, times)) - max(map(min, times))
    longest = max(max(one) - min(one) for one in times)
    return 2 * together > longest and all(map(_even, times))


def _positions(numbers: Sequence[Fraction], where: str) -> list[int] | None:
    """Positions of increasing numbers; None where two are the same."""
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    if any(step <= 0 for step in steps):
        return None
    whole, even = steps_in_time(steps)
    if not even:
        near = sum(step == 1 for step in whole)
        _log.warning(
            "%s: the numbers of the frames are in no even steps, as of a random subset of a video: %d of %d frames "
            "that follow one another are taken for neighbours",
            where or "frames",
            near,
            len(whole),
        )
    return [0, *itertools.accumulate(whole)]


def _usual(steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    middle = np.median(steps)
    return (steps > 0.6 * middle) & (steps < 1.5 * middle)


def steps_in_time(steps: Sequence[Fraction]) -> tuple[list[int], bool]:
    """Steps in positions of positive steps between numbers, and whether the frames come at an even rate.

    The usual step is one position (000000, 000005, 000010 are neighbours), also where it varies a little (time stamps);
    larger steps are gaps. Without a usual step only numbers that follow one another are neighbours.
    """
    if not steps:
        return [], True
    usual, count = Counter(steps).most_common(1)[0]
    values = np.array([float(step) for step in steps])
    middle = float(np.median(values))
    multiples = all(step % usual == 0 for step in steps)
    if 2 * count >= len(steps) and usual <= middle and (count > 1 or multiples):
        return [max(1, round(step / usual)) for step in steps], True
    if np.mean(_usual(values)) >= 0.8:
        return [max(1, round(value / middle)) for value in values], True
    scale = math.lcm(*(step.denominator for step in steps))
    unit = Fraction(math.gcd(*(int(step * scale) for step in steps)), scale)
    smallest = values.min()
    near = values < 1.3 * smallest
    if unit * 8 < Fraction(smallest) and near.sum() > 1 and near.mean() >= 0.2:  # time stamps at an uneven rate
        return [1 if value < 1.3 * smallest else max(2, round(value / smallest)) for value in values], True
    return [int(step / unit) for step in steps], False
