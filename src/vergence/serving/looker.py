"""What the worker process does: it loads the model, and alone decodes what strangers send."""

import functools
import json
import logging
import os
import re
import signal
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vergence.data.structured import parse_json
from vergence.errors import InputError

Reply = tuple[dict[str, Any], bytes]
_FOLDERS = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:;,'\"]+[/\\])+")


def without_folders(text: str) -> str:
    """A sentence whose paths keep only their last part."""
    return _FOLDERS.sub("", text)


def look(connection: Connection, model: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """The life of the worker: load, say what the model is, then answer one job after the other.

    A job is a JSON object with ``do``; the reply is a JSON object with ``status`` (ok, refused, failed) and bytes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends the worker
    os.environ.update(environment)
    tempfile.tempdir = environment.get("TMPDIR")
    logging.getLogger("vergence").setLevel(logging.ERROR)
    looker: Looker | None = None

    def begin() -> Reply:
        nonlocal looker
        looker = Looker(model, options)
        return looker.about(), b""

    _send(connection, *_guarded(begin))
    while looker is not None:
        try:
            job = parse_json(connection.recv_bytes().decode(), "a job")
        except (EOFError, OSError):  # the server is gone
            return
        jobs: dict[str, Callable[..., Reply]] = {"predict": looker.predict, "show": looker.show, "worst": looker.worst}
        _send(connection, *_guarded(functools.partial(jobs[job.pop("do")], **job)))


def _guarded(do: Callable[[], Reply]) -> Reply:
    try:
        reply, body = do()
        return {"status": "ok", **reply}, body
    except InputError as error:
        return {"status": "refused", "error": without_folders(str(error))}, b""
    except MemoryError:
        return {"status": "refused", "error": "there is not memory enough for this; give a smaller picture."}, b""
    except Exception as error:  # the process must live on; the operator sees what it was
        logging.getLogger("vergence").exception("a request failed")
        return {"status": "failed", "error": f"the model failed ({type(error).__name__}); see the server's log."}, b""


def _send(connection: Connection, reply: dict[str, Any], body: bytes) -> None:
    connection.send_bytes(json.dumps(reply).encode())
    connection.send_bytes(body)


class Looker:
    """A model and what is asked of it.

    Args:
        model: what :func:`vergence.load` takes.
        options: its settings.

    Raises:
        InputError: nothing that can be loaded.
    """

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        from vergence.inference.networks import ForeignNetwork
        from vergence.inference.predictor import load

        self.model, self.predictor = model, load(model, **options)
        if isinstance(self.predictor.network, ForeignNetwork):
            self.predictor.network.model.opened()  # else the first request would find that it is damaged

    def about(self) -> dict[str, Any]:
        """What the model is."""
        from vergence.serving.answers import legend

        network = self.predictor.network
        facts, metric = network.made_by(), self.predictor.unit == "metres"
        depth = "depth" in network.tasks
        return {
            "name": _name(network.name),
            "tasks": list(network.tasks),
            "unit": self.predictor.unit if depth else None,
            "scale": (network.origin_of_metres if metric else "unscaled") if depth else None,
            "classes": [] if network.label_space is None else legend(network.label_space),
            "step": facts["step"],
            "digest": facts["weights"],
            "licence": _licence(network),
            "device": str(network.device),
        }

    def predict(self, file: str, format: str, map: str | None = None, data: bool = False) -> Reply:
        """A picture in the form that is asked for."""
        from vergence.serving.answers import answer

        reply = answer(self.predictor, self.predictor.predict(file), format, map, data)
        return {"content_type": reply.content_type, "headers": reply.headers}, reply.body

    def show(self, file: str, out: str, name: str, frames: int) -> Reply:
        """Files for the page, of a picture or a video, and what is said of them."""
        from vergence.serving.shown import show_picture, show_video

        video = Path(file).suffix.lower() in _video_suffixes()
        if video:
            return show_video(self.predictor, file, Path(out), name, frames), b""
        return show_picture(self.predictor, self.predictor.predict(file), Path(out), name), b""

    def worst(self, out: str, count: int) -> Reply:
        """Pictures of the worst frames of the run's evaluation; none where there is no such evaluation."""
        from vergence.serving.worst import worst_frames

        return {"frames": worst_frames(self.predictor, Path(out), count)}, b""


def _name(text: str) -> str:
    """A model's name; of a file or folder without where it lies."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in ("hf", "onnx", "onnx-depth"):
        return Path(text).name
    return f"{kind}:{Path(rest).name if kind != 'hf' or Path(rest).is_absolute() else rest}"


def _licence(network: Any) -> str:
    """What binds whoever uses the weights."""
    from vergence.inference.exported_network import ExportedNetwork
    from vergence.inference.networks import RunNetwork
    from vergence.runs.model_card import LICENCE

    if isinstance(network, ExportedNetwork):
        return network.facts.licence
    return LICENCE if isinstance(network, RunNetwork) else "that of its authors"


def _video_suffixes() -> frozenset[str]:
    from vergence.data.layouts.files import VIDEO_SUFFIXES

    return frozenset(VIDEO_SUFFIXES)
