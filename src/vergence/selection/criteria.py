"""Names of the criteria by which frames are chosen."""

CRITERIA = ("reach", "ds", "us", "ds_us", "entropy", "random", "uniform")
AUTO = "auto"
"""Reach where frames are video, ds_us elsewhere."""
