"""Before a run learns depth from video: do its frames move enough between target and sources?"""

import json
import logging
from collections.abc import Mapping, Sequence
from statistics import median

from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.scan import SequenceReport, glance

_log = logging.getLogger("vergence")

_LOOKED_AT = (3, 12)
"""Sequences: few as a rule, more before anything is said, for of three two are slow by chance where a fifth is."""


def advise_offsets(roles: Mapping[str, tuple[Manifest, FrameOptions]]) -> None:
    """Say in the log which offsets would teach more, where the frames of most sequences that are looked at move little.

    Args:
        roles: frames of each role that depth is learned of, and how they are read.
    """
    learned = [(manifest, options) for manifest, options in roles.values() if _reach(options)]
    if not learned:
        return
    manifest, options = max(learned, key=lambda one: len(one[0]))
    for looked_at in _LOOKED_AT:
        reports = glance(manifest, looked_at)
        slow = _slow(reports, options)
        if len(slow) * 2 <= len(reports):
            return
    step = round(median(one.step for one in slow))
    wanted = [-step, step, *(["s"] if "s" in options.offsets else [])]
    _log.warning(
        "frames move too little between neighbours of %s (%.2f %% of the width in %s; %d of %d sequences that were "
        "looked at); depth is learned better with --frames.options.offsets '%s'",
        manifest.name, 100 * (slow[0].motion or 0), slow[0].name, len(slow), len(reports), json.dumps(wanted),
    )  # fmt: skip


def _slow(reports: Sequence[SequenceReport], options: FrameOptions) -> list[SequenceReport]:
    """Those that would teach more at another offset; 4 is not worth a word to somebody who has chosen 3."""
    return [one for one in reports if one.has("slow") and one.step >= 2 * _reach(options)]


def _reach(options: FrameOptions) -> int:
    """Frames between the target and its farthest source in time; 0 where there is none."""
    return max((abs(offset) for offset in options.offsets if isinstance(offset, int)), default=0)
