"""Where things are kept that can be made or fetched again."""

import os
from pathlib import Path


def default_cache_folder() -> Path:
    """``$VERGENCE_CACHE``, else ``vergence/frames`` in the user's cache folder."""
    if folder := os.environ.get("VERGENCE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vergence" / "frames"
