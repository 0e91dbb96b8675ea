"""What docs/security.md says of limits is what the code has, and every limit holds."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vergence.data import pictures, table
from vergence.data.annotation import archives
from vergence.data.structured import (
    LIMITS,
    calibration,
    json_text,
    read_array,
    read_arrays,
    read_csv,
    read_json,
    read_json_lines,
    read_lines,
    read_matrix,
    read_opencv_matrices,
    read_xml,
    read_yaml,
    xml_text,
    yaml_text,
)
from vergence.errors import InputError

PAGE = (Path(__file__).parents[3] / "docs/security.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (.+?) \| .+? \| (.+) \|$", PAGE, re.MULTILINE))
MB = 1 << 20


def stated(row: str, pattern: str) -> float:
    """A number that the page states in a row of its table."""
    (line,) = [limits for what, limits in ROWS.items() if what.startswith(row)]
    found = re.search(pattern, line)
    assert found is not None, (line, pattern)
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize(
    ("row", "pattern", "limit"),
    [
        ("pictures", r"([\d.]+) million pixels", pictures.DEFAULT_MEGAPIXELS),
        ("pictures", r"([\d.]+) scans", pictures._MOST_SCANS),
        ("JSON", r"(\d+) MB", LIMITS["json"] / MB),
        ("JSON", r"annotations (\d+) GB", LIMITS["annotations"] / MB / 1024),
        ("JSON", r"(\d+) levels", json_text.DEPTH),
        ("YAML", r"(\d+) MB", LIMITS["yaml"] / MB),
        ("YAML", r"(\d+) levels", yaml_text.DEPTH),
        ("YAML", r"([\d,]+) values", yaml_text.EXPANDED),
        ("XML", r"(\d+) MB", LIMITS["xml"] / MB),
        ("XML", r"(\d+) levels", xml_text.DEPTH),
        ("CSV", r"(\d+) GB", LIMITS["table"] / MB / 1024),
        ("CSV", r"(\d+) million rows", table.ROWS / 1e6),
        ("lists", r"(\d+) MB", LIMITS["list"] / MB),
        ("logs", r"(\d+) GB", LIMITS["log"] / MB / 1024),
        ("calibrations", r"(\d+) MB", LIMITS["calibration"] / MB),
        ("calibrations", r"([\d,]+) numbers", calibration._LARGEST),
        ("MATLAB", r"(\d+) MB", LIMITS["matlab"] / MB),
        ("`.npy`", r"(\d+) GB", LIMITS["arrays"] / MB / 1024),
        ("archives", r"([\d,]+) files", archives.FILES),
        ("archives", r"(\d+) GB", archives.BYTES / archives.GB),
        ("archives", r"(\d+) times", archives.RATIO),
    ],
)
def test_the_page_states_what_the_code_has(row: str, pattern: str, limit: float) -> None:
    assert stated(row, pattern) == limit


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "yaml": ("yaml", read_yaml),
    "xml": ("xml", read_xml),
    "calibration": ("calibration", read_opencv_matrices),
    "json": ("json", read_json),
    "annotations": ("annotations", lambda path: read_json(path, "annotations")),
    "list": ("list", read_lines),
    "log": ("log", read_json_lines),
    "table": ("table", read_csv),
    "matlab": ("matlab", lambda path: read_matrix(path, "x")),
}


@pytest.mark.parametrize("name", READERS)
def test_larger_files_are_refused_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind, read = READERS[name]
    monkeypatch.setitem(LIMITS, kind, MB)
    (tmp_path / "a").write_bytes(b"[" * (MB + 1))
    with pytest.raises(InputError, match="is larger than 1 MB, which no such file should be"):
        read(tmp_path / "a")
    assert READERS.keys() | {"arrays"} == LIMITS.keys()


def test_arrays_that_unpack_into_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros(MB))
    np.savez_compressed(tmp_path / "a.npz", depth=np.zeros(MB))
    monkeypatch.setitem(LIMITS, "arrays", MB)
    with pytest.raises(InputError, match="more than 1 MB unpacked"):
        read_arrays(tmp_path / "a.npz")
    with pytest.raises(InputError, match="more than 1 MB"):
        read_array(tmp_path / "a.npy")


def test_a_matrix_of_too_many_numbers(tmp_path: Path) -> None:
    text = "%YAML:1.0\n---\nK: !!opencv-matrix\n   rows: 1\n   cols: 10001\n   dt: d\n   data: [ {} ]\n"
    (tmp_path / "a.yaml").write_text(text.format(", ".join(["1."] * 10_001)))
    with pytest.raises(InputError, match="has 10001 numbers"):
        read_opencv_matrices(tmp_path / "a.yaml")


def test_the_formats_of_pictures_are_those_of_the_page() -> None:
    (line,) = [limits for what, limits in ROWS.items() if what.startswith("pictures")]
    named = line.split(", whatever")[0].replace("WebP", "WEBP").split(", ")
    assert sorted(named) == sorted(pictures.FORMATS)
