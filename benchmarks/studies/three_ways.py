"""Three Ways, ingredient by ingredient: what transfer, both tasks at once, mixing and selection each bring.

    python -m benchmarks.studies.three_ways --data toytown --depth DEPTH_RUN --town TOWN --out runs/three_ways
    python -m benchmarks.studies.three_ways --data camvid --depth DEPTH_RUN --town CAMVID_MANIFEST --out runs/camvid

Every variant is trained for the same steps over the same seeds, which also draw the labelled frames: rows of one seed
are paired. A study that is stopped goes on where it was. ``DEPTH_RUN`` is a run of recipe depth-toytown, or, for
CamVid, of depth-video on driving video of other cities.
"""

import argparse
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.studies.common import labelled_rows, paired_summary, read_rows, trained, wanted, write_rows

KEYS = ("data", "study", "variant", "seed", "labels", "steps")
LABELS = {"toytown": (10, 30, 100, None), "camvid": (20, 50, 100, None)}
CRITERIA = ("random", "uniform", "ds", "us", "ds_us")


def overrides(**settings: Any) -> list[str]:
    """Command-line words of settings; "__" in a name is a dot."""
    return [word for name, value in settings.items() for word in (f"--{name.replace('__', '.')}", str(value))]


def variants(options: argparse.Namespace) -> Iterator[tuple[str, str, int | None, list[str]]]:
    """(study, variant, labels, settings) of all runs of one seed, most important first."""
    few = options.labels
    depth = str(options.depth)
    sde = overrides(three_ways__initialize_from=depth)
    plain = overrides(three_ways__teacher="false", three_ways__consistency__mix="none")
    mixed = [*sde, *overrides(three_ways__depth=depth)]
    yield "mixing", "labels only", few, [*sde, *plain]
    for mix in ("depthmix", "classmix", "cutmix", "none"):
        yield "mixing", "mean teacher" if mix == "none" else mix, few, [
            *mixed, *overrides(three_ways__consistency__mix=mix)
        ]  # fmt: skip
    yield "initialisation", "scratch", few, [*plain, *overrides(network__weights="none")]
    yield "initialisation", "imagenet", few, plain
    yield "initialisation", "sde", few, [*sde, *plain]
    if options.data == "toytown":  # CamVid's training frames are a second apart: nothing to learn depth from
        both = overrides(three_ways__multi_task="true", three_ways__depth="online")
        yield "multi_task", "off", few, mixed
        yield "multi_task", "shared encoder", few, [*sde, *both]
        yield "multi_task", "pad", few, [*sde, *both, *overrides(network__exchange="pad")]
    for count in LABELS[options.data]:
        yield "labels", "imagenet, labels only", count, plain
        yield "labels", "three ways", count, mixed
    for criterion in CRITERIA:
        yield "selection", criterion, few, [*sde, *plain]


def selected(options: argparse.Namespace, criterion: str, seed: int) -> Path:
    """The list of frames that a criterion chooses."""
    from vergence.api import select

    folder = options.out / "selection" / f"{criterion}-{seed}"
    if not (folder / "selection.json").is_file():
        pool, student = options.pool or options.town, "select-student-tiny"
        select(options.depth, pool, options.labels, folder, criterion, seed=seed, student=student)
    return folder / "selection.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(LABELS), default="toytown")
    parser.add_argument("--town", type=Path, required=True, help="manifest or folder with labels")
    parser.add_argument("--pool", type=Path, help="manifest that selection chooses from; default all training frames")
    parser.add_argument("--depth", type=Path, required=True, help="depth run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--csv", type=Path, help="default results/three_ways_DATA.csv beside this file")
    parser.add_argument("--studies", nargs="+", default=None)
    parser.add_argument("--variants", nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--limit", type=int, default=None, help="validation images, evenly spaced")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options.csv = options.csv or Path(__file__).parent / "results" / f"three_ways_{options.data}.csv"
    recipe = "three_ways-toytown" if options.data == "toytown" else "three_ways-camvid-small"
    done = {tuple(row[key] for key in KEYS) for row in read_rows(options.csv)}
    for seed in options.seeds:
        scored: dict[tuple[int | None, str], list[dict[str, Any]]] = {}
        for study, variant, labels, settings in variants(options):
            identity = {"data": options.data, "study": study, "variant": variant, "seed": seed,
                        "labels": labels or "all", "steps": options.steps}  # fmt: skip
            if not wanted(options, study, variant) or tuple(str(identity[key]) for key in KEYS) in done:
                continue
            words = [*settings, *overrides(train__seed=seed, train__steps=options.steps, train__evaluate_every=0)]
            words += overrides(frames__labelled__count="null" if labels is None else labels)
            if study == "selection":
                words += overrides(frames__labelled__file=selected(options, variant, seed))
            same = (labels, " ".join(words))
            if same not in scored:  # a variant may stand in several studies
                run = options.out / f"{study}-{variant}-{labels or 'all'}-{seed}".replace(" ", "_").replace(",", "")
                trained(recipe, words, options.town, run)
                scored[same] = labelled_rows(run, options.town, limit=options.limit)
                shutil.rmtree(run / "checkpoints")  # the rows are what is kept
            write_rows(options.csv, [{**identity, **row} for row in scored[same]], KEYS)
    rows = [row for row in read_rows(options.csv) if row["data"] == options.data]
    print(paired_summary(rows, ("study", "labels", "variant"), "miou"))


if __name__ == "__main__":
    main()
