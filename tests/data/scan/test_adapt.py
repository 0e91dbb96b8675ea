"""A manifest that follows the scan's advice."""

from tests.data.scan.films import film, texture, travelling, view
from vergence.data.layouts import resolve_input
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
