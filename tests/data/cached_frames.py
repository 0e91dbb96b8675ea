"""What lies in a folder of decoded frames."""

from pathlib import Path

import numpy as np

from vergence.data.caching.frame_shards import Form, read_table


def kept(folder: Path, height: int, width: int) -> int:
    """Number of frames of one size."""
    tables = [read_table(path, Form(height, width)) for path in folder.glob(f"{width}x{height}-*.shard")]
    return sum(int(np.count_nonzero(table)) for table in tables if table is not None)
