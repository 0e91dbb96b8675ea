"""What depth needs of the real driving data, in a folder of so many MiB, for a machine that takes little at once.

    python -m benchmarks.gpu.pack DATA --mib 30

The pictures that judge, with their lidar, always; of the clips that may teach under protocol.json whole ones, smallest
first, while they fit, unchanged. ``python -m benchmarks.gpu.run OUT --data DATA`` trains on them.
"""

import argparse
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.claims.lab import SHARED, Lab
from benchmarks.claims.real_depth import manifests
from vergence.data.manifest import Manifest

MIB = 2**20


def pack(out: Path, most: int, data: Path = SHARED) -> tuple[list[str], list[str]]:
    """Copy what fits into ``most`` bytes.

    Returns:
        Names of clips that were taken, and of those that were not.
    """
    data = data.resolve()
    clips, files = wanted(data)
    left = most - size(files)
    if left < 0:
        raise SystemExit(f"the pictures that judge are {size(files) / MIB:.1f} MiB; give a larger --mib.")
    taken = []
    for name in sorted(clips, key=lambda one: size(clips[one])):
        if (cost := size(clips[name])) <= left:
            taken.append(name)
            files += clips[name]
            left -= cost
    if out.exists():
        raise SystemExit(f"{out} is there already; remove it, or give another folder.")
    for file in files:
        place = out / file.relative_to(data)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return taken, [name for name in clips if name not in taken]


def wanted(data: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """Files of each clip that may teach, and those that all need: the protocol, and the pictures that judge."""
    with tempfile.TemporaryDirectory() as made:
        video, judges = (Manifest.read(file) for file in manifests(Lab(Path(made), data)))
        clips: dict[str, list[Path]] = defaultdict(list)
        for place, row in enumerate(video):
            parts = ("image", "stereo") if row.stereo else ("image",)
            clips[Path(row.sequence).name] += [video.path(place, part).resolve() for part in parts]
        for name, files in clips.items():
            files.append(data / "driving_video" / name / "intrinsics.json")
        scored = [place for place, row in enumerate(judges) if row.depth]
        common = [judges.path(place, part).resolve() for place in scored for part in ("image", "depth")]
        return clips, [*common, data / "protocol.json", data / "depth_gt" / "kitti2015" / "calib.json"]


def size(files: list[Path]) -> int:
    """Bytes of files."""
    return sum(file.stat().st_size for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--mib", type=float, default=30.0, help="what it may hold")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the real driving data")
    options = parser.parse_args()
    taken, missing = pack(options.out, int(options.mib * MIB), options.data)
    print(f"{len(taken)} clips: {', '.join(taken)}; left out: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
