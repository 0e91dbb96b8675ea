"""Is depth learned from real driving video better than the best answer that ignores the picture?"""

import csv
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import SHARED, Lab
from benchmarks.claims.recipes import RecipeRun, finished
from benchmarks.studies.three_ways import overrides
from vergence.data.layouts import index_layout
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.evaluation.evaluate import Scoring, evaluate

STEPS, PICTURES = 20_000, 48
METRICS = ("abs_rel", "rmse", "a1")


def run(lab: Lab, variant: str, number: int) -> Numbers:
    """One picture's scores; the first call trains, which takes nights and goes on where it was stopped."""
    scores = lab.out / "real-depth.csv"
    if not scores.is_file():
        video, truth = manifests(lab.out)
        words = overrides(
            train__steps=STEPS, frames__options__height=128, frames__options__width=416, frames__options__fit="crop",
            frames__options__offsets='[-1, 1, "s"]', train__checkpoint_every=250,
        )  # fmt: skip
        folder = finished(lab.run("real-depth"), RecipeRun("depth-video", words, video), seed=0)
        evaluate(folder, truth, Scoring("eigen"), "test", json=scores.with_suffix(".json"), per_image=True)
    with scores.open(newline="", encoding="utf-8") as file:
        name = {"trained": "trained", "input-free": "input_free"}[variant]
        rows = sorted((row for row in csv.DictReader(file) if row["name"] == name), key=lambda row: row["image"])
    return {metric: float(rows[number][metric]) for metric in METRICS}


def manifests(out: Path) -> tuple[Path, Path]:
    """The video that may teach, and the distinct pictures that judge, as protocol.json says."""
    protocol = json.loads((SHARED / "protocol.json").read_text())
    video = index_layout("driving_video", SHARED / "driving_video", out / "all-video.parquet")
    taught = Manifest([replace(row, split="train") for row in video if teaches(row, protocol)], video.root)
    pictures = index_layout("kitti2015", SHARED / "depth_gt" / "kitti2015", out / "all-pictures.parquet", truth="lidar")
    wanted = set(protocol["depth_test_pictures"])
    judges = Manifest([row for row in pictures if Path(row.image).stem in wanted], pictures.root)
    return taught.write(out / "real-video.parquet"), judges.write(out / "real-pictures.parquet")


def teaches(row: FrameRow, protocol: dict[str, dict[str, object]]) -> bool:
    """Whether a frame is of a clip, and of the part of it, that may teach."""
    part = protocol["depth_train_clips"].get(Path(row.sequence).name)
    if isinstance(part, list):
        return part[0] <= int(Path(row.image).stem) <= part[1]
    return part == "all"


CLAIM = Claim(
    name="real_depth",
    says="Depth learned from real driving video is nearer to lidar than the best map that ignores the picture.",
    setup=f"""Recipe depth-video (EfficientNet-Lite0, video and stereo) at 416x128, {STEPS:,} steps on the twelve
    clips that may teach under protocol.json (2,213 frames); of the 49 distinct KITTI 2015 pictures the 48 with lidar
    judge (up to 80 m, Garg crop, median scaling per image). One run: pictures take the place of seeds in the
    interval.""",
    variants=("trained", "input-free"),
    comparisons=(
        Comparison("trained", "input-free", "abs_rel", lower=True),
        Comparison("trained", "input-free", "a1"),
    ),
    deciding=1,
    seeds=PICTURES,
    run=run,
    seconds=0.1,
    preparation=2.5 * STEPS,
)
