"""A manifest that follows the scan's advice."""

import dataclasses

import pytest

from tests.data.scan.films import film, texture, travelling, view
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.rows.split_rows import in_split
from vergence.data.scan import adapted, scan


def test_adapted_manifest_follows_the_advice(tmp_path):
    film(tmp_path / "good", travelling(40))
    film(tmp_path / "slow", travelling(40, speed=0.5))
    film(tmp_path / "stand", [view(texture(), 20)] * 35)
    manifest = resolve_input(tmp_path)
    report = scan(manifest)
    better = adapted(manifest, report)
    step = next(one.step for one in report.sequences if one.name == "slow")
    assert step > 1
    assert len(better) == 80
    names = {row.sequence for row in better}
    assert names == {"good", *(f"slow/{part}of{step}" for part in range(1, step + 1))}
    first = next(k for k in range(len(better)) if better[k].sequence == f"slow/1of{step}")
    assert better[better.neighbour(first, 1)].image == f"slow/{step:06d}.jpg"


@pytest.mark.parametrize("split", ["", "train"])
def test_standing_frames_do_not_teach_where_there_are_splits_and_where_not(tmp_path, split):
    frames = list(travelling(30))
    manifest = resolve_input(film(tmp_path / "stop", [*frames[:15], *[frames[15]] * 12, *frames[16:]]), split=False)
    rows = Manifest([dataclasses.replace(row, split=split) for row in manifest], manifest.root)
    report = scan(rows)
    ((first, last),) = report.sequences[0].standing
    taught = [row.position for row in in_split(adapted(rows, report), "train")]
    assert taught == [row.position for row in rows if not first < row.position < last]
    assert len(taught) < len(rows) - 8
