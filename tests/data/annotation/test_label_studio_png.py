"""Label Studio's PNG files, one for each region."""

import json

import numpy as np
from PIL import Image

from tests.data.annotation.annotated import LABEL, SPACE, bare, complaint, read_labels
from vergence.data.annotation import import_labels
from vergence.data.manifest import Manifest


def test_png_files_of_label_studio(manifest: Manifest) -> None:
    """One file a class and region, named after task, annotation, user, brush and class, beside the JSON export."""
    source = manifest.root / "studio"
    source.mkdir()
    for number, name in enumerate(SPACE.classes):
        layer = np.where(number == LABEL, 255, 0).astype(np.uint8)
        Image.fromarray(layer).save(source / f"task-12-annotation-5-by-anna@x.org-tag-{name}-0.png")
    assert "do not name their images" in complaint(manifest, source, format="label_studio")
    tasks = [{"id": 12, "data": {"image": "/data/upload/1/0a1b2c3d-b__000.png"}, "annotations": []}]
    (source / "project.json").write_text(json.dumps(tasks))
    done = import_labels(source, bare(manifest), manifest.root / "m.csv", space=SPACE)
    assert (done.format, done.imported) == ("label_studio", 1)
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[1], LABEL)
    Image.fromarray(LABEL[:2]).save(source / "task-12-annotation-5-by-anna@x.org-tag-grass-0.png")
    Image.fromarray(LABEL).save(source / "task-13-annotation-5-by-anna@x.org-tag-grass-0.png")
    Image.fromarray(LABEL).save(source / "task-12-annotation-5-grass.png")
    said = complaint(manifest, source)
    assert "tag-grass-0.png is 5x2, but its image is 5x3" in said
    assert "is of a task that the JSON file does not have" in said
    assert "is not named like task-1-annotation-1-by-1-tag-CLASS-0.png" in said
