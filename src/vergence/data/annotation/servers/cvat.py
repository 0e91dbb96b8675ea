"""A CVAT server, through its own SDK: a project with our classes, frames as tasks in it, masks out of it.

Source: CVAT documentation, "Python SDK" and "REST API"; not tried with a server, but with answers as these pages state.
"""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vergence.data.annotation.classes import AnnotationClasses, same_classes
from vergence.data.annotation.cvat import MASKS, label_list
from vergence.data.annotation.servers.address import checked_address
from vergence.errors import InputError, nearest

TOKEN, USER, PASSWORD = "CVAT_ACCESS_TOKEN", "CVAT_USERNAME", "CVAT_PASSWORD"
FORMAT = "Segmentation mask 1.1"
UNFINISHED = " (being sent)"
"""Ends the name of a task until its labels are there, too: what a call left that was interrupted."""
_TIMEOUTS = (10.0, 300.0)
"""Seconds to connect, and without an answer."""
_PATIENCE = 3
"""How often a request is made again that a server did not answer."""
_PAGE = re.compile(r"\bpage(?:=|', )(\d+)")
_MOST_PAGES = 1000
"""No project has more of anything; a server that says so would be asked for ever."""
_log = logging.getLogger("vergence")


class Cvat:
    """One project of a server.

    Args:
        url: address of the server.
        project: name of the project, or its number.
        plain_http: another machine may be asked without encryption.
        environment: where the key is, or name and password; they are kept nowhere else.
        period: seconds between two questions whether the server is ready.

    Raises:
        InputError: no address, no key, no cvat-sdk.
    """

    format = "cvat"

    def __init__(
        self,
        url: str,
        project: str,
        plain_http: bool = False,
        environment: Mapping[str, str] = os.environ,
        period: float = 1.0,
    ) -> None:
        self._address, self._name, self._project = checked_address(url, plain_http), project, None
        token, user, password = (environment.get(name, "").strip() for name in (TOKEN, USER, PASSWORD))
        if not token and not (user and password):
            raise InputError(f"{TOKEN} is not set; put an access token of your account at {self._address} into it, or "
                             f"set {USER} and {PASSWORD}.")  # fmt: skip
        try:
            from cvat_sdk.core.client import AccessTokenCredentials, Client, Config, PasswordCredentials
        except ImportError:
            raise InputError("labels in CVAT need the package cvat-sdk: pip install 'vergence[cvat]'.") from None
        silent = logging.Logger("cvat")  # answers in its messages may hold more than people want in a log
        silent.addHandler(logging.NullHandler())
        config = Config(status_check_period=period)
        self._client = Client(self._address, logger=silent, config=config, check_server_version=False)
        _limit(self._client.api_client.rest_client)
        with self._told():
            self._client.login(AccessTokenCredentials(token) if token else PasswordCredentials(user, password))

    def __str__(self) -> str:
        return f"project {self._name!r} of CVAT at {self._address}"

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def find(self) -> None:
        """Find the project; InputError where there is none or several of the name."""
        with self._told():
            self._project = self._found()
            if self._project is None:
                names = [project.name for project in self._client.projects.list()]
                raise InputError(
                    f"CVAT at {self._address} has no project {self._name!r}{nearest(self._name, names)}; vergence "
                    "labels push makes it."
                )

    def find_or_make(self, classes: AnnotationClasses) -> None:
        """Find the project, or make it with these classes."""
        with self._told():
            self._project = self._found()
            if self._project is None:
                if self._name.isdecimal():
                    raise InputError(f"project is {self._name!r}; give a name.")
                spec = {"name": self._name, "labels": label_list(classes)}
                self._project = self._client.projects.create(spec=spec)

    def _found(self) -> Any:
        if self._name.isdecimal():
            return self._client.projects.retrieve(int(self._name))
        projects = [one for one in self._client.projects.list(search=self._name) if one.name == self._name]
        if len(projects) > 1:
            numbers = ", ".join(str(one.id) for one in projects)
            raise InputError(
                f"CVAT at {self._address} has {len(projects)} projects {self._name!r}; give the number of one as "
                f"--project: {numbers}."
            )
        return projects[0] if projects else None

    def check_classes(self, classes: AnnotationClasses, folder: Path) -> None:
        """InputError where the project has other classes."""
        with self._told():
            names = [label.name for label in self._open().get_labels()]
        same_classes(self, names, classes)

    def frames(self) -> set[str]:
        """Names of the frames that are there; tasks that an interrupted call left half sent are taken away."""
        names = set[str]()
        with self._told():
            for task in self._open().get_tasks():
                if task.name.endswith(UNFINISHED):
                    task.remove()
                else:
                    names |= {info.name.rpartition("/")[2].rpartition(".")[0] for info in task.get_frames_info()}
        return names

    def send(self, folder: Path) -> None:
        """Send what an export has written as one task: its pictures, then its masks."""
        pictures = sorted((folder / "JPEGImages").iterdir())
        name = f"{pictures[0].stem} to {pictures[-1].stem}" if len(pictures) > 1 else pictures[0].stem
        with self._told():
            spec = {"name": f"{name[:200]}{UNFINISHED}", "project_id": self._open().id}
            # pictures are compressed for the eye, masks are of the pictures themselves
            task = self._client.tasks.create_from_data(spec, pictures, data_params={"image_quality": 90})
            if (folder / MASKS).is_dir():
                shutil.rmtree(folder / "JPEGImages")
                archive = shutil.make_archive(str(folder.with_name("masks")), "zip", folder)
                task.import_annotations(FORMAT, archive, conv_mask_to_poly=False)
            task.update({"name": name[:200]})

    def fetch(self, folder: Path) -> Path:
        """Write the project's masks as its export has them; returns the archive."""
        from cvat_sdk.core.proxies.types import Location

        archive = folder / "masks.zip"
        with self._told():
            project = self._open()
            states = [str(job.state) for task in project.get_tasks() for job in task.get_jobs()]
            project.export_dataset(FORMAT, archive, include_images=False, location=Location.LOCAL)
        if untouched := states.count("new"):
            _log.warning(
                "%d of %d jobs are in state 'new': nobody worked on them, their masks are as they were sent",
                untouched, len(states),
            )  # fmt: skip
        return archive

    def _open(self) -> Any:
        assert self._project is not None, "find the project first"
        return self._project

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong, as one sentence without what was sent."""
        from cvat_sdk.core.exceptions import CvatSdkException
        from cvat_sdk.exceptions import ApiException, OpenApiException
        from urllib3.exceptions import HTTPError, ResponseError

        where = f"CVAT at {self._address}"
        try:
            yield
        except InputError:
            raise
        except ApiException as error:
            raise InputError(f"{where} {_meaning(error.status, error.body)}") from None
        except HTTPError as error:
            reason = getattr(error, "reason", None)
            if isinstance(reason, ResponseError):
                raise InputError(f"{where} is in trouble ({reason}); the same command goes on later.") from None
            name = type(reason or error).__name__
            raise InputError(f"{where} does not answer ({name}); start it, or correct --url.") from None
        except (OpenApiException, AssertionError, AttributeError, KeyError, TypeError, ValueError):  # of odd answers
            raise InputError(f"{self._address} answers as no CVAT does; correct --url.") from None
        except CvatSdkException as error:
            text = " ".join(str(error).split())[:300].rstrip(".")
            raise InputError(f"{where} could not do what was asked: {text}.") from None


def _meaning(status: int, body: object) -> str:
    """What a status means, and what to do."""
    if status in (401, 403):
        return f"does not take the key of {TOKEN}, or {USER} and {PASSWORD} (status {status}); copy it again."
    if status == 404:
        return "does not have what was asked for (status 404); correct --url or --project."
    if status >= 500:
        return f"is in trouble (status {status}); the same command goes on later."
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else str(body or "")
    message = " ".join(text.split())[:300].rstrip(".")
    return f"refuses what was sent (status {status}): {message or 'it does not say why'}."


def _limit(rest: Any) -> None:
    """Let no request of the SDK wait for ever, as those do that state no time, nor be made too often."""
    rest.pool_manager.connection_pool_kw["retries"] = rest.pool_manager.connection_pool_kw["retries"].new(
        total=_PATIENCE
    )
    send = rest.request

    def request(*args: Any, _request_timeout: Any = None, **more: Any) -> Any:
        if any(int(page) > _MOST_PAGES for page in _PAGE.findall(f"{args} {more.get('query_params')}")):
            raise ValueError("pages without end")
        return send(*args, _request_timeout=_request_timeout or _TIMEOUTS, **more)

    rest.request = request
