"""Depth learned from real driving video, scored on measured depth it has never seen.

    python benchmarks/studies/depth_real.py --video DRIVING_VIDEO --truth KITTI2015 --out runs/real

``--video`` is a folder of clips (the form of the ``driving_video`` layout: grey and colour, several cameras, some with
the right picture), ``--truth`` stereo pairs with lidar depth (``kitti2015`` layout). The lidar of ``--truth`` is only
used for scoring. One run a variant and seed; a study that is stopped goes on where it was.
"""

import argparse
import logging
from pathlib import Path

from benchmarks.studies.common import score, summary, trained, write_rows
from vergence.data.layouts import index_layout

VARIANTS = {
    "mono": ["--frames.options.offsets", "[-1, 1]"],
    "mono+stereo": ["--frames.options.offsets", '[-1, 1, "s"]'],
}
RECIPE = Path(__file__).with_name("depth_real.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "depth_real.csv")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1800)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    video, truth = options.out / "video.parquet", options.out / "truth.parquet"
    if not video.is_file():
        index_layout("driving_video", options.video, video)
        index_layout("kitti2015", options.truth, truth, truth="lidar")
    rows = []
    for seed in options.seeds:
        for name in options.variants:
            overrides = [*VARIANTS[name], "--train.seed", str(seed), "--train.steps", str(options.steps)]
            run = trained(str(RECIPE), overrides, video, options.out / f"{name}-{seed}")
            identity = {"variant": name, "seed": seed, "steps": options.steps}
            rows += score(run, truth, ("eigen", "improved"), identity, split="test")
            write_rows(options.csv, rows, ("variant", "seed", "steps", "predictor", "protocol"))
    print(summary(rows, ("protocol", "variant", "predictor")))


if __name__ == "__main__":
    main()
