"""SemHint-MD, ingredient by ingredient: what a segmentation branch, hints and refined labels bring to depth.

    python -m benchmarks.studies.semhint --data toytown --mode stereo --frames TOWN --start DEPTH_RUN --out runs/semhint
    python -m benchmarks.studies.semhint --data real --mode mono --frames VIDEO --truth KITTI2015 --start DEPTH_RUN \\
        --labels CAMVID_RUN --out runs/semhint

All variants go on from one depth run for the same steps over the same seeds, so that rows of one seed are paired and
the first one (plain view synthesis, gone on with) is what the others are compared with; its photometric loss is a mean
over the kept pixels as theirs is (loss.normalise: kept), not over all as that of the depth recipe. The noisy labels of
toy town come from a segmentation that saw ``--few`` labelled frames, drawn and trained anew for each seed. A study that
is stopped goes on where it was.
"""

import argparse
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.studies.common import (
    METRICS,
    commit,
    device_name,
    paired_summary,
    read_rows,
    trained,
    wanted,
    write_rows,
)
from benchmarks.studies.three_ways import overrides
from vergence import __version__
from vergence.evaluation.evaluate import Scoring, evaluate

KEYS = ("data", "study", "variant", "seed", "steps")
OFFSETS = {"mono": "[-1, 1]", "stereo": '["s"]', "mono+stereo": '[-1, 1, "s"]'}
CLASSES = ("road", "building", "wall", "pole", "traffic sign", "vegetation", "person", "car")
"""Whose depth errors are kept beside those of all pixels."""
PLAIN = overrides(semhint__segmentation="false", semhint__hints="false", semhint__refine="false")
BRANCH = overrides(semhint__hints="false", semhint__refine="false")
FROZEN = overrides(semhint__refine="false")
HINTS = overrides(semhint__segmentation="false", semhint__refine="false")
RECIPE_REAL = Path(__file__).with_name("semhint_real.yaml")


def variants(noisy: str, oracle: bool) -> Iterator[tuple[str, str, list[str]]]:
    """(study, variant, settings), most important first; ``noisy`` is the label port."""

    def port(name: str) -> list[str]:
        return overrides(semhint__labels=name)

    yield "ingredients", "depth alone", [*PLAIN]
    yield "ingredients", "+ segmentation", [*BRANCH, *port(noisy)]
    yield "ingredients", "+ hints", [*FROZEN, *port(noisy)]
    yield "ingredients", "+ refinement", port(noisy)
    yield "ingredients", "hints without segmentation", [*HINTS, *port(noisy)]
    if not oracle:
        return
    yield "ingredients", "true labels", port("truth")
    yield "ingredients", "true labels, verified by true depth", [*port("truth"), *overrides(semhint__oracle="true")]
    for blocks in (0, 2, 4, 6, 8, 10):
        full = overrides(network__gradient_scale="[1, 1]", network__shared_blocks=blocks)
        yield "shared blocks", str(blocks), [*BRANCH, *port(noisy), *full]
    yield "shared blocks", "4, gradient 0.1", [*BRANCH, *port(noisy)]
    for border, blobs in ((0, 0.0), (2, 0.03), (4, 0.1), (6, 0.3)):
        noise = overrides(frames__label_noise__border=border, frames__label_noise__blobs=blobs)
        yield "label noise", f"{border} px, {100 * blobs:g} %", [*port("truth"), *noise]
    for name, words in {
        "planes and contacts": [],
        "planes": overrides(semhint__proposals__families="[components, cells]"),
        "components": overrides(semhint__proposals__families="[components]"),
        "cells": overrides(semhint__proposals__families="[cells]"),
        "planes, contacts, neighbours": overrides(
            semhint__proposals__families="[components, cells, neighbours, contacts]"
        ),
        "planes, contacts, borders": overrides(semhint__proposals__families="[components, cells, borders, contacts]"),
        "sky as far as depth goes": overrides(semhint__sky="[sky]"),
        "no margins": overrides(semhint__verification__kappa=0, semhint__verification__floor=0),
        "no dynamic guard": overrides(semhint__dynamic_guard="false"),
        "loss of log depth": overrides(semhint__hint_form="log_ratio"),
        "all pixels alike": overrides(semhint__hint_balance=0),
        "a third of the weight": overrides(semhint__hint_weight=0.33),
    }.items():
        yield "hints", name, [*HINTS, *port(noisy), *words]


