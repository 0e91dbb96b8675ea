"""How much of this machine's disk results take that are in their stores, too: the limit is that of copies."""

import contextlib

from vergence.data.buckets.addresses import results_root
from vergence.data.buckets.remote import remote_limit
from vergence.data.buckets.remote_results import LISTS, Results
from vergence.data.caching.cache_folder import drop_oldest
from vergence.data.structured import iter_json_lines
from vergence.errors import InputError


def make_room() -> int:
    """Remove what was sent of the addresses that were not used for longest, where all take more than their limit.

    What no store has, what a command works on and what was used in the last ten minutes stays. Returns bytes of what
    was sent that are left.

    Raises:
        InputError: the variable that says the limit is no number above 0.
    """
    most, sent = remote_limit(), []
    for file in (results_root() / LISTS).glob("*.jsonl"):
        with contextlib.suppress(OSError, InputError):
            address = next(iter_json_lines(file), {}).get("address")
            if isinstance(address, str):  # no list of an earlier version
                results = Results(address)
                sent.append((file.stat().st_mtime, results.sent_bytes(), results))
    return drop_oldest(sent, most, Results.remove_sent)
