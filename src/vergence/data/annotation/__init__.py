"""The way to annotators and back: frames, labels and predictions out, checked masks in."""

from vergence.data.annotation.exporting import export_labels
from vergence.data.annotation.importing import ImportedLabels, import_labels
from vergence.data.annotation.registry import Format

__all__ = ["Format", "ImportedLabels", "export_labels", "import_labels"]
