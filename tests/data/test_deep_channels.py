"""Pictures of several channels of 16 bits."""

import struct
import zlib

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture
from vergence.data.images import read_image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_12_bits_in_16(tmp_path, suffix, orientation):
    colours = picture(2).astype(np.uint16) << 4
    frame = av.VideoFrame.from_ndarray(colours, format="rgb48le")
    with av.open(str(tmp_path / "a.png"), "w", format="image2") as out:
        stream = out.add_stream("png" if suffix == ".png" else "tiff", rate=1)
        stream.width, stream.height, stream.pix_fmt = 40, 24, "rgb48be" if suffix == ".png" else "rgb48le"
        packets = [*stream.encode(frame), *stream.encode()]
        data = b"".join(bytes(packet) for packet in packets)
        out.mux(packets)
    path = tmp_path / f"sub{suffix}" / f"a{suffix}"
    path.parent.mkdir()
    path.write_bytes(data)
    if orientation > 1 and suffix == ".png":
        exif = Image.Exif()
        exif[274] = orientation
        block = exif.tobytes()[6:] if exif.tobytes().startswith(b"Exif") else exif.tobytes()
        chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
        path.write_bytes(data[:33] + chunk + data[33:])
        plain = tmp_path / "plain.png"
        Image.fromarray(picture(2)).save(plain, exif=exif)
        np.testing.assert_array_equal(read_image(path), read_image(plain))
    else:
        np.testing.assert_array_equal(read_image(path), picture(2))
