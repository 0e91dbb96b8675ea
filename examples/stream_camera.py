"""The nearest thing ahead, frame by frame: python stream_camera.py RUN [VIDEO | CAMERA NUMBER]."""

import sys
from collections.abc import Iterator

import cv2  # pip install 'vergence[flow]'
import numpy as np

import vergence


def camera(number: int) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3) RGB of a camera; the newest one, so that a slow network does not fall behind."""
    capture = cv2.VideoCapture(number)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    while True:
        there, picture = capture.read()
        if not there:
            raise SystemExit(f"camera {number} gives no pictures")
        yield picture[..., ::-1]


run, source = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "0"
model = vergence.load(run, batch_size=1)  # each picture is answered before the next one is taken
for seen in model.stream(camera(int(source)) if source.isdigit() else source):
    height, width = seen.depth.shape
    ahead = seen.depth[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    print(f"{seen.name}  ahead {np.percentile(ahead, 5):.2f} {seen.unit}", flush=True)
