"""Label Studio's tasks both ways: accepted annotations are read, predictions alone are not."""

from typing import Any

from tests.data.annotation.annotated import edit, exported
from vergence.data.annotation import import_labels
from vergence.data.manifest import Manifest


def test_tasks_without_a_valid_annotation_are_missing(manifest: Manifest) -> None:
    source = exported(manifest, "label_studio")

    def change(content: Any) -> None:
        content[0]["annotations"][0]["was_cancelled"] = True
        content[1]["annotations"][0]["result"] = []
        content[2]["predictions"] = content[2].pop("annotations")

    edit(source / "tasks.json", change)
    done = import_labels(source / "tasks.json", manifest, manifest.root / "m.csv")
    assert (done.imported, done.empty, done.missing) == (1, 1, 2)
