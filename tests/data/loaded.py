"""A small data set."""

import itertools

from vergence.data.dataset import FrameOptions

OPTIONS = FrameOptions(height=12, width=20, random_crop=(8, 16))


def first(batches, count):
    return list(itertools.islice(iter(batches), count))
