"""The one reader of structured files: JSON, YAML, XML, CSV, text lists, calibrations, MATLAB, NumPy.

Files come from strangers. Each reader limits the size, the depth and what references may expand to, knows the
encodings (UTF-8, with or without byte order mark, UTF-16 and UTF-32 with one), and raises InputError with the file,
the place in it and the remedy. Nothing else in the package parses such files (a test looks).

What gives arrays is imported when it is asked for, so that settings are read without NumPy.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vergence.data.structured.json_text import iter_json_lines, parse_json, read_json, read_json_lines
from vergence.data.structured.text import LIMITS, decoded, read_bytes, read_text
from vergence.data.structured.values import Entry, plain_number
from vergence.data.structured.xml_text import read_xml
from vergence.data.structured.yaml_text import parse_yaml, read_yaml

if TYPE_CHECKING:
    from vergence.data.structured.arrays import map_array, read_array, read_arrays
    from vergence.data.structured.calibration import read_calibration, read_keyed_numbers, read_opencv_matrices
    from vergence.data.structured.matlab import read_matrix
    from vergence.data.structured.tables import iter_csv, read_csv, read_lines, read_numbers

_LATER = {
    "arrays": ("map_array", "read_array", "read_arrays"),
    "calibration": ("read_calibration", "read_keyed_numbers", "read_opencv_matrices"),
    "matlab": ("read_matrix",),
    "tables": ("iter_csv", "read_csv", "read_lines", "read_numbers"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def read_structured(path: Path, remedy: str = "correct it") -> Any:
    """The value of a .json file, or of any other as YAML; InputError as of :func:`read_json`, :func:`read_yaml`."""
    return read_json(path, remedy=remedy) if path.suffix.lower() == ".json" else read_yaml(path, remedy)


__all__ = [
    "LIMITS",
    "Entry",
    "decoded",
    "iter_csv",
    "iter_json_lines",
    "map_array",
    "parse_json",
    "parse_yaml",
    "plain_number",
    "read_array",
    "read_arrays",
    "read_bytes",
    "read_calibration",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_keyed_numbers",
    "read_lines",
    "read_matrix",
    "read_numbers",
    "read_opencv_matrices",
    "read_structured",
    "read_text",
    "read_xml",
    "read_yaml",
]
