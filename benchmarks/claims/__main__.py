"""Claims as tests: run what is missing, cheapest claim first, and write docs/claims.md.

    python -m benchmarks.claims                      all that is missing, at most 24 core-hours in all
    python -m benchmarks.claims --only depth_start   one claim
    python -m benchmarks.claims --page               the page alone, from what is stored

Stop it at any time: every run that has ended is in benchmarks/claims/results, a long one goes on from its checkpoint.
What runs share (towns, depth runs, features, warm starts) lies in --out.
"""

import argparse
import logging
import time
from pathlib import Path

from benchmarks.claims import state
from benchmarks.claims.claim import HEAD_ROOM, Claim, head_room, verdict
from benchmarks.claims.lab import Lab
from benchmarks.claims.page import write_page
from benchmarks.claims.registry import CLAIMS
from vergence.runs.run_lock import locked

log = logging.getLogger("claims")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [claim.name for claim in CLAIMS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CLAIM", help=", ".join(names))
    parser.add_argument("--out", type=Path, default=Path("runs/claims"), help="what runs share, and runs on their way")
    parser.add_argument("--hours", type=float, default=24.0, help="stop when all runs together have cost so much")
    parser.add_argument("--page", action="store_true", help="only write docs/claims.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    if not options.page:
        options.out.mkdir(parents=True, exist_ok=True)
        lab = Lab(options.out.absolute())
        with locked(options.out):
            for claim in (claim for claim in CLAIMS if claim.name in options.only):
                complete(claim, lab, options.hours)
    log.info("%s", write_page(CLAIMS))


def complete(claim: Claim, lab: Lab, hours: float) -> None:
    """Run what is missing of a claim; its set-up must show head room first."""
    for seed, variant in state.missing(claim):
        rows = state.rows_of(claim)
        room = head_room(claim, rows)
        if room is not None and room < HEAD_ROOM:
            log.info("%s: thrown out, all labels are only %.1f points better", claim.name, 100 * room)
            return
        spent = sum(state.cost(one)[0] for one in CLAIMS)
        if spent > 3600 * hours:
            log.info("%s: not gone on with, %.1f core-hours are spent", claim.name, spent / 3600)
            return
        start = time.process_time()
        numbers = claim.run(lab, variant, seed)
        seconds = time.process_time() - start
        state.add(claim, variant, seed, numbers, seconds)
        write_page(CLAIMS)
        shown = "  ".join(f"{key} {value:.4f}" for key, value in numbers.items() if isinstance(value, float))
        log.info("%s  %s  seed %d  %.0f s  %s", claim.name, variant, seed, seconds, shown[:120])
    log.info("%s: %s", claim.name, verdict(claim, state.rows_of(claim)))


if __name__ == "__main__":
    main()
