"""Videos and measured depth: containers that are cut, name other files, or are none; arrays with lies in their headers."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.damage import BYTES, NOT_FILES, Rng, flipped, moved, not_a_file, write
from tests.fuzz.harness import EITHER, REFUSED, Case

NAMING: dict[str, str] = {
    "concat": "ffconcat version 1.0\nfile clip.mp4\nfile clip.mp4\n",
    "concat_elsewhere": "ffconcat version 1.0\nfile /etc/passwd\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nclip.mp4\n#EXT-X-ENDLIST\n",
    "playlist_network": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 50000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:01,000\nhello\n",
}
"""Texts that FFmpeg would follow to other files or to the network."""
VIDEO = {
    "scan": ("scan", "{}"),
    "predict": ("predict", "depth_run", "{}", "--out", "out"),
    "index": ("index", "video", "{}", "--out", "out.csv"),
}
WRITES = ("out", "out/*", "out.*", "*_frames", "*_frames/*", "*_frames_*", "depth_run/evaluation*")


def videos() -> list[Case]:
    found = []
    for verb, argv in VIDEO.items():
        words = [word.replace("{}", "theirs.mp4") for word in argv]

        def case(
            name: str, edit: Callable[[Path, Rng], None], expect: str, verb: str = verb, words: list[str] = words
        ) -> None:
            found.append(
                Case(f"videos/{verb}/{name}", words, edit, expect, ("clip.mp4", "depth_run"), WRITES, name == "half")
            )

        for name, text in NAMING.items():
            case(name, lambda folder, rng, text=text: write(folder / "theirs.mp4", text), REFUSED)
        for name, way in BYTES.items():
            case(
                name,
                lambda folder, rng, way=way: write(folder / "theirs.mp4", way((folder / "clip.mp4").read_bytes(), rng)),
                REFUSED,
            )
        for number in range(10):
            damage = flipped if number % 2 else moved
            case(
                f"flips_{number}",
                lambda folder, rng, damage=damage: write(
                    folder / "theirs.mp4", damage((folder / "clip.mp4").read_bytes(), rng)
                ),
                EITHER,
            )
        for what in NOT_FILES:
            case(what, lambda folder, rng, what=what: not_a_file(folder / "theirs.mp4", what), REFUSED)
    return found


def npy(head: str, body: bytes = bytes(64)) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "depth.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (300000000,)}\n", bytes(300_000_000))
        )
    return file.getvalue()


ARRAYS: dict[str, Callable[[], bytes]] = {
    "objects": lambda: saved(np.array([{"a": 1}], dtype=object)),
    "huge_shape": lambda: npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000)}\n"),
    "less_shape": lambda: npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 4)}\n"),
    "code": lambda: npy("__import__('os').system('id')\n"),
    "kind": lambda: npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2, 4)}\n"),
    "deep": lambda: npy("(" * 9000),
    "text": lambda: saved(np.array([["a", "b"]])),
    "complex": lambda: saved(np.ones((32, 64), np.complex64)),
    "flat": lambda: saved(np.ones(64, np.float32)),
    "cube": lambda: saved(np.ones((3, 32, 64), np.float32)),
    "number": lambda: saved(np.float32(5)),
    "nothing_in_it": lambda: saved(np.ones((0, 0), np.float32)),
    "bomb": bomb,
}


def depths() -> list[Case]:
    argv = ("evaluate", "depth_run", "--data", "manifest.csv", "--split", "train")
    needs = ("frames", "labels", "depth", "manifest.csv", "depth_run")
    contents = {
        **ARRAYS,
        **{
            name: (lambda way=way: way(saved(np.ones((32, 64), np.float32)), np.random.default_rng(0)))
            for name, way in BYTES.items()
        },
    }
    found = [
        Case(
            f"depths/{name}",
            argv,
            lambda folder, rng, make=make: write(folder / "depth/001.npy", make()),
            REFUSED,
            needs,
            WRITES,
        )
        for name, make in contents.items()
    ]
    for what in NOT_FILES:
        found.append(
            Case(
                f"depths/{what}",
                argv,
                lambda folder, rng, what=what: not_a_file(folder / "depth/001.npy", what),
                REFUSED,
                needs,
                WRITES,
            )
        )
    return found


def cases() -> list[Case]:
    return [*videos(), *depths()]
