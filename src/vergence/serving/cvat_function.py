"""A function for CVAT's automatic annotation: masks of a model that ``vergence serve`` serves.

``cvat-cli task auto-annotate TASK --function-module vergence.serving.cvat_function -p url=str:http://127.0.0.1:7860``
calls :func:`create`. It needs cvat-sdk (``pip install 'vergence[cvat]'``) and neither PyTorch nor the weights.
Source: CVAT documentation, "Auto-annotation API" and "Serverless functions / mask points".
"""

import io
import urllib.error
import urllib.request
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.pictures import decode_bytes
from vergence.data.structured import decoded, parse_json
from vergence.errors import InputError

_SECONDS = 120.0
_SMALLEST = 16
"""Pixels of a mask that is worth a shape."""


def create(url: str = "http://127.0.0.1:7860", smallest: int = _SMALLEST) -> "MaskFunction":
    """What CVAT calls with the parameters of its command line.

    Args:
        url: address of the server.
        smallest: classes with fewer pixels in a picture are left out.

    Raises:
        InputError: no server there, or its model predicts no classes.
    """
    return MaskFunction(url, smallest)


class MaskFunction:
    """``spec`` and ``detect``, as CVAT's interface wants them; see :func:`create`."""

    def __init__(self, url: str, smallest: int = _SMALLEST) -> None:
        import cvat_sdk.auto_annotation as cvat

        if not url.startswith(("http://", "https://")):
            raise InputError(f"url is {url!r}; give the address of vergence serve, such as http://127.0.0.1:7860.")
        self._url, self._smallest, self._cvat = url.rstrip("/"), smallest, cvat
        classes = _parsed(_asked(f"{self._url}/model"), f"{self._url}/model")["classes"]
        if not classes:
            raise InputError(f"the model at {self._url} predicts no classes; serve one that does.")
        self._ids = [int(entry["id"]) for entry in classes]
        self.spec = cvat.DetectionFunctionSpec(
            labels=[cvat.label_spec(entry["name"], int(entry["id"]), type="mask") for entry in classes]
        )

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """One mask for each class of a picture."""
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="PNG")
        body = _asked(f"{self._url}/predict?format=png&map=classes", buffer.getvalue())
        classes = np.asarray(decode_bytes(io.BytesIO(body), f"{self._url}/predict"))
        masks = ((number, classes == number) for number in self._ids)
        return [
            self._cvat.mask(number, mask_points(mask)) for number, mask in masks if mask.sum() >= max(1, self._smallest)
        ]


def mask_points(mask: NDArray[np.bool_]) -> list[int]:
    """CVAT's points of a mask (H, W): run lengths, first of what is not in it, row by row in its box; then the box.

    The box is left, top, right, bottom in pixels, all of them inside.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise ValueError("an empty mask has no points")
    top, bottom, left, right = (int(edge) for edge in (rows[0], rows[-1], columns[0], columns[-1]))
    flat = mask[top : bottom + 1, left : right + 1].reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [*([0] if flat[0] else []), *lengths, left, top, right, bottom]


def _parsed(body: bytes, address: str) -> Any:
    return parse_json(decoded(body, address), address, "start vergence serve there")


def _asked(address: str, picture: bytes | None = None) -> bytes:
    """The body of an answer; InputError with the server's sentence where there is none."""
    headers = {} if picture is None else {"Content-Type": "image/png"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, picture, headers), timeout=_SECONDS) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        try:
            sentence = _parsed(error.read(1 << 16), address)["error"]
        except (InputError, KeyError, TypeError):
            sentence = f"status {error.code}"
        raise InputError(f"{address}: {sentence}") from None
    except OSError as error:
        raise InputError(f"{address} cannot be reached ({error}); start vergence serve there.") from None
