"""Small videos."""

import av
import numpy as np


def write_video(path, frames=12, size=(64, 32), rate=10, aspect=None, faststart=False):
    """A film whose left half is red and right half blue; grey level of a stripe counts the frames."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
        stream.options = {"crf": "1", "g": "4"}
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        noise = np.random.default_rng(0)
        for number in range(frames):
            picture = np.zeros((size[1], size[0], 3), np.uint8)
            picture[:, : size[0] // 2, 0] = 200
            picture[:, size[0] // 2 :, 2] = 200
            picture[size[1] // 2 :] = noise.integers(0, 255, picture[size[1] // 2 :].shape)
            picture[: size[1] // 4] = 20 * number % 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
