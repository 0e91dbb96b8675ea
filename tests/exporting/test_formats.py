"""Kinds of files: names, suffixes, what each needs."""

import sys
from pathlib import Path

import pytest

from vergence.errors import InputError
from vergence.exporting.formats import FORMATS, format_of
from vergence.inference.exported_engines import SUFFIXES


def test_every_kind_that_is_written_is_opened() -> None:
    assert {form.suffix: name for name, form in FORMATS.items()} == SUFFIXES


def test_a_suffix_says_the_kind() -> None:
    assert format_of("torch", Path("model.PT2")).suffix == ".pt2"
    with pytest.raises(InputError, match=r"model\.onnx does not end in \.pt2, .*, or --to onnx"):
        format_of("torch", Path("model.onnx"))


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_each_library_is_asked_for_before_the_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"needs {name}, .* run pip install 'vergence\[export\]'"):
        format_of("onnx", Path("model.onnx"))
