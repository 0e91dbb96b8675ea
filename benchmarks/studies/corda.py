"""CorDA, ingredient by ingredient: what mixing across domains, depth, correlation and difficulty each bring.

    python -m benchmarks.studies.corda --pair toytown --source TOWN_CLEAR --target TOWN_DUSK \
        --source-depth RUN --target-depth RUN
    python -m benchmarks.studies.corda --pair camvid --source TOWN --target CAMVID \
        --source-depth TOWN_RUN --target-depth VIDEO_RUN

The towns are ``vergence index toytown TOWN --out clear.parquet --seed 1 --train 48 --val 8`` and, with other streets (a
town of the same seed would show the target's streets in the source's labels), ``vergence index toytown DUSK --out
dusk.parquet --style dusk --seed 2 --frames 20 --stereo false``; depth runs are that of
depth_toytown and one of depth_real.yaml on driving video.

Every variant is trained for the same steps over the same seeds: rows of one seed are paired. Labels of the target are
for scoring alone. A study that is stopped goes on where it was. Beside mIoU, rows say how well adaptation difficulty,
and the teacher's confidence, find the wrong pixels of pseudo-labels (AUROC; 0.5 knows nothing).
"""

import argparse
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.studies.common import labelled_rows, paired_summary, read_rows, trained, wanted, write_rows
from benchmarks.studies.corda_maps import AUROC, rank_errors
from benchmarks.studies.three_ways import overrides
from vergence.runs.checkpoint import load_run

KEYS = ("pair", "study", "variant", "seed", "steps")
STUDIES = ("steps", "depth", "mixing")
RANKS = ("pseudo_label_error", *AUROC)


def variants(options: argparse.Namespace) -> Iterator[tuple[str, str, list[str]]]:
    """(study, variant, settings) of all runs of one seed, most important first."""
    source, target = str(options.source_depth), str(options.target_depth)
    mono = depth_settings(source, target)
    plain = overrides(corda__depth="false", corda__difficulty="off", network__variant="dacs")
    apart = overrides(network__correlation="false")
    even = overrides(corda__difficulty="off")
    yield "steps", "source only", [*plain, *overrides(corda__adapt="false")]
    yield "steps", "DACS", plain
    yield "steps", "+ depth heads", [*mono, *apart, *even]
    yield "steps", "+ correlation", [*mono, *even]
    yield "steps", "+ difficulty", [*mono, *apart]
    yield "steps", "both", mono
    yield "depth", "estimated", mono
    yield "depth", "measured", depth_settings("measured", "measured" if options.pair == "toytown" else target)
    yield "mixing", "classmix", plain
    yield "mixing", "cutmix", [*plain, *overrides(corda__consistency__mix="cutmix")]
    yield "mixing", "depthmix", [*plain, *mono, *overrides(corda__consistency__mix="depthmix")]


def depth_settings(source: str, target: str) -> list[str]:
    """Depth supervision of both domains; of unlike kinds, in one scale."""
    align = "none" if source == target else "median"
    return overrides(corda__source_depth=source, corda__target_depth=target, corda__align_depth=align)


def row_of(run: Path, options: argparse.Namespace, adapts: bool) -> dict[str, Any]:
    """Scores of a finished run; columns of what it does not have are empty."""
    loaded = load_run(run)
    (row,) = labelled_rows(loaded, options.target, limit=options.limit)
    ranks = rank_errors(run, options.target, options.ranked) if adapts else {}
    named = {name: round(ranks[name], 5) if name in ranks else "" for name in RANKS}
    scores = {name: row.pop(name) for name in ("miou", "pixel_accuracy")}
    about = {"ranked_frames": options.ranked if adapts else ""}
    about |= {f"{role}_depth": Path(loaded.config.section.depth_of(role)).name for role in ("source", "target")}
    return {**scores, **named, **about, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=("toytown", "camvid"), default="toytown", help="recipe corda-PAIR")
    parser.add_argument("--source", type=Path, required=True, help="manifest or folder of labelled source frames")
    parser.add_argument("--target", type=Path, required=True, help="manifest or folder of target frames")
    parser.add_argument("--source-depth", required=True, metavar="PORT", help="depth run of the source, or measured")
    parser.add_argument("--target-depth", required=True, metavar="PORT", help="depth run of the target, or measured")
    parser.add_argument("--out", type=Path, help="default runs/corda/PAIR")
    parser.add_argument("--csv", type=Path, help="default results/corda_PAIR.csv beside this file")
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=["steps", "depth"])
    parser.add_argument("--variants", nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--limit", type=int, default=None, help="validation images, evenly spaced")
    parser.add_argument("--ranked", type=int, default=40, help="frames of the AUROC, evenly spaced")
    parser.add_argument("overrides", nargs="*", help="settings of all runs, after --, such as -- --frames.batch_size 2")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options.out = options.out or Path("runs/corda") / options.pair
    options.csv = options.csv or Path(__file__).parent / "results" / f"corda_{options.pair}.csv"
    for name in ("source_depth", "target_depth"):  # a run is resumed and evaluated from other folders
        if Path(getattr(options, name)).exists():
            setattr(options, name, str(Path(getattr(options, name)).absolute()))
    done = {tuple(row[key] for key in KEYS): row for row in read_rows(options.csv)}
    for seed in options.seeds:
        scored: dict[str, dict[str, Any]] = {}
        for study, variant, settings in variants(options):
            identity = {"pair": options.pair, "study": study, "variant": variant, "seed": seed, "steps": options.steps}
            if not wanted(options, study, variant):
                continue
            words = [*settings, *overrides(train__seed=seed, train__steps=options.steps, train__evaluate_every=0),
                     *overrides(frames__source_domain=options.source, train__keep=1), *options.overrides]  # fmt: skip
            same = " ".join(words)  # a variant may stand in several studies
            if earlier := done.get(tuple(str(identity[key]) for key in KEYS)):
                scored[same] = earlier
                continue
            if same not in scored:
                run = options.out / f"{study}-{variant}-{seed}".replace(" ", "_").replace("+_", "")
                trained(f"corda-{options.pair}", words, options.target, run)
                scored[same] = row_of(run, options, adapts=variant != "source only")
                if seed != options.seeds[0]:  # the first seed's are kept for pictures
                    shutil.rmtree(run / "checkpoints")
            write_rows(options.csv, [{**identity, **scored[same], **identity}], KEYS)
    print(paired_summary(read_rows(options.csv), ("study", "variant"), "miou"))


if __name__ == "__main__":
    main()
