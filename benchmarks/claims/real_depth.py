"""Is depth learned from real driving video better than the best answer that ignores the picture?"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, alone, finished
from benchmarks.studies.common import image_rows
from benchmarks.studies.three_ways import overrides
from vergence.data.atomic import write_text
from vergence.data.layouts import index_layout
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.evaluation.baselines import MeanInverseDepth
from vergence.evaluation.depth_scores import Scores, choose_protocol, csv_text
from vergence.evaluation.depth_scores import image_rows as score_rows
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.inference.inputs import ground_truth, has_truth

PICTURES, TRAINING_TRUTH = 48, 88
OTHERS, BEFORE = "input-free, of the other pictures", "before these steps"
METRICS = ("abs_rel", "rmse", "a1")
PROTOCOL = "eigen"
SCORING = Scoring(PROTOCOL)


@dataclass(frozen=True)
class Stage:
    """How long depth is learned, and at which size."""

    name: str
    steps: int
    height: int
    width: int
    seconds: float
    """Of a step, on one quiet core."""
    batch: int = 8
    rate: float = 2e-4
    start: "Stage | None" = None
    """Whose run this one goes on from, with fresh moments and a rate that falls anew."""

    def run(self, lab: Lab, variant: str, number: int) -> Numbers:
        """One picture's scores; the first call trains, which takes hours and goes on where it was stopped."""
        if variant == OTHERS:
            return score(input_free(lab, self.height, self.width), "input_free", number)
        if variant == BEFORE and self.start is not None:
            return self.start.run(lab, "trained", number)
        return scores_of(lab, self.name.replace("_", "-"), lambda: self.learned(lab), variant.replace("-", "_"), number)

    def learned(self, lab: Lab) -> Path:
        """The run, trained to its end now or before."""
        recipe = self.recipe(manifests(lab)[0], self.start.learned(lab) if self.start else None)
        return finished(lab.run(self.name.replace("_", "-")), recipe, seed=0)

    def recipe(self, video: Path, start: Path | None = None) -> RecipeRun:
        """What is trained, on frames that may teach."""
        words = overrides(
            depth__initialize_from="null" if start is None else start, optim__lr=self.rate, train__steps=self.steps,
            frames__options__height=self.height, frames__options__width=self.width,
            frames__options__fit="crop", frames__options__offsets='[-1, 1, "s"]', frames__batch_size=self.batch,
            train__checkpoint_every=250,
        )  # fmt: skip
        return RecipeRun("depth-video", words, video)

    def claim(self, says: str) -> Claim:
        before = (BEFORE,) if self.start else ()
        begun = f" from the run of claim {self.start.name} (rate {self.rate:g})" if self.start else ""
        return Claim(
            name=self.name,
            says=says,
            setup=f"""Recipe depth-video (EfficientNet-Lite0, video and stereo) at {self.width}x{self.height},
            {self.steps:,} steps of {self.batch} frames{begun} on the twelve clips that may teach under protocol.json
            (2,213 frames); of the 49 distinct KITTI 2015 pictures the 48 with lidar judge (up to 80 m, Garg crop,
            median scaling per image). One run: pictures take the place of seeds in the interval. Input-free maps: the
            mean inverse depth of the other pictures that judge, which decides, and that of the {TRAINING_TRUTH} frames
            of the clips that have lidar.""",
            variants=("trained", "input-free", OTHERS, *before),
            comparisons=(
                Comparison("trained", OTHERS, "abs_rel", lower=True),
                Comparison("trained", OTHERS, "a1"),
                Comparison("trained", "input-free", "abs_rel", lower=True),
                *(Comparison("trained", one, "abs_rel", lower=True) for one in before),
            ),
            deciding=1,
            seeds=PICTURES,
            run=self.run,
            seconds=0.1,
            preparation=self.seconds * self.steps,
        )


def scores_of(lab: Lab, name: str, trained: Callable[[], Path], who: str, number: int) -> Numbers:
    """Scores of one of the pictures that judge, from a file that the first call makes; ``who`` predicted."""
    scores = lab.out / f"{name}.csv"
    with alone(scores):
        if not scores.is_file():
            evaluate(trained(), manifests(lab)[1], SCORING, "test", json=scores.with_suffix(".json"), per_image=True)
    return score(scores, who, number)


def score(scores: Path, who: str, number: int) -> Numbers:
    """One of the pictures in a file of scores."""
    row = image_rows(scores, who)[number]
    return {metric: float(row[metric]) for metric in METRICS}


def input_free(lab: Lab, height: int, width: int) -> Path:
    """A file of scores: each picture that judges, by the mean inverse depth of all others of them."""
    scores = lab.out / f"input-free-{width}x{height}.csv"
    with alone(scores):
        if not scores.is_file():
            pictures = Manifest.read(manifests(lab)[1])
            rows = [row for row in range(len(pictures)) if has_truth(pictures, row)]
            truths = [ground_truth(pictures, row) for row in rows]
            mean, found = MeanInverseDepth(height, width), Scores("input_free")
            for truth in truths:
                mean.add(truth)
            protocol = choose_protocol(PROTOCOL)
            for row, truth in zip(rows, truths, strict=True):
                found.add(pictures[row].image, mean.mean(without=truth), truth, protocol)
            write_text(scores, csv_text(score_rows([found])))
    return scores


def manifests(lab: Lab) -> tuple[Path, Path]:
    """The video that may teach, and the distinct pictures that judge, as protocol.json says."""
    files = lab.out / "real-video.parquet", lab.out / "real-pictures.parquet"
    with alone(files[0]):
        if not all(file.is_file() for file in files):
            for manifest, file in zip(_indexed(lab), files, strict=True):
                manifest.write(file)
    return files


def _indexed(lab: Lab) -> tuple[Manifest, Manifest]:
    data, out = lab.data, lab.out
    protocol = json.loads((data / "protocol.json").read_text())
    video = index_layout("driving_video", data / "driving_video", out / "all-video.parquet")
    taught = Manifest([replace(row, split="train") for row in video if teaches(row, protocol)], video.root)
    pictures = index_layout("kitti2015", data / "depth_gt" / "kitti2015", out / "all-pictures.parquet", truth="lidar")
    wanted = set(protocol["depth_test_pictures"])
    return taught, Manifest([row for row in pictures if Path(row.image).stem in wanted], pictures.root)


def teaches(row: FrameRow, protocol: dict[str, dict[str, object]]) -> bool:
    """Whether a frame is of a clip, and of the part of it, that may teach."""
    part = protocol["depth_train_clips"].get(Path(row.sequence).name)
    if isinstance(part, list):
        return part[0] <= int(Path(row.image).stem) <= part[1]
    return part == "all"


_SAYS = "Depth learned from real driving video is nearer to lidar than the best map that ignores the picture"
SHORT = Stage("real_depth_small", 5_000, 64, 208, seconds=1.3)
SMALL = SHORT.claim(f"{_SAYS}, already from a short training.")
FINER = Stage("real_depth_finer", 1_500, 128, 416, seconds=1.7, batch=4, rate=1e-4, start=SHORT)
LARGER = FINER.claim(f"{_SAYS}, where a short training goes on at twice the size.")
CLAIM = Stage("real_depth", 20_000, 128, 416, seconds=2.4, batch=4).claim(f"{_SAYS}.")
