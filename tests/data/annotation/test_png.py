"""Masks as PNG files with classes.json: other palettes, colours for ids, classes that people wrote."""

import numpy as np
import pytest
from PIL import Image

from tests.data.annotation.annotated import LABEL, SPACE, bare, complaint, exported, read_labels
from vergence.data.annotation import import_labels
from vergence.data.labels import label_space
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.errors import InputError


def test_palettes_of_another_program(manifest: Manifest) -> None:
    """Sorted anew, the colours count; of other colours, nothing can be said."""
    path = exported(manifest, "png") / "labels" / "a__000.png"
    image = Image.open(path)
    image.load()
    palette = image.getpalette()
    assert palette is not None
    image.putpalette([*palette[3:6], *palette[:3], *palette[6:]])
    image.save(path)
    import_labels(path.parents[1], bare(manifest), manifest.root / "m.csv")
    exchanged = np.array([1, 0, *range(2, 256)], dtype=np.uint8)[LABEL]
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[0], exchanged)
    image.putpalette([9, 9, 9, *palette[3:]])
    image.save(path)
    said = complaint(manifest, path.parents[1])
    assert "a__000.png has another palette than classes.json: index 0 is #090909 instead of #008000" in said


def test_colours_instead_of_ids(manifest: Manifest) -> None:
    path = exported(manifest, "png") / "labels" / "a__000.png"
    picture = np.array(Image.open(path).convert("RGB"))
    Image.fromarray(picture).save(path)
    import_labels(path.parents[1], bare(manifest), manifest.root / "new" / "m.csv")
    np.testing.assert_array_equal(read_labels(manifest.root / "new" / "m.csv")[0], LABEL)
    picture[0, 0] = (1, 2, 3)
    picture[1, :2] = (9, 9, 9)
    Image.fromarray(picture).save(path)
    with pytest.raises(
        InputError, match=r"#010203, at x 0, y 0 \(3 pixels of such colours\), which is no class in classes\.json"
    ):
        import_labels(path.parents[1], manifest, manifest.root / "new" / "m.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON (line 1, column 2"),
        ("[]", "is no list of classes"),
        ('{"classes": [{"name": "a", "color": "blue"}]}', "colour 'blue' is not of the form #rrggbb"),
        ('{"classes": [{"id": 300, "name": "a"}]}', "id 300"),
        ('{"classes": ["a", "a"]}', "distinct class names"),
    ],
)
def test_broken_classes(manifest: Manifest, content: str, said: str) -> None:
    source = exported(manifest, "png")
    (source / "classes.json").write_text(content)
    assert said in complaint(manifest, source)


def test_classes_that_people_wrote(manifest: Manifest) -> None:
    """Names alone: ids are read, whatever the palette; colours cannot be."""
    source = exported(manifest, "png")
    (source / "classes.json").write_text('["grass", "path", "old shed"]')
    import_labels(source, bare(manifest), manifest.root / "m.csv")
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[0], LABEL)
    Image.open(source / "labels" / "a__000.png").convert("RGB").save(source / "labels" / "a__000.png")
    assert "no label space says what they mean" in complaint(manifest, source)


def test_a_png_export_is_a_folder_to_train_from(manifest: Manifest) -> None:
    found = resolve_input(exported(manifest, "png"))
    assert [row.label != "" for row in found] == [True, True, True]
    assert label_space(found[0].label_space).classes == SPACE.classes
    np.testing.assert_array_equal(read_label(found.path(0, "label")), LABEL)
