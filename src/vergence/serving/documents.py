"""The page of the interface for machines, made from its OpenAPI description; it loads nothing from elsewhere."""

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = """:root{color-scheme:light dark}body{font:16px/1.5 system-ui,"DejaVu Sans",sans-serif;max-width:860px;
margin:0 auto;padding:24px 18px 60px}code,pre{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:14px}
pre{overflow-x:auto;padding:12px;border:1px solid #8886;border-radius:6px}h2{margin:32px 0 4px;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:4px 12px 4px 0;
border-bottom:1px solid #8884}"""
_EXAMPLES = """curl --data-binary @frame.jpg -H 'Content-Type: image/jpeg' {address}/predict
curl -F picture=@frame.jpg '{address}/predict?format=npz' --output frame.npz
curl -F picture=@frame.jpg '{address}/predict?format=png&map=overlay' --output overlay.png"""


def add_documents(app: FastAPI) -> None:
    """Put the page at ``/docs``; the description itself is at ``/openapi.json``."""

    @app.get("/docs", include_in_schema=False)
    async def documents() -> HTMLResponse:
        return HTMLResponse(document(app.openapi()))


def document(described: dict[str, Any], address: str = "http://127.0.0.1:7860") -> str:
    """An OpenAPI description as HTML."""
    parts = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>")
            parts.append(_table("parameter", [
                (entry["name"], entry.get("description") or entry.get("schema", {}).get("title", ""))
                for entry in operation.get("parameters", [])
            ]))  # fmt: skip
            body = operation.get("requestBody", {})
            if "description" in body:
                parts.append(f"<p>{escape(body['description'])} {escape(', '.join(body['content']))}.</p>")
            parts.append(_table("answer", [
                (status, " ".join([entry["description"], *(f"({kind})" for kind in entry.get("content", {}))]))
                for status, entry in operation["responses"].items()
            ]))  # fmt: skip
    info = described["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}: interface</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('description', ''))} "
        f'<a href="openapi.json">openapi.json</a></p><pre>{escape(_EXAMPLES.format(address=address))}</pre>'
        f"{''.join(parts)}</body></html>"
    )


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table><tr><th>{heading}</th><th></th></tr>{cells}</table>"
