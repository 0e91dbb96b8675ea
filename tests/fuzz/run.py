"""``python -m tests.fuzz.run``: a thousand malformed inputs, each in a process of its own, and what became of them."""

import argparse
import fnmatch
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")

from tests.fuzz.harness import Case, Outcome, run_all
from tests.fuzz.inputs import all_cases
from tests.fuzz.world import build


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the part that the tests run")
    parser.add_argument("--only", default="*", help="pattern of names, such as 'pictures/*tiff*'")
    parser.add_argument("--jobs", type=int, default=2, help="inputs at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all inputs, not of faulty ones alone")
    parser.add_argument("--list", action="store_true", help="name the inputs and stop")
    parser.add_argument("--place", type=Path, help="folder of everything; default a new one")
    parser.add_argument("--table", type=Path, help="file for a line of each input: name, expected, exit code, sentence")
    given = parser.parse_args()
    cases = [case for case in all_cases() if fnmatch.fnmatch(case.name, given.only) and (case.quick or not given.quick)]
    if given.list:
        print("\n".join(f"{case.name}  [{case.expect}]  {' '.join(case.argv)[:150]!r}" for case in cases))
        return 0
    import_all()
    place = given.place or Path(tempfile.mkdtemp(prefix="vergence-fuzz-"))
    shutil.rmtree(place, ignore_errors=True)
    build(place / "world", exported=any(name.startswith("depth.") for case in cases for name in case.needs))
    began, outcomes = time.monotonic(), []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if given.table:
            said = next((line for line in outcome.err.splitlines() if line.startswith("vergence: ")), "")
            with given.table.open("a") as file:
                file.write(f"{outcome.case.name}\t{outcome.case.expect}\t{outcome.code}\t{said[10:300]}\n")
        if outcome.faults:
            print(f"FAULT {outcome.case.name}: {'; '.join(outcome.faults)}", flush=True)
            print(f"      {' '.join(outcome.case.argv)!r:.200}")
            print("".join(f"      | {line:.240}\n" for line in outcome.err.splitlines()[-3:]), end="", flush=True)

    run_all(cases, place / "world", place / "inputs", given.jobs, done, given.keep)
    return report(cases, outcomes, place, time.monotonic() - began)


def report(cases: list[Case], outcomes: list[Outcome], place: Path, seconds: float) -> int:
    faulty = [outcome for outcome in outcomes if outcome.faults]
    by_kind = Counter(case.name.partition("/")[0] for case in cases)
    print(", ".join(f"{kind} {count}" for kind, count in sorted(by_kind.items())))
    verbs = Counter(str(case.argv[0]) if case.argv else "" for case in cases)
    print(", ".join(f"{verb or 'no verb'} {count}" for verb, count in sorted(verbs.items())))
    ways = ("traceback", "crash", "hang", "accepted", "writes", "starts a program")
    counted = {way: sum(any(way in fault for fault in one.faults) for one in faulty) for way in ways}
    slowest = max(outcomes, key=lambda one: one.seconds, default=None)
    if slowest is not None:
        print(f"{seconds:.0f} s; the slowest, {slowest.case.name}, took {slowest.seconds:.1f} s")
    print(
        f"{len(outcomes)} malformed inputs: {counted['traceback']} tracebacks, {counted['crash']} crashes, "
        f"{counted['hang']} hangs, {counted['accepted']} accepted nonsense, {counted['writes']} files outside, "
        f"{counted['starts a program']} programs started; {len(faulty)} faults in all"
    )
    if faulty:
        print(f"folders of faulty inputs are kept in {place}/inputs")
    else:
        shutil.rmtree(place, ignore_errors=True)
    return 1 if faulty or not outcomes else 0


def import_all() -> None:
    """Everything that a child would import, so that it is shared."""
    import importlib
    import pkgutil

    import torch

    import vergence

    names = [module.name for module in pkgutil.walk_packages(vergence.__path__, "vergence.")]
    for name in [*names, "av", "matplotlib.pyplot", "pycocotools.mask", "uvicorn", "cvat_sdk.core.client"]:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    assert torch.get_num_threads() == 1, "threads and forks do not go together"


if __name__ == "__main__":
    sys.exit(main())
