"""The factor to metres by what is known of real clips: stereo baseline, lidar, camera height, poses, GPS, speed.

    python -m benchmarks.studies.metric_scale RUN DRIVING_VIDEO [--frames 60]

RUN learned from stereo, so that its unit is tied to metres too. DRIVING_VIDEO holds the clips of ``CLIPS``, of which
the first frames are looked at. Where a clip has lidar, its factor is the true one: rows say how far others are from it,
and whether it lies in the interval that they state.
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

KITTI_HEIGHT = 1.65
"""Metres of KITTI's cameras above the road (Geiger et al., IJRR 2013)."""
CLIPS: dict[str, tuple[str | None, float | None]] = {
    "kitti_odo04": ("poses.txt", KITTI_HEIGHT),
    "kitti_0005_tail": (None, KITTI_HEIGHT),
    "kitti_0013_tail": (None, KITTI_HEIGHT),
    "kitti_queue": (None, KITTI_HEIGHT),
    "kitti_odo_straight": ("poses.txt", KITTI_HEIGHT),
    "karlsruhe_0019": ("ins.txt", None),
}
"""File of the camera's motion and height above the road, where they are known."""
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


def ways_of(clip: Path, data: Manifest, out: Path) -> dict[str, Asked]:
    """What is known of a clip, by name; lidar first."""
    name, height = CLIPS[clip.name]
    ways = {"lidar": Asked("truth")} if data.given("depth").any() else {}
    ways |= {"baseline": Asked("metric")}
    if height is not None:
        ways["camera height"] = Asked(camera_height=height)
    if name is not None:
        begun = out / f"{clip.name}-{name}"  # the file of as many frames
        lines = [line for line in (clip / name).read_text().splitlines() if line.strip()]
        head = [line for line in lines if line.startswith("#")]
        begun.write_text("\n".join([*head, *lines[len(head) : len(head) + len(data)]]) + "\n")
        ways |= {Path(name).stem: Asked(poses=begun), "speed": Asked(speed=mean_speed(clip / name, data))}
    return ways


def rows_of(predictor: Predictor, clip: Path, frames: int, out: Path) -> list[dict[str, Any]]:
    data, rows = first_frames(clip, frames), []
    looks, true = Looks(predictor), None
    for name, asked in ways_of(clip, data, out).items():
        try:
            record = survey(looks, ManifestStream(data), asked, predictor.network.field_of_view)
        except InputError as error:
            print(f"{clip.name:20} {name:14} {error}", flush=True)
            continue
        factor, count, found = record["factor"], _COUNT.search(record["scale"]), _INTERVAL.search(record["scale"])
        low, high, doubt = found.groups() if found else ("", "", "")
        true = factor if name == "lidar" else true
        judged = {} if true is None or name == "lidar" else judgement(factor, true, low, high, doubt)
        rows.append(
            {
                "clip": clip.name, "frames": len(data), "by": name, "factor": round(factor, 3), "low": low,
                "high": high, "standard_error_percent": doubt, "counted": count[1] if count else "",
                "of_lidar": judged.get("of_lidar", ""), "lidar_inside": judged.get("lidar_inside", ""),
                "standard_errors_off": judged.get("standard_errors_off", ""), "device": device_name(),
                "vergence": __version__, "commit": commit(),
            }
        )  # fmt: skip
        print(f"{clip.name:20} {name:14} {factor:8.2f}  {record['scale']}  {judged or ''}", flush=True)
    return rows


def judgement(factor: float, true: float, low: str, high: str, doubt: str) -> dict[str, float | str]:
    """How far a factor is from that of lidar, and whether its interval holds it; "" where it states none."""
    return {
        "of_lidar": round(factor / true, 3),
        "lidar_inside": str(float(low) <= true <= float(high)) if low else "",
        "standard_errors_off": round(abs(true / factor - 1) / (float(doubt) / 100), 1) if doubt else "",
    }


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
        rows = rows_of(predictor, options.videos / name, options.frames, options.work)
        write_rows(options.out, rows, ("clip", "by"))


if __name__ == "__main__":
    main()
