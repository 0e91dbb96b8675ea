"""Claims as tests: run what is missing, cheapest claim first, and write docs/claims.md.

    python -m benchmarks.claims                      all that is missing, at most 24 core-hours in all
    python -m benchmarks.claims --only depth_start   one claim
    python -m benchmarks.claims --jobs 4             four runs at once
    python -m benchmarks.claims --page               the page alone, from what is stored

Stop it at any time: every run that has ended is in benchmarks/claims/results, a long one goes on from its checkpoint.
What runs share (towns, depth runs, features, warm starts) lies in --out.
"""

import argparse
import logging
from pathlib import Path

from benchmarks.claims import side_by_side, state
from benchmarks.claims.claim import Claim, verdict
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
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; the default is 1")
    parser.add_argument("--page", action="store_true", help="only write docs/claims.md")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}; give 1 or more")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    if not options.page:
        options.out.mkdir(parents=True, exist_ok=True)
        lab = Lab(options.out.absolute())
        with locked(options.out):
            for claim in (claim for claim in CLAIMS if claim.name in options.only):
                complete(claim, lab, options.hours, options.jobs)
    log.info("%s", write_page(CLAIMS))


def complete(claim: Claim, lab: Lab, hours: float, jobs: int = 1) -> None:
    """Run what is missing of a claim; its set-up must show head room first."""

    def affordable() -> bool:
        spent = sum(state.cost(one)[0] for one in CLAIMS)
        if spent > 3600 * hours:
            log.info("%s: not gone on with, %.1f core-hours are spent", claim.name, spent / 3600)
        return spent <= 3600 * hours

    for run in side_by_side.complete(claim, lab, state.RESULTS, jobs, affordable=affordable):
        write_page(CLAIMS)
        shown = "  ".join(f"{key} {value:.4f}" for key, value in run.numbers.items() if isinstance(value, float))
        said = run.failed or shown[:120]
        log.info("%s  %s  seed %d  %.0f s  %s", claim.name, run.variant, run.seed, run.seconds, said)
    log.info("%s: %s", claim.name, verdict(claim, state.rows_of(claim)))


if __name__ == "__main__":
    main()
