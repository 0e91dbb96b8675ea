"""Toy town as a layout: rendered where it is asked for, and split."""

from vergence.data.layouts import index_layout, recognise, resolve_input


def test_toytown_is_rendered_and_split(tmp_path):
    manifest = index_layout(
        "toytown", tmp_path / "town", tmp_path / "m.csv", frames=3, train=1, val=1, width=64, height=32
    )
    assert manifest.splits() == {"train": 3, "val": 3}
    assert manifest[0].intrinsics_known
    assert recognise(manifest.root) == "manifest"
    assert recognise(tmp_path / "town") == "manifests"
    assert resolve_input(tmp_path / "town").splits() == {"train": 3, "val": 3}
