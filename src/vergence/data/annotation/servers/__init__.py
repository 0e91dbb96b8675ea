"""Frames to an annotation server that runs, and masks from it: exports and imports, with a connection between."""

from vergence.data.annotation.servers.exchange import Server, pull_labels, push_labels

__all__ = ["Server", "pull_labels", "push_labels"]
