"""Names of the criteria by which frames are chosen."""

CRITERIA = ("ds", "us", "ds_us", "entropy", "random", "uniform")