def label_source(options: argparse.Namespace, seed: int) -> str:
    """A segmentation run that saw few labels; on real video the one that is given."""
    if options.labels is not None:
        return str(options.labels)
    run = options.out / f"labels-{options.few}-{seed}"
    words = overrides(frames__labelled__count=options.few, train__steps=400, train__seed=seed, train__evaluate_every=0)
    return str(trained("supervised-toytown", words, options.frames, run))


def scored(run: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Errors of depth, of classes and of borders where the truth has labels, and what they depend on."""
    truth = options.truth or options.frames
    split, protocol = ("test", "eigen") if options.data == "real" else ("val", "plain")
    scale = "median" if options.mode == "mono" or options.data == "real" else "none"
    result = evaluate(run, truth, Scoring(protocol, baselines=False, limit=options.limit, scale=scale), split=split)
    (row,) = [row for row in result["rows"] if row["name"] == "trained"]
    numbers: dict[str, Any] = {name: round(float(row[name]), 5) for name in METRICS}
    for name in ("border_distance", "border_recall", "sky_near"):
        numbers[name] = round(float(row[name]), 5) if name in row else ""
    for name in CLASSES:
        error = row.get("class_abs_rel", {}).get(name)
        numbers[f"abs_rel_{name.replace(' ', '_')}"] = "" if error is None else round(float(error), 5)
    segmentation = result.get("segmentation")
    numbers["miou"] = round(float(segmentation["rows"][0]["miou"]), 5) if segmentation else ""
    protocol_text = f"{result['protocol']} · {result['size']} · {result['images']} images · data {result['data']}"
    return {**numbers, "protocol": protocol_text, "device": device_name(), "vergence": __version__, "commit": commit()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("toytown", "real"), default="toytown")
    parser.add_argument("--mode", choices=list(OFFSETS), default="stereo")
    parser.add_argument("--frames", type=Path, required=True, help="manifest or folder to train on")
    parser.add_argument("--truth", type=Path, help="manifest or folder with measured depth; default the same")
    parser.add_argument("--start", type=Path, required=True, help="depth run that all variants go on from")
    parser.add_argument("--labels", type=Path, help="label port; default a segmentation from --few toy town frames")
    parser.add_argument("--few", type=int, default=30)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--csv", type=Path, help="default results/semhint_DATA.csv beside this file")
    parser.add_argument("--studies", nargs="+", default=None)
    parser.add_argument("--variants", nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--limit", type=int, default=None, help="evaluation images, evenly spaced")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options.csv = options.csv or Path(__file__).parent / "results" / f"semhint_{options.data}.csv"
    recipe = "semhint-toytown" if options.data == "toytown" else str(RECIPE_REAL)
    done = {tuple(row[key] for key in KEYS) for row in read_rows(options.csv)}
    for seed in options.seeds:
        noisy = label_source(options, seed)
        for study, variant, settings in variants(noisy, oracle=options.data == "toytown"):
            name = f"{options.mode} {study}"
            identity = {"data": options.data, "study": name, "variant": variant, "seed": seed, "steps": options.steps}
            if not wanted(options, study, variant) or tuple(str(identity[key]) for key in KEYS) in done:
                continue
            schedule = overrides(
                semhint__start=0, semhint__ramp=options.steps // 6, semhint__beta_ramp=options.steps // 3,
                semhint__hint_downsample=1,
                semhint__initialize_from=options.start, frames__options__offsets=OFFSETS[options.mode],
                train__seed=seed, train__steps=options.steps, train__evaluate_every=0,
            )  # fmt: skip
            run = options.out / f"{options.data}-{name}-{variant}-{seed}".replace(" ", "_").replace(",", "")
            trained(recipe, [*schedule, *settings], options.frames, run)
            write_rows(options.csv, [{**identity, **scored(run, options)}], KEYS)
            if seed != options.seeds[0]:  # pictures are made of the first
                shutil.rmtree(run / "checkpoints")
    rows = [row for row in read_rows(options.csv) if row["data"] == options.data]
    print(paired_summary(rows, ("study", "variant"), "abs_rel"))


if __name__ == "__main__":
    main()
