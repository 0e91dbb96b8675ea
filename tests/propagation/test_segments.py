"""Which frames lie between which labelled ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.propagation.segments import Segment, check_rates, seconds_between, segments


@pytest.fixture
def town() -> Manifest:
    """Twelve frames, ten a second, all labelled."""
    return Manifest([FrameRow(f"{k}.png", "street", k, label=f"l{k}.png", fps=10.0) for k in range(12)], Path())


def with_labels_at(town: Manifest, *positions: int) -> Manifest:
    rows = [row if row.position in positions else replace(row, label="", label_space="") for row in town]
    return Manifest(rows, town.root)


class TestSegments:
    def test_keys_bound_them_and_time_ends_them(self, town: Manifest) -> None:
        found = list(segments(with_labels_at(town, 4, 8), 0.2))
        chains = [[town[row].position for row in segment.chain] for segment in found]
        assert chains == [[2, 3, 4], [4, 5, 6, 7, 8], [8, 9, 10]]

    def test_a_gap_in_the_positions_is_time(self, town: Manifest) -> None:
        rows = [replace(row, position=row.position + 50 * (row.position > 6)) for row in with_labels_at(town, 4)]
        (before, after) = segments(Manifest(rows, town.root), 1.0)
        assert [rows[row].position for row in after.rows] == [5, 6]
        assert before.before is None

    def test_carried_labels_are_no_keys_and_neighbouring_keys_have_none_between(self, town: Manifest) -> None:
        rows = [
            replace(row, label_origin="carried" if row.position == 6 else "") for row in with_labels_at(town, 4, 5, 6)
        ]
        found = list(segments(Manifest(rows, town.root), 0.1))
        assert found == [Segment(None, (3,), 4), Segment(5, (6,), None)]

    def test_cameras_and_sequences_stay_apart(self, town: Manifest) -> None:
        rows = [replace(row, camera="left" if row.position % 2 else "right") for row in with_labels_at(town, 4)]
        (before, after) = segments(Manifest(rows, town.root), 1.0)
        assert (before.chain, after.chain) == ((0, 2, 4), (4, 6, 8, 10))


@pytest.mark.parametrize(("fps", "seconds"), [(10.0, 0.3), (30.0, 0.1), (float("nan"), 0.3), (0.0, 0.3)])
def test_time_is_of_positions_and_the_rate(fps: float, seconds: float) -> None:
    manifest = Manifest([FrameRow("a.png", "a", 0, fps=fps), FrameRow("b.png", "a", 3, fps=fps)], Path())
    assert seconds_between(manifest, 0, 1) == seconds_between(manifest, 1, 0) == pytest.approx(seconds)


@pytest.mark.parametrize(("second", "said"), [(1.0, "fps 10 and 1"), (float("nan"), "fps 10 and unknown")])
def test_one_sequence_has_one_rate(town: Manifest, second: float, said: str) -> None:
    mixed = Manifest([replace(row, fps=second if row.position > 5 else row.fps) for row in town], Path())
    with pytest.raises(InputError, match=rf"frames of sequence 'street' .* have several rates \({said}\)"):
        check_rates(mixed, 2.0)
    check_rates(Manifest([replace(row, sequence=str(row.fps)) for row in mixed], Path()), 2.0)


def test_a_rate_that_is_assumed_is_said(town: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    check_rates(town, 0.2)
    assert not caplog.text
    check_rates(Manifest([replace(row, fps=float("nan")) for row in town], Path()), 0.2)
    assert "10 are assumed, so that 0.2 seconds are 2 frames" in caplog.text
