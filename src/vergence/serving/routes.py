"""The interface for machines: POST /predict, GET /model, GET /health, and the page of OpenAPI."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import vergence
from vergence.serving.answers import FORMATS, MAPS
from vergence.serving.limits import Limits, Refusal
from vergence.serving.service import Service

_BLOCK = 1 << 20
_PICTURE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "description": "A picture: as the body itself, or as the one file of a form.",
    "content": {
        "image/*": {"schema": _PICTURE},
        "application/octet-stream": {"schema": _PICTURE},
        "multipart/form-data": {"schema": {"type": "object", "properties": {"picture": _PICTURE}}},
    },
}
_ERROR = {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "What the model says.", "content": {kind: {} for kind in FORMATS.values()}},
    **{
        status: {"description": text, "content": _ERROR}
        for status, text in {
            406: "no such format", 408: "the picture did not arrive in time", 413: "too large a request",
            415: "no picture", 422: "a picture that cannot be read, or a map that is not predicted",
            500: "the model failed", 503: "too many requests, or this one took too long",
        }.items()
    },
}  # fmt: skip


def interface(service: Service) -> FastAPI:
    """The routes, without guards and page."""
    app = FastAPI(
        title="Vergence", version=vergence.__version__, docs_url=None, redoc_url=None, redirect_slashes=False,
        description="Depth and classes of pictures. Errors are JSON: one sentence under `error`.",
    )  # fmt: skip
    _errors(app)

    @app.get("/health", summary="Whether the model is ready, and how many requests wait.")
    async def health() -> Response:
        ready = service.worker.pid is not None
        state = {"status": "UP" if ready else "STARTING", "waiting": service.waiting}
        return JSONResponse(state, 200 if ready else 503, {} if ready else {"Retry-After": "2"})

    @app.get("/model", summary="Tasks, classes, unit and scale of depth, licence, digest of the weights.")
    async def model() -> dict[str, Any]:
        return service.about | {"vergence": vergence.__version__, "limits": _told(service.limits)}

    @app.post(
        "/predict", summary="What the model says of a picture.", responses=_RESPONSES, response_class=Response,
        openapi_extra={"requestBody": _BODY},
    )  # fmt: skip
    async def predict(
        request: Request,
        format: str | None = Query(None, description=f"{', '.join(FORMATS)}; default by the header Accept, else json."),
        map: str | None = Query(None, description=f"What a PNG shows: {', '.join(MAPS)}; default depth, else classes."),
        data: bool = Query(False, description="JSON with the maps themselves, as little-endian bytes in base64."),
    ) -> Response:
        form = format if format is not None else accepted(request.headers.getlist("accept"))
        if form not in FORMATS:
            raise Refusal(406, f"format {form[:40]!r} is unknown; ask for {', '.join(FORMATS)}.")
        async with service.request_file() as file:
            await _save_picture(request, file)
            answer, body = await service.ask(
                {"do": "predict", "file": str(file), "format": form, "map": map, "data": data}
            )
        return Response(body, 200, answer["headers"], answer["content_type"])

    @app.get("/results/{name}/{file}", include_in_schema=False)
    async def result(name: str, file: str) -> Response:
        return FileResponse(service.result(name, file), headers={"Cache-Control": "private, max-age=3600"})

    return app


def _told(limits: Limits) -> dict[str, float]:
    return {"megabytes": limits.megabytes, "megapixels": limits.megapixels, "seconds": limits.seconds}


def accepted(headers: Sequence[str]) -> str:
    """The format that a header Accept prefers; the first of equal ones; json where anything will do.

    Raises:
        Refusal: it accepts none of ours.
    """
    wanted: list[tuple[float, str]] = []
    for part in ",".join(headers).split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [word[2:] for word in parameters if word.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            weight = 0.0
        if kind and weight > 0:
            wanted.append((weight, kind))
    types = {
        **{kind: form for form, kind in FORMATS.items()}, "image/*": "png", "application/*": "json", "*/*": "json",
        "application/octet-stream": "npz", "application/zip": "npz",
    }  # fmt: skip
    if not wanted:
        return "json"
    for _, kind in sorted(wanted, key=lambda pair: -pair[0]):
        if kind in types:
            return types[kind]
    raise Refusal(406, f"none of the accepted types is ours; ask for {', '.join(FORMATS.values())}.")


async def _save_picture(request: Request, file: Path) -> None:
    """Write the picture of a request to a file, block by block."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=8) as form:
            given = next((value for value in form.values() if isinstance(value, UploadFile)), None)
            if given is None:
                raise Refusal(415, "the form has no file; send a picture as one.")
            with file.open("wb") as out:
                while block := await given.read(_BLOCK):
                    out.write(block)
        return
    if not kind.startswith("image/") and kind != "application/octet-stream":
        raise Refusal(
            415, f"the content is {kind[:60] or 'of no type'}; send a picture as image/png, image/jpeg or a form."
        )
    with file.open("wb") as out:
        async for block in request.stream():
            out.write(block)


def _errors(app: FastAPI) -> None:
    """Everything that goes wrong is one sentence in JSON."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return JSONResponse({"error": error.sentence}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}; see /docs."}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return JSONResponse({"error": "the request ended before its length; send it again."}, 400)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": f"{error.detail.rstrip('.')}; see /docs."}, error.status_code, error.headers)
