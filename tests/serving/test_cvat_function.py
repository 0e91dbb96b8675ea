"""CVAT's interface of automatic annotation: its own checks of ``spec``, its own decoder of masks."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from tests.serving.served import noise, png
from vergence.errors import InputError
from vergence.serving.cvat_function import create, mask_points

CLASSES = np.zeros((48, 96), dtype=np.uint8)
CLASSES[10:30, 20:70] = 2
CLASSES[12:14, 22:24] = 1


class _Answers(BaseHTTPRequestHandler):
    """What ``vergence serve`` answers."""

    classes = ("road", "car", "sky")
    asked: list[str] = []  # noqa: RUF012

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        listed = [{"id": number, "name": name, "colour": [0, 0, 0]} for number, name in enumerate(self.classes)]
        self._say(200, json.dumps({"classes": listed}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if Image.open(io.BytesIO(body)).size != (96, 48):
            return self._say(422, b'{"error": "it is too large."}')
        self.asked.append(self.path)
        return self._say(200, png(Image.fromarray(CLASSES)))

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def decoded(points: list[int], shape: tuple[int, int]) -> np.ndarray:
    """A mask of CVAT's points, by its documentation."""
    *lengths, left, top, right, bottom = points
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    mask = np.zeros(shape, dtype=bool)
    mask[top : bottom + 1, left : right + 1] = values.reshape(bottom + 1 - top, right + 1 - left)
    return mask


def test_masks_as_cvat_stores_them() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 7), (9, 1), (12, 17)):
        for share in (0.1, 0.5, 1.0):
            mask = random.random(shape) < share
            mask[0, 0] |= not mask.any()
            np.testing.assert_array_equal(decoded(mask_points(mask), shape), mask)
    with pytest.raises(ValueError, match="empty"):
        mask_points(np.zeros((2, 2), dtype=bool))


def test_masks_are_those_that_cvats_own_program_makes() -> None:
    masks = pytest.importorskip("cvat_sdk.masks", reason="cvat-sdk is not installed")
    for mask in (CLASSES == 2, CLASSES == 1, CLASSES == 0):
        assert mask_points(mask) == [int(value) for value in masks.encode_mask(mask)]


def test_what_cvat_calls(address: str) -> None:
    cvat = pytest.importorskip("cvat_sdk.auto_annotation", reason="cvat-sdk is not installed")
    function = create(url=address)
    assert isinstance(function.spec, cvat.DetectionFunctionSpec)
    assert [(label.name, label.id, label.type) for label in function.spec.labels] == [
        ("road", 0, "mask"), ("car", 1, "mask"), ("sky", 2, "mask"),
    ]  # fmt: skip
    shapes = function.detect(None, noise())
    assert [(shape.label_id, shape.type.value) for shape in shapes] == [(0, "mask"), (2, "mask")]
    for shape in shapes:
        points = [int(value) for value in shape.points]
        np.testing.assert_array_equal(decoded(points, CLASSES.shape), shape.label_id == CLASSES)
    assert [shape.label_id for shape in create(address, smallest=1).detect(None, noise())] == [0, 1, 2]
    assert _Answers.asked[-1] == "/predict?format=png&map=classes"


def test_what_goes_wrong_is_a_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
    with pytest.raises(InputError, match=r"it is too large\."):
        create(address).detect(None, noise(10, 10))
    with pytest.raises(InputError, match="cannot be reached"):
        create("http://127.0.0.1:1")
    with pytest.raises(InputError, match="give the address of vergence serve"):
        create("file:///etc/passwd")
    monkeypatch.setattr(_Answers, "classes", ())
    with pytest.raises(InputError, match="predicts no classes"):
        create(address)
