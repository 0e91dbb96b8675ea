"""What results were made of."""

import json

import pytest

from tests.inference.predicted import HEIGHT, WIDTH, RedMethod, folder, made_run
from vergence.api import predict
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import LIMITS
from vergence.errors import InputError


def test_a_damaged_result_and_a_damaged_journal_are_made_again(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    whole = (out / "depth" / "001.png").read_bytes()
    (out / "depth" / "001.png").write_bytes(whole[:-9])
    predict(made_run(tmp_path), frames, out)
    assert (out / "depth" / "001.png").read_bytes() == whole
    (out / "results.jsonl").write_text('{"name": 3}\n[\n{"name": "000", "files": [], "made": 1}\nnull\n')
    method = RedMethod()
    assert predict(made_run(tmp_path, method), frames, out)["frames"] == 3
    assert method.shown == 3


def test_a_journal_of_any_size_counts(tmp_path, monkeypatch):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    monkeypatch.setitem(LIMITS, "log", 100)
    method = RedMethod()
    assert predict(made_run(tmp_path, method), frames, out)["frames"] == 3
    assert method.shown == 0


def test_a_journal_that_cannot_be_read_is_told_and_nothing_is_made_again(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    (out / "results.jsonl").unlink()
    (out / "results.jsonl").mkdir()
    method = RedMethod()
    with pytest.raises(InputError, match=r"results\.jsonl is a folder, expected a file; restore it, or remove it"):
        predict(made_run(tmp_path, method), frames, out)
    assert method.shown == 0


def test_a_torn_last_line_costs_its_frame_once(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    journal = out / "results.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    for shown in (1, 0):
        method = RedMethod()
        predict(made_run(tmp_path, method), frames, out)
        assert method.shown == shown
    assert [json.loads(line)["name"] for line in journal.read_text().splitlines() if line.endswith("}")] == [
        "000", "001", "002",
    ]  # fmt: skip


def test_another_lens_is_another_result(tmp_path):
    folder(tmp_path)
    camera = {"fx": 0.9, "fy": 0.9, "cx": 0.5, "cy": 0.5, "width": WIDTH, "height": HEIGHT}
    for number, strength in enumerate((-0.2, -0.2, -0.3)):
        lens = f"opencv 0.9 0.9 0.5 0.5 {strength}"
        data = Manifest([FrameRow("frames/000.png", "s", 0, lens=lens, **camera)], tmp_path).write(tmp_path / "m.csv")
        method = RedMethod()
        predict(made_run(tmp_path, method), data, tmp_path / "out")
        assert (method.shown > 0) == (number != 1)
