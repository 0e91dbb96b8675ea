"""The factor to metres by what is known of real clips: stereo baseline, lidar, poses, GPS, speed; with its interval.

    python benchmarks/studies/metric_scale.py RUN DRIVING_VIDEO [--frames 60]

RUN learned from stereo, so that its unit is tied to metres too. DRIVING_VIDEO holds the clips ``kitti_odo04`` (poses
and lidar), ``kitti_odo_straight`` (poses) and ``karlsruhe_0019`` (GPS/IMU), of which the first frames are looked at.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.common import commit, device_name, write_rows
from vergence import __version__
from vergence.data.known_motion import read_motion
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.depth_files import survey
from vergence.inference.frame_streams import ManifestStream
from vergence.inference.looks import Looks
from vergence.inference.predictor import Predictor, load
from vergence.inference.scaling import Asked

CLIPS = {"kitti_odo04": "poses.txt", "kitti_odo_straight": "poses.txt", "karlsruhe_0019": "ins.txt"}
_COUNT = re.compile(r"(?:median of )?(\d+) (?:frame|segment)")
_INTERVAL = re.compile(r"90 % of them ([\d.e+-]+) to ([\d.e+-]+), standard error ([\d.]+)%")


def first_frames(clip: Path, frames: int) -> Manifest:
    whole = resolve_input(clip, False, False)
    order = sorted(range(len(whole)), key=lambda index: whole[index].position)[:frames]
    return Manifest([whole[index] for index in order], whole.root)


def mean_speed(motion: Path, data: Manifest) -> float:
    """Metres per second over the frames, end to end of each five."""
    places = read_motion(motion).positions[: len(data)]
    way = np.linalg.norm(np.diff(places[::5], axis=0), axis=1).sum()
    return float(way / (5 * (len(places[::5]) - 1)) * data[0].fps)


def rows_of(predictor: Predictor, clip: Path, motion: Path, frames: int, out: Path) -> list[dict[str, Any]]:
    data, rows = first_frames(clip, frames), []
    begun = out / f"{clip.name}-{motion.name}"  # the file of as many frames
    lines = [line for line in motion.read_text().splitlines() if line.strip()]
    head = [line for line in lines if line.startswith("#")]
    begun.write_text("\n".join([*head, *lines[len(head) : len(head) + len(data)]]) + "\n")
    ways = {
        "baseline": Asked("metric"), "lidar": Asked("truth"), motion.stem: Asked(poses=begun),
        "speed": Asked(speed=mean_speed(motion, data)),
    }  # fmt: skip
    for name, asked in ways.items():
        try:
            record = survey(Looks(predictor), ManifestStream(data), asked, predictor.network.field_of_view)
        except InputError as error:
            print(f"{clip.name:20} {name:10} {error}", flush=True)
            continue
        count, found = _COUNT.search(record["scale"]), _INTERVAL.search(record["scale"])
        low, high, doubt = found.groups() if found else ("", "", "")
        rows.append(
            {
                "clip": clip.name, "frames": len(data), "by": name, "factor": round(record["factor"], 3), "low": low,
                "high": high, "standard_error_percent": doubt, "counted": count[1] if count else "",
                "device": device_name(), "vergence": __version__, "commit": commit(),
            }
        )  # fmt: skip
        print(f"{clip.name:20} {name:10} {record['factor']:8.2f}  {record['scale']}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--clips", nargs="*", choices=list(CLIPS), default=list(CLIPS))
    parser.add_argument("--work", type=Path, default=Path("runs/metric_scale"), help="scratch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "metric_scale.csv")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    predictor = load(options.run, "cpu")
    for name in options.clips:
        clip = options.videos / name
        rows = rows_of(predictor, clip, clip / CLIPS[name], options.frames, options.work)
        write_rows(options.out, rows, ("clip", "by"))


if __name__ == "__main__":
    main()
