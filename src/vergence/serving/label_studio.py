"""What Label Studio asks of a model: ``/label_studio/health``, ``/setup`` and ``/predict``, in its ML backend's terms.

Brush masks of our classes that the project has too. Pictures are fetched from the one Label Studio that was named when
the server began, never from elsewhere, whatever a task says. Source: Label Studio documentation, "Machine learning
integration", and the requests of label-studio-ml.
"""

import asyncio
import base64
import binascii
import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
from fastapi import FastAPI, Request

from vergence.data.annotation.label_studio import brush_regions
from vergence.data.annotation.servers.address import origin
from vergence.data.annotation.servers.http import opener
from vergence.data.structured import decoded, parse_json
from vergence.data.structured.xml_text import parse_xml
from vergence.errors import InputError
from vergence.serving.limits import Limits, Refusal
from vergence.serving.service import Service

KEY = "LABEL_STUDIO_API_KEY"
"""Environment variable: the token with which pictures are fetched; it is sent to that Label Studio only."""
_MOST_TASKS = 100


def add_label_studio(app: FastAPI, service: Service, address: str) -> None:
    """Put the routes into the interface; InputError where the address is none."""
    pictures = Pictures(address, service.limits)
    version = f"vergence-{str(service.about['digest'])[:12]}"

    @app.get("/label_studio/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "Vergence"}

    @app.post("/label_studio/setup", summary="Label Studio asks what model this is.")
    async def setup() -> dict[str, str]:
        return {"model_version": version}

    @app.post("/label_studio/webhook", include_in_schema=False)
    async def webhook() -> dict[str, str]:
        return {"status": "nothing to do"}  # nothing is learned here

    @app.post("/label_studio/predict", summary="Label Studio asks for brush masks of its tasks.")
    async def predict(request: Request) -> dict[str, Any]:
        tasks, control = asked(await request.body())
        results = []
        for task in tasks:
            async with service.request_file() as file:
                await asyncio.to_thread(pictures.fetch, str(task.get("data", {}).get(control.key, "")), file)
                _, body = await service.ask({"do": "predict", "file": str(file), "format": "npz"})
            results.append({"model_version": version, **await asyncio.to_thread(control.answer, body)})
        return {"results": results}


class Control:
    """The brush of a project's labelling configuration.

    Args:
        config: the configuration (XML); "" for what ``labels export`` writes.

    Raises:
        InputError: no such configuration, or one without a brush for a picture.
    """

    def __init__(self, config: str) -> None:
        self.brush, self.picture, self.key = "tag", "image", "image"
        self.names: frozenset[str] | None = None
        if not config:
            return
        root = parse_xml(config, "label_config", "save the labelling configuration of the project again")
        brush = next(root.iter("BrushLabels"), None)
        pictures = {str(one.get("name")): one.get("value", "") for one in root.iter("Image")}
        if brush is None or brush.get("toName") not in pictures:
            raise InputError(
                "label_config has no BrushLabels for an Image; choose a template of semantic segmentation with masks."
            )
        self.brush, self.picture = str(brush.get("name")), str(brush.get("toName"))
        self.key = pictures[self.picture].lstrip("$")
        self.names = frozenset(str(one.get("value")) for one in brush.iter("Label"))

    def answer(self, body: bytes) -> dict[str, Any]:
        """Regions of a prediction as NPZ, with the mean probability of their class."""
        with np.load(io.BytesIO(body), allow_pickle=False) as maps:
            if "classes" not in maps:
                raise Refusal(422, "this model predicts no classes, so there are no masks; serve another.")
            classes, confidence, names = maps["classes"], maps["confidence"], maps["class_names"].tolist()
        wanted = {number: name for number, name in enumerate(names) if self.names is None or name in self.names}
        regions = brush_regions(classes, wanted, self.brush, self.picture)
        for region in regions:
            here = classes == int(region["id"].removeprefix("class"))
            region["score"] = float(confidence[here].mean())
        return {"result": regions, "score": float(confidence.mean())}


def asked(body: bytes) -> tuple[list[dict[str, Any]], Control]:
    """The tasks of a request and the project's brush; Refusal where it is no such request."""
    try:
        given = parse_json(decoded(body, "the request"), "the request")
    except InputError:
        given = None
    tasks = given.get("tasks") if isinstance(given, dict) else None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise Refusal(422, "this is no request of Label Studio: it should be a JSON object with a list of tasks.")
    if len(tasks) > _MOST_TASKS or not all(isinstance(task.get("data", {}), dict) for task in tasks):
        raise Refusal(422, f"at the most {_MOST_TASKS} tasks, each with its data, are answered at once.")
    config = given.get("label_config") or ""
    if not isinstance(config, str):
        raise Refusal(422, "label_config is no text; save the labelling configuration of the project again.")
    try:
        return tasks, Control(config)
    except InputError as error:
        raise Refusal(422, str(error)) from None


class Pictures:
    """Pictures of one Label Studio.

    Args:
        address: of Label Studio, such as http://127.0.0.1:8080.
        limits: size and time of a picture.
        environment: where its token is.

    Raises:
        InputError: the address is none.
    """

    def __init__(self, address: str, limits: Limits, environment: Mapping[str, str] = os.environ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"label_studio is {address!r}; give its address, such as http://127.0.0.1:8080.")
        self._address, self._limits, self._token = address.rstrip("/") + "/", limits, environment.get(KEY, "")
        self._opener = opener(self._address, _elsewhere)

    def fetch(self, given: str, file: Path) -> None:
        """Write the picture of a task to a file.

        Raises:
            Refusal: it is elsewhere, or cannot be had.
        """
        if given.startswith("data:"):
            try:
                file.write_bytes(base64.b64decode(given.partition(",")[2], validate=True))
            except (binascii.Error, ValueError):
                raise Refusal(422, "a task's picture is a data address that is no base64.") from None
            return
        try:
            address = urljoin(self._address, given) if given else ""
        except ValueError:
            address = ""
        if origin(address) != origin(self._address):
            raise Refusal(422, "a task's picture is not at the Label Studio that this server was started for.")
        self._download(address, file)

    def _download(self, address: str, file: Path) -> None:
        left = self._limits.bytes
        try:
            headers = {"Authorization": self._authorization()} if self._token else {}
            request = urllib.request.Request(address, headers=headers)
            with self._opener.open(request, timeout=self._limits.seconds) as answer, file.open("wb") as out:
                while block := answer.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise Refusal(413, f"a task's picture is larger than {self._limits.megabytes:g} MB.")
                    out.write(block)
        except urllib.error.HTTPError as error:
            hint = f"; set {KEY} to an access token" if error.code in (401, 403) else ""
            raise Refusal(502, f"Label Studio does not give a task's picture (status {error.code}){hint}.") from None
        except (OSError, HTTPException, ValueError, KeyError, TypeError, InputError):
            raise Refusal(502, "Label Studio cannot be reached for a task's picture.") from None

    def _authorization(self) -> str:
        """The header of the token: as it is where it is a legacy one, else of the access token it is exchanged for."""
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        request = urllib.request.Request(
            urljoin(self._address, "api/token/refresh"), json.dumps({"refresh": self._token}).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with self._opener.open(request, timeout=self._limits.seconds) as answer:
            body = decoded(answer.read(1 << 16), self._address)
            return f"Bearer {parse_json(body, self._address, 'look at the token')['access']}"


def _elsewhere() -> Refusal:
    return Refusal(422, "Label Studio sends on to another place for a task's picture; serve pictures itself.")
