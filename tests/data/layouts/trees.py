"""Names of frames, and where they are placed in time."""

import random

from vergence.data.layouts.order import in_time

FRAMES = [f"{number:06d}.jpg" for number in range(4)]


def placed(names):
    names = list(names)
    random.Random(0).shuffle(names)
    clips = {}
    for place in in_time(names):
        clips.setdefault(place.clip, []).append((place.name, place.position))
    return clips
