"""Runs of a claim, one after the other or in several processes at once, until time or means are up."""

import math
import multiprocessing
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.claims import state
from benchmarks.claims.claim import Claim, Numbers, verdict
from benchmarks.claims.lab import Lab
from benchmarks.studies.common import device_name
from vergence.data.children import end_with_parent
from vergence.errors import first_line

GRACE = 5.0
"""Seconds in which a process that is stopped may write a checkpoint."""
Job = tuple[int, str]
"""Seed and variant."""


class Outcome(NamedTuple):
    """What became of a run."""

    variant: str
    seed: int
    numbers: Numbers
    seconds: float
    """The processor's, in the run's own process, as all rows of claims say them."""
    device: str
    failed: str = ""


def complete(
    claim: Claim,
    lab: Lab,
    results: Path,
    processes: int = 1,
    until: float = math.inf,
    affordable: Callable[[], bool] = lambda: True,
) -> Iterator[Outcome]:
    """Run what is missing of a claim; a row in the folder ``results`` is added as soon as a run has ended.

    The runs that are measured for head room come first; where there is too little, the rest is not run. What several
    runs share is made by the first that asks for it (:class:`Lab`); runs of one seed follow each other, for they share
    what the next removes.

    Args:
        processes: at once; 1 without ``until`` runs in this process, and an error of a run is raised.
        until: of ``time.monotonic``: what has not ended by then is stopped, and goes on at the next call.
        affordable: asked before each run begins; once it says no, only what runs is ended.

    Yields:
        The runs that ended now; those that failed in another process with a sentence.
    """
    results.mkdir(parents=True, exist_ok=True)
    jobs = state.missing(claim, results)

    def gone_on() -> bool:
        return not _thrown_out(claim, results) and affordable()

    if processes == 1 and until == math.inf:
        ended = _in_turn(claim, lab, jobs, gone_on)
    else:
        ended = _at_once(claim, lab, jobs, processes, until, gone_on)
    for outcome in ended:
        if not outcome.failed:
            state.add(claim, outcome.variant, outcome.seed, outcome.numbers, outcome.seconds, results, outcome.device)
        yield outcome


def _thrown_out(claim: Claim, results: Path) -> bool:
    return verdict(claim, state.rows_of(claim, results)) == "thrown out"


def _in_turn(claim: Claim, lab: Lab, jobs: Iterable[Job], gone_on: Callable[[], bool]) -> Iterator[Outcome]:
    for job in jobs:
        if not gone_on():
            return
        yield _run(claim, lab, *job)


def _at_once(
    claim: Claim, lab: Lab, jobs: list[Job], processes: int, until: float, gone_on: Callable[[], bool]
) -> Iterator[Outcome]:
    others = set(multiprocessing.active_children())
    threads = max(1, torch.get_num_threads() // max(1, min(processes, len(jobs))))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin, (threads,))
    running: dict[Future[Outcome], int] = {}
    try:
        while jobs or running:
            if jobs and not gone_on():
                jobs = []
            for job in _next(jobs, set(running.values()), processes - len(running)):
                jobs.remove(job)
                running[pool.submit(_caught, claim, lab, *job)] = job[0]
            left = None if until == math.inf else max(0.0, until - time.monotonic())
            ended = wait(running, left, FIRST_COMPLETED).done
            if running and not ended:
                return
            for future in ended:
                del running[future]
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if running:
            _end(set(multiprocessing.active_children()) - others)


def _begin(threads: int) -> None:
    torch.set_num_threads(threads)
    end_with_parent()


def _next(jobs: Iterable[Job], busy: Collection[int], number: int) -> list[Job]:
    """The first jobs of seeds of which none runs, a job a seed."""
    first: dict[int, Job] = {}
    for seed, variant in jobs:
        if seed not in busy:
            first.setdefault(seed, (seed, variant))
    return list(first.values())[:number]


def _end(children: Iterable[BaseProcess]) -> None:
    """Stop processes, which have a few seconds for a checkpoint."""
    for child in children:
        child.terminate()
    end = time.monotonic() + GRACE
    for child in children:
        child.join(max(0.0, end - time.monotonic()))
        child.kill()


def _run(claim: Claim, lab: Lab, seed: int, variant: str) -> Outcome:
    begun = time.process_time()
    numbers = claim.run(lab, variant, seed)
    return Outcome(variant, seed, numbers, time.process_time() - begun, device_name())


def _caught(claim: Claim, lab: Lab, seed: int, variant: str) -> Outcome:
    """In a process of its own: the other runs are still worth their time if one fails."""
    begun = time.process_time()
    try:
        return _run(claim, lab, seed, variant)
    except Exception as error:
        traceback.print_exc()
        return Outcome(variant, seed, {}, time.process_time() - begun, device_name(), first_line(error))
