"""Runs of a claim in several processes at once, on one device or several cores, until time is up."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.claims import state
from benchmarks.claims.claim import Claim, Numbers, verdict
from benchmarks.claims.lab import Lab
from vergence.errors import first_line

GRACE = 5.0
"""Seconds in which a process that is stopped may write a checkpoint."""


class Outcome(NamedTuple):
    """What became of a run."""

    variant: str
    seed: int
    numbers: Numbers
    seconds: float
    """The processor's, in the run's own process, as all rows of claims say them."""
    failed: str = ""


def complete(claim: Claim, lab: Lab, results: Path, processes: int, until: float) -> list[Outcome]:
    """Run what is missing of a claim in the folder ``results``; a row is added as soon as a run has ended.

    The runs that are measured for head room come first; where there is too little, the rest is not run. What several
    runs share is made by the first that asks for it (:class:`Lab`).

    Args:
        until: of ``time.monotonic``: what has not ended by then is stopped, and goes on at the next call.

    Returns:
        The runs that ended now, failed ones with a sentence.
    """
    ended: list[Outcome] = []
    jobs = state.missing(claim, results)
    if not jobs or _thrown_out(claim, results):
        return ended
    results.mkdir(parents=True, exist_ok=True)
    processes = min(processes, len(jobs))
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin, (processes,)) as pool:
        answers = as_completed([pool.submit(_run, claim, lab, *job) for job in jobs], until - time.monotonic())
        try:
            while len(ended) < len(jobs) and not _thrown_out(claim, results):
                ended.append(outcome := next(answers).result())
                if not outcome.failed:
                    state.add(claim, outcome.variant, outcome.seed, outcome.numbers, outcome.seconds, results)
        except TimeoutError:
            pass
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if len(ended) < len(jobs):
                _end(set(multiprocessing.active_children()) - others)
    return ended


def _thrown_out(claim: Claim, results: Path) -> bool:
    return verdict(claim, state.rows_of(claim, results)) == "thrown out"


def _end(children: Iterable[BaseProcess]) -> None:
    """Stop processes, which have a few seconds for a checkpoint."""
    for child in children:
        child.terminate()
    end = time.monotonic() + GRACE
    for child in children:
        child.join(max(0.0, end - time.monotonic()))
        child.kill()


def _begin(processes: int) -> None:
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))


def _run(claim: Claim, lab: Lab, seed: int, variant: str) -> Outcome:
    begun = time.process_time()
    try:
        return Outcome(variant, seed, claim.run(lab, variant, seed), time.process_time() - begun)
    except Exception as error:  # the others are still worth their time
        traceback.print_exc()
        return Outcome(variant, seed, {}, time.process_time() - begun, first_line(error))
