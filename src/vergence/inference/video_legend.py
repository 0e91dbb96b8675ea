"""Legends of videos: a strip below with the range of depth, or with the classes that occur and their colours."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vergence.data.label_space import LabelSpace
from vergence.data.measured.depth_files import ColourRange, colourize, depth_marks
from vergence.data.pictures import open_picture

Legend = Callable[[int, str], NDArray[np.uint8]]
"""The strip (H, W, 3) of a picture that is W wide, of the frame of this name; equally high for all frames."""
_PAPER, _INK = (20, 23, 28), (230, 233, 238)
_TEXT_SHARE, _SMALLEST, _LARGEST = 1 / 38, 9, 34
"""Height of letters as a share of the width, readable where a video is shown 640 wide; least, most pixels."""
_ROWS = 4
"""Rows of classes, at most."""
_SEEN = 1 / 2000
"""Share of a frame's pixels from which on a class counts as seen: single wrong pixels are no class to explain."""


def depth_legend(record: Mapping[str, Any], colour_map: str) -> Legend:
    """The colours of depth with the depth at both ends and in the middle, as ``predictions.json`` tells them."""
    limits = ColourRange(record["colour"]["low"], record["colour"]["high"])
    metric = record["unit"] == "metres"

    @cache
    def drawn(width: int) -> NDArray[np.uint8]:
        font, gap = _font(width)
        line, caption = _line(font), "depth" if metric else "depth, unscaled"
        beside = 2 * gap + font.getlength(caption) < width / 2
        left, top = (round(2 * gap + font.getlength(caption)), gap) if beside else (gap, gap + line)
        bar = max(1, width - left - gap)
        picture = Image.new("RGB", (width, _even(top + 2 * line + gap)), _PAPER)
        draw = ImageDraw.Draw(picture)
        draw.text((gap, gap), caption, _INK, font)
        colours = colourize(np.linspace(*limits, bar)[None], limits, colour_map)
        picture.paste(Image.fromarray(np.repeat(colours, max(1, line - gap // 2), axis=0)), (left, top))
        marks = depth_marks(limits, metric)
        fit = sum(map(font.getlength, marks)) + 4 * gap < bar
        for share, mark in zip((0.0, 0.5, 1.0), marks, strict=True):
            if fit or share != 0.5:
                draw.text((left + share * (bar - font.getlength(mark)), top + line), mark, _INK, font)
        return np.asarray(picture)

    return lambda width, name: drawn(width)


class ClassLegend:
    """Names of the classes that have occurred up to a frame behind their colours, in the order of their ids.

    A video is written while its frames are predicted, so what occurs later is not known yet. The strip has room for all
    classes from the first frame on, at most four rows; what these do not hold is counted.

    Args:
        label_file: of a frame's name; None where there are no label files, which names all classes.
    """

    def __init__(self, space: LabelSpace, label_file: Callable[[str], Path] | None) -> None:
        self.space, self.label_file = space, label_file
        self.seen = set(range(len(space))) if label_file is None else set[int]()

    def __call__(self, width: int, name: str) -> NDArray[np.uint8]:
        if self.label_file is not None and len(self.seen) < len(self.space):
            ids = np.asarray(open_picture(self.label_file(name)))
            counts = np.bincount(ids.ravel(), minlength=len(self.space))[: len(self.space)]
            self.seen.update(np.flatnonzero(counts >= max(1, _SEEN * ids.size)).tolist())
        return _class_strip(self.space, width, tuple(sorted(self.seen)))


@lru_cache(maxsize=8)
def _class_strip(space: LabelSpace, width: int, shown: tuple[int, ...]) -> NDArray[np.uint8]:
    font, gap = _font(width)
    line = _line(font)
    height = len(_rows(space.classes, width, font, gap, line)) * line + 2 * gap
    picture = Image.new("RGB", (width, _even(height)), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, row in enumerate(_rows([space.classes[one] for one in shown], width, font, gap, line)):
        top = gap + number * line
        for left, index, text in row:
            if index is None:
                draw.text((left, top), text, _INK, font)
                continue
            box = line - gap
            draw.rectangle((left, top, left + box, top + box), space.colours[shown[index]], _INK)
            draw.text((left + box + gap, top), text, _INK, font)
    return np.asarray(picture)


Row = list[tuple[int, int | None, str]]
"""Left edge, number of the class (None: words alone), text."""


def _rows(names: Sequence[str], width: int, font: ImageFont.FreeTypeFont, gap: int, line: int) -> list[Row]:
    """Where each name stands."""
    rows, left = [Row()], gap
    for index, name in enumerate(names):
        text = _shortened(name, width - 3 * gap - line, font)
        wide = line + round(font.getlength(text))
        more = round(font.getlength(f"+{len(names)} more")) + gap
        room = width - (more if len(rows) == _ROWS and index < len(names) - 1 else 0)
        if rows[-1] and left + wide + gap > room:
            if len(rows) == _ROWS:
                rows[-1].append((left, None, f"+{len(names) - index} more"))
                break
            rows.append([])
            left = gap
        rows[-1].append((left, index, text))
        left += wide + 2 * gap
    return rows


def _shortened(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(width: int) -> tuple[ImageFont.FreeTypeFont, int]:
    """Letters for a picture of this width, and the gap between things."""
    import matplotlib  # its font knows more letters than Pillow's own

    size = min(_LARGEST, max(_SMALLEST, round(width * _TEXT_SHARE)))
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size), max(3, size // 2)


def _line(font: ImageFont.FreeTypeFont) -> int:
    return round(1.5 * font.size)


def _even(height: int) -> int:
    return height + height % 2
