"""A Label Studio server: a project with our classes, frames in it as tasks, what was drawn out of it.

Source: Label Studio API reference, "Projects", "Import", "Tasks", "Export", "Authenticate"; tried with 1.23.
"""

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from vergence.data.annotation.classes import AnnotationClasses, same_classes
from vergence.data.annotation.label_studio import TASKS, label_config, takes_tasks
from vergence.data.annotation.label_studio_tasks import CONFIG, dicts, frame_of, read_config
from vergence.data.annotation.servers.address import checked_address
from vergence.data.annotation.servers.http import Http, Unanswered
from vergence.data.atomic import write_text
from vergence.data.structured import read_json, read_xml
from vergence.errors import InputError, nearest

KEY = "LABEL_STUDIO_API_KEY"
_PAGE = 100
_MOST_PAGES = 10_000
"""No server has more of anything; one that says so would be asked for ever."""
_SHORTEST = 3
"""Letters of a project's name, as Label Studio wants it."""


class LabelStudio:
    """One project of a server.

    Args:
        url: address of the server.
        project: name of the project, or its number.
        plain_http: another machine may be asked without encryption.
        environment: where the key is; it is kept nowhere else.

    Raises:
        InputError: no address, no key.
    """

    format = "label_studio"

    def __init__(
        self, url: str, project: str, plain_http: bool = False, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._http = Http("Label Studio", checked_address(url, plain_http), KEY)
        key = environment.get(KEY, "").strip()
        if not key:
            raise InputError(f"{KEY} is not set; put an access token of your account at {self._http.address} into it.")
        self._http.authorization = _authorization(self._http, key)
        self._name, self._id, self._config = project, 0, ""
        self._uploaded: dict[str, str] = {}

    def __str__(self) -> str:
        return f"project {self._name!r} of Label Studio at {self._http.address}"

    def close(self) -> None:
        """Nothing is held."""

    def find(self) -> None:
        """Find the project; InputError where there is none or several of the name."""
        project = self._found()
        if project is None:
            names = [str(one.get("title")) for one in self._projects("")]
            raise InputError(
                f"Label Studio at {self._http.address} has no project {self._name!r}{nearest(self._name, names)}; "
                "vergence labels push makes it."
            )
        self._use(project)

    def find_or_make(self, classes: AnnotationClasses) -> None:
        """Find the project, or make it with these classes; InputError where it has others."""
        project = self._found()
        if project is None:
            if len(self._name) < _SHORTEST or self._name.isdecimal():
                raise InputError(f"project is {self._name!r}; give a name of {_SHORTEST} letters or more.")
            settings = {"title": self._name, "label_config": label_config(classes)}
            project = self._http.json("POST", "/api/projects/", settings, again=False)
        self._use(project)

    def _use(self, project: Any) -> None:
        if not isinstance(project, dict) or not isinstance(project.get("id"), int):
            raise self._no_label_studio()
        self._id, self._config = project["id"], str(project.get("label_config") or "")

    def _found(self) -> Any:
        if self._name.isdecimal():
            return self._http.json("GET", f"/api/projects/{int(self._name)}/")
        projects = [one for one in self._projects(self._name) if one.get("title") == self._name]
        if len(projects) > 1:
            numbers = ", ".join(str(one.get("id")) for one in projects)
            raise InputError(
                f"Label Studio at {self._http.address} has {len(projects)} projects {self._name!r}; give the number of "
                f"one as --project: {numbers}."
            )
        return projects[0] if projects else None

    def _projects(self, title: str) -> list[dict[str, Any]]:
        projects, page, more, known = list[dict[str, Any]](), 1, True, set[str]()
        while more:
            query = urlencode({"title": title, "page": page, "page_size": _PAGE})
            answer = self._http.json("GET", f"/api/projects/?{query}")
            if not isinstance(answer, dict) or "results" not in answer:
                raise self._no_label_studio()
            part = dicts(answer["results"])
            page, more = page + 1, bool(answer.get("next"))
            self._check_new(part, known, page if more else 0)
            projects += part
        return projects

    def _check_new(self, part: list[dict[str, Any]], known: set[str], page: int) -> None:
        """InputError where a page that is not the last brings nothing new, or pages have no end."""
        new = {str(one.get("id", one)) for one in part} - known
        known |= new
        if page and (not new or page > _MOST_PAGES):
            raise self._no_label_studio()

    def _no_label_studio(self) -> InputError:
        return InputError(f"{self._http.address} answers as no Label Studio does; correct --url.")

    def check_classes(self, classes: AnnotationClasses, folder: Path) -> None:
        """InputError where the project's brush has other classes, or is none that our tasks name."""
        write_text(folder / CONFIG, self._config)
        try:
            config = read_xml(folder / CONFIG, remedy="save the labelling interface of the project again")
        except InputError as error:  # the temporary file means nothing to people
            raise InputError(str(error).replace(str(folder / CONFIG), f"the labelling interface of {self}")) from None
        if not takes_tasks(config):
            raise InputError(
                f"{self} has another labelling interface than vergence labels export writes as {CONFIG}: an Image "
                "'image' of $image and BrushLabels 'tag' for it; take these names there, or give another --project."
            )
        same_classes(self, read_config(folder / CONFIG)[0], classes)

    def frames(self) -> set[str]:
        """Names of the frames that are there as tasks."""
        names, page, total = set[str](), 1, 1
        seen, known = 0, set[str]()
        while seen < total:
            query = urlencode({"project": self._id, "page": page, "page_size": _PAGE, "include": "id,data"})
            answer = self._http.json("GET", f"/api/tasks?{query}")
            if not isinstance(answer, dict) or not isinstance(answer.get("tasks"), list):
                raise self._no_label_studio()  # taken for a project without tasks, it would get them twice
            tasks = dicts(answer["tasks"])
            if not tasks:
                break
            names |= {name for name in map(frame_of, tasks) if name}
            reported = answer.get("total")
            if not isinstance(reported, int):
                raise self._no_label_studio()
            seen, total, page = seen + len(tasks), reported, page + 1
            self._check_new(tasks, known, page)
        return names

    def send(self, folder: Path) -> None:
        """Send what an export has written, a frame at a time: its picture, then its task."""
        if not self._uploaded:
            files = dicts(self._http.json("GET", f"/api/projects/{self._id}/file-uploads?all=true"))
            self._uploaded = {_name(str(one.get("file"))): str(one.get("file")) for one in files}
        for task in read_json(folder / TASKS, "annotations", finite=False):
            picture = folder / str(task["data"]["image"]).partition("?d=")[2]
            stored = self._uploaded.get(picture.name) or self._upload(picture)
            self._add({**task, "data": {**task["data"], "image": f"/data/{quote(stored)}"}})

    def _upload(self, picture: Path) -> str:
        body, kind = _form(picture)
        path = f"/api/projects/{self._id}/import?commit_to_project=false"
        # one more time leaves at the most a picture that no task has
        answer = self._http.post(path, body, kind)
        number = (answer.get("file_upload_ids") or [None])[0] if isinstance(answer, dict) else None
        stored = self._http.json("GET", f"/api/import/file-upload/{number}") if number else None
        if not isinstance(stored, dict) or not isinstance(stored.get("file"), str):
            raise InputError(f"Label Studio at {self._http.address} did not take the picture {picture.name}.")
        return str(stored["file"])

    def _add(self, task: dict[str, Any]) -> None:
        """Add a task once: where no answer came it may be there all the same."""
        for wait in (*self._http.waits, None):
            try:
                self._http.json("POST", f"/api/projects/{self._id}/import", [task], again=False)
                return
            except Unanswered:
                if wait is None:
                    raise
                time.sleep(wait)
                if task["data"]["frame"] in self.frames():
                    return

    def fetch(self, folder: Path) -> Path:
        """Write the project's tasks and classes as its export has them; returns the folder."""
        path = f"/api/projects/{self._id}/export?exportType=JSON&download_all_tasks=true"
        (folder / TASKS).write_bytes(self._http.request("GET", path))
        write_text(folder / CONFIG, self._config)
        return folder


def _authorization(http: Http, key: str) -> Any:
    """A legacy token as it is; else the short-lived one that an access token is exchanged for."""
    current = ""

    def header(anew: bool) -> str:
        nonlocal current
        if key.count(".") != 2:
            return f"Token {key}"
        if anew or not current:
            answer = http.exchange("/api/token/refresh", {"refresh": key})
            current = str(answer.get("access", "")) if isinstance(answer, dict) else ""
        return f"Bearer {current}"

    return header


def _name(stored: str) -> str:
    """The name that a picture had before it was uploaded (``upload/1/90fbb0c0-NAME``)."""
    return stored.rpartition("/")[2].partition("-")[2]


def _form(picture: Path) -> tuple[bytes, str]:
    """A form with one file, and its type."""
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{picture.name}"\r\n\r\n'
    return b"".join([head.encode(), picture.read_bytes(), f"\r\n--{mark}--\r\n".encode()]), (
        f"multipart/form-data; boundary={mark}"
    )
