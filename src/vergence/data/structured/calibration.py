"""Calibration files: KITTI's ``KEY: numbers`` and OpenCV's matrices in YAML or XML."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured.text import read_text
from vergence.data.structured.values import plain_number
from vergence.data.structured.xml_text import parse_xml
from vergence.data.structured.yaml_text import parse_yaml
from vergence.errors import InputError

Array = NDArray[np.float64]
_LARGEST = 10_000
"""Numbers of one matrix: a camera's have a few."""


def read_keyed_numbers(path: Path | str, remedy: str = "unpack the calibration again") -> dict[str, Array]:
    """Number lines of a KITTI calibration file; lines of words (times, names) are left out.

    InputError as of ``read_text``.
    """
    numbers_of = {}
    for line in read_text(path, "calibration", remedy).splitlines():
        key, colon, text = line.partition(":")
        numbers = _numbers(text) if colon else None
        if numbers is not None:
            numbers_of[key.strip()] = numbers
    return numbers_of


def read_opencv_matrices(path: Path | str, remedy: str = "write it again with cv::FileStorage") -> dict[str, Array]:
    """Matrices (rows, cols) by name of a file of OpenCV's FileStorage, YAML or XML; other entries are left out.

    Raises:
        InputError: as of ``read_text`` and ``read_xml``; a matrix whose numbers do not fill its rows and columns,
            are not finite, or that stands twice.
    """
    return _matrices(read_text(path, "calibration", remedy), path, remedy)


def read_calibration(path: Path | str, remedy: str = "write it again with cv::FileStorage") -> dict[str, Any]:
    """Matrices, numbers and words by name of a file of OpenCV's FileStorage, or the values of plain YAML (ROS).

    InputError as of :func:`read_opencv_matrices` and ``parse_yaml``, or where plain YAML is no mapping.
    """
    text = read_text(path, "calibration", remedy)
    if text.lstrip().startswith("<"):
        nodes = [node for node in parse_xml(text, path, remedy) if node.get("type_id") is None]
        words = {node.tag: (node.text or "").strip() for node in nodes}
    elif "!!opencv-matrix" in text:
        words = dict(_WORD.findall(text))
    else:
        values = parse_yaml(_FILE_STORAGE_HEAD.sub("", text), path, remedy)
        if not isinstance(values, dict):
            raise InputError(f"{path} is no mapping of names to values; {remedy}.")
        return {str(key): value for key, value in values.items()}
    plain = {name: number if (number := _number(word)) is not None else word for name, word in words.items()}
    return plain | _matrices(text, path, remedy)


def _number(word: str) -> float | None:
    try:
        return plain_number(word)
    except ValueError:
        return None


def _matrices(text: str, path: Path | str, remedy: str) -> dict[str, Array]:
    listed = _of_xml(text, path, remedy) if text.lstrip().startswith("<") else _of_yaml(text)
    matrices = {}
    for name, rows, cols, data in listed:
        numbers = _numbers(data.replace(",", " "))
        if name in matrices:
            raise InputError(f"{path}: {name} stands twice; {remedy}.")
        if (
            numbers is None
            or not np.isfinite(numbers).all()
            or not rows.isdecimal()
            or not cols.isdecimal()
            or len(rows + cols) > 10
        ):
            raise InputError(f"{path}: {name} is no matrix of finite numbers with rows and cols; {remedy}.")
        if not numbers.size == int(rows) * int(cols) <= _LARGEST:
            raise InputError(f"{path}: {name} has {numbers.size} numbers for {rows} x {cols} (rows, cols); {remedy}.")
        matrices[name] = numbers.reshape(int(rows), int(cols))
    return matrices


_FILE_STORAGE_HEAD = re.compile(r"\A%YAML:[^\n]*\n(---[^\n]*\n)?")
"""Not YAML's own, which has a space: of plain YAML that is written for OpenCV (EuRoC)."""
_HEAD = re.compile(r"^[ \t]*([A-Za-z_][\w.-]*)[ \t]*:[ \t]*!!opencv-matrix\b", re.MULTILINE)
_WORD = re.compile(r"^([A-Za-z_][\w.-]*)[ \t]*:[ \t]*([^\s!\[{][^\n]*?)[ \t\r]*$", re.MULTILINE)
_PART = re.compile(r"\b(rows|cols|data)[ \t]*:[ \t]*(?:\[([^\[\]]*)\]|(\d+))")


def _of_yaml(text: str) -> list[tuple[str, str, str, str]]:
    """Name, rows, cols and data of each matrix; one ends where the next begins, so that each letter is read once."""
    heads = list(_HEAD.finditer(text))
    matrices = []
    ends = [*(one.start() for one in heads[1:]), len(text)][: len(heads)]
    for head, after in zip(heads, ends, strict=True):
        parts = {name: listed or number for name, listed, number in _PART.findall(text, head.end(), after)}
        matrices.append((head[1], parts.get("rows", ""), parts.get("cols", ""), parts.get("data", "")))
    return matrices


def _of_xml(text: str, path: Path | str, remedy: str) -> list[tuple[str, str, str, str]]:
    root = parse_xml(text, path, remedy)
    return [
        (node.tag, _part(node, "rows"), _part(node, "cols"), _part(node, "data"))
        for node in root
        if node.get("type_id") == "opencv-matrix"
    ]


def _part(node: Any, name: str) -> str:
    return (node.findtext(name) or "").strip()


def _numbers(text: str) -> Array | None:
    try:
        return np.array([plain_number(word) for word in text.split()], dtype=np.float64)
    except ValueError:
        return None
