"""One work shared out between processes or machines: a shard each, and what they leave for the one that joins them.

One rule for every verb: ``--shard I/N`` does the I-th of N pieces and leaves it in the output's folder; when all are
done, the same command without ``--shard`` joins them.
"""

import contextlib
import functools
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import vergence
from vergence.data.atomic import check_place, write_text
from vergence.data.buckets.anywhere import first_counts
from vergence.data.digests import are_as_seen, text_digest
from vergence.data.environment import process_of
from vergence.data.structured import parse_json, read_json
from vergence.errors import InputError

FOLDER, ASKED = "shards", "asked"
Item = TypeVar("Item")
_SHOWN, _SHOWN_LETTERS = 6, 60
_ANEW: ContextVar[bool] = ContextVar("anew", default=False)
_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Shard:
    """Which contiguous piece of the frames a process works on.

    Raises:
        InputError: there is no such piece.
    """

    number: int
    """From 0."""
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.total:
            last = f"from 0/{self.total} to {self.total - 1}/{self.total}" if self.total > 0 else "such as 0/4"
            raise InputError(f"shard {self} is impossible; number shards {last}.")

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    @classmethod
    def of(cls, text: str | None) -> "Shard | None":
        """The shard "I/N"; of None that of this process, where torchrun has started several, else None.

        Raises:
            InputError: the text is none, or the environment names an impossible one.
        """
        if text is None:
            number, total = process_of()
            return None if total == 1 else cls(number, total)
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if match is None:
            raise InputError(f"shard {text!r} is unknown; give I/N, the I-th of N pieces from 0, such as 0/4.")
        return cls(int(match[1]), int(match[2]))

    def rows(self, items: int) -> range:
        """The piece of so many items; all pieces, one after the other, are all items."""
        return range(self.number * items // self.total, (self.number + 1) * items // self.total)

    def share(self, items: Sequence[Item]) -> list[Item]:
        """The piece of these items."""
        rows = self.rows(len(items))
        return list(items[rows.start : rows.stop])


WHOLE = Shard(0, 1)


@contextlib.contextmanager
def anew() -> Iterator[None]:
    """While entered, shards of results that are there already are done again."""
    token = _ANEW.set(True)
    try:
        yield
    finally:
        _ANEW.reset(token)


class Parts:
    """What the shards of one work leave in a folder: a file ``I-of-N.json`` each, and what belongs to it.

    Args:
        folder: of nothing else.
        made_by: gives all that results depend on, as plain values; the version of Vergence is added. It is asked once,
            and only where there are shards.
        results: JSON files that may be what shards were joined to; they say it under :data:`ASKED`.
    """

    def __init__(self, folder: Path, made_by: Callable[[], dict[str, Any]], results: Iterable[Path] = ()) -> None:
        self.folder, self._made_by, self._results = folder, made_by, results

    @functools.cached_property
    def made_by(self) -> dict[str, Any]:
        """All that results depend on, as it comes back from a file."""
        plain = json.dumps({**self._made_by(), "vergence": vergence.__version__})
        made_by: dict[str, Any] = parse_json(plain, self.folder, finite=False)
        return made_by

    @functools.cached_property
    def asked(self) -> str:
        """Digest of all that results depend on."""
        return text_digest(json.dumps(self.made_by, sort_keys=True))

    def there(self) -> bool:
        """Whether shards are to be joined."""
        return self.folder.is_dir()

    def joined_before(self, shard: Shard) -> bool:
        """Whether a result is there already that all shards were joined to, or that needed none; that is said."""
        if self.there() or _ANEW.get():
            return False
        for path in self._results:
            if path.is_file() and _says(path, ASKED) == self.asked:
                _log.info("shard %s: %s has all of it already; remove that file to do it again", shard, path)
                return True
        return False

    def path(self, shard: Shard, suffix: str = ".json") -> Path:
        """A file of a shard."""
        return self.folder / f"{shard.number}-of-{shard.total}{suffix}"

    def begun(self, shard: Shard) -> bool:
        """Whether an earlier call has begun a shard. Nothing is written.

        Raises:
            InputError: the folder has shards of another number, version or of other settings, or cannot be written.
        """
        there = self._read()
        self._check([shard, *there], there)
        check_place(self.path(shard))
        return shard in there

    def begin(self, shard: Shard) -> None:
        """Say that a shard is worked on; InputError as of :meth:`begun`."""
        if not self.begun(shard):
            self._write(shard, None)

    def agreed(self, name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Values that are one for all shards: those that the first of them has found."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            values = {"made_by": self.made_by, "found": find()}
            text, mine = json.dumps(values, indent=2) + "\n", f".{name}.{os.uname().nodename}.{os.getpid()}.json"
            own = write_text(self.folder / mine, text)
            try:
                os.link(own, path)  # fails, unlike a renaming, where another one was first
            except FileExistsError:
                pass
            except OSError:  # a store without links
                os.replace(own, path)
            own.unlink(missing_ok=True)
            first_counts(path)
        values = self._record(path, f"remove {self.folder} and do all shards again")
        self._check_same(f"{path}", values)
        return values["found"]

    def done(self, shard: Shard, result: dict[str, Any], files: dict[str, str] | None = None) -> None:
        """Say that a shard is whole, and what it has found.

        Args:
            files: what the files that it has read were like before (:func:`vergence.data.digests.files_seen`).
        """
        self._write(shard, result, files)

    def joined(self, files: Callable[[Shard], Iterable[Path]] | None = None) -> list[dict[str, Any]]:
        """What the shards have found, in order.

        Args:
            files: those that a shard has read; of shards that have not said what these were like nothing is asked.

        Raises:
            InputError: shards are missing or not done, overlap, or are of another version, of other settings or of
                files that have changed since.
        """
        there = self._read()
        if not there:
            raise InputError(f"{self.folder} has no shards; do them, or remove that folder to do all in one process.")
        self._check(list(there), there)
        total = next(iter(there)).total
        shards = [Shard(number, total) for number in range(total)]
        if missing := [str(shard) for shard in shards if there.get(shard, {}).get("found") is None]:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise InputError(
                f"of the {total} shards in {self.folder} {', '.join(missing[:_SHOWN])}{more} "
                f"{'is' if len(missing) == 1 else 'are'} missing or not done; run the same command with --shard "
                f"{missing[0]}, or remove that folder to do all in one process."
            )
        if files is not None:
            self._check_files(there, files)
        return [there[shard]["found"] for shard in shards]

    def remove(self) -> None:
        """Take the shards away, since they are joined."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[Shard, dict[str, Any]]:
        """What the files say, by shard in order."""
        there = {}
        for path in self.folder.glob("*-of-*.json") if self.folder.is_dir() else ():
            name = re.fullmatch(r"(\d{1,9})-of-(\d{1,9})", path.stem)
            if name is not None:
                shard = Shard(int(name[1]), int(name[2]))
                there[shard] = self._record(path, "remove it and do this shard again")
        return dict(sorted(there.items(), key=lambda item: (item[0].total, item[0].number)))

    @staticmethod
    def _record(path: Path, remedy: str) -> dict[str, Any]:
        values = read_json(path, "log", remedy, finite=False)
        if isinstance(values, dict) and isinstance(values.get("made_by"), dict) and "found" in values:
            files = values.get("files") or {"states": "", "contents": ""}
            if isinstance(files, dict) and {"states", "contents"} <= files.keys():
                return values
        raise InputError(f"{path} is no record of a shard; {remedy}.")

    def _check(self, shards: Sequence[Shard], there: dict[Shard, dict[str, Any]]) -> None:
        """InputError unless all are of one work."""
        if other := next((shard for shard in shards if shard.total != shards[0].total), None):
            raise InputError(
                f"{self.folder} has shard {other}, which overlaps {shards[0]}; give all shards the same number N, or "
                "remove that folder and do them again."
            )
        for shard, values in there.items():
            self._check_same(f"shard {shard} in {self.folder}", values)

    def _check_files(self, there: dict[Shard, dict[str, Any]], files: Callable[[Shard], Iterable[Path]]) -> None:
        """InputError where shards have read files that are no longer the same."""
        seen = {shard: values["files"] for shard, values in there.items() if values.get("files")}
        if changed := [str(shard) for shard, before in seen.items() if not are_as_seen(files(shard), before)]:
            more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            raise InputError(
                f"files of {', '.join(changed[:_SHOWN])}{more} of the shards in {self.folder} have changed since they "
                f"were read; run the same command with --shard {changed[0]}, or remove that folder to do all in one "
                "process."
            )

    def _check_same(self, what: str, values: dict[str, Any]) -> None:
        theirs = values["made_by"]
        differing = [key for key in {**theirs, **self.made_by} if theirs.get(key) != self.made_by.get(key)]
        if "vergence" in differing:
            raise InputError(
                f"{what} is of Vergence {theirs.get('vergence')} and this is {vergence.__version__}; install one "
                "version on all machines and do that shard again."
            )
        if differing:
            was, now = _differing(*(json.dumps(one.get(differing[0])) for one in (theirs, self.made_by)))
            raise InputError(
                f"{what} is of other settings ({differing[0]} {was}, here {now}); give all shards the same, or remove "
                f"{self.folder} and do them again."
            )

    def _write(self, shard: Shard, result: dict[str, Any] | None, files: dict[str, str] | None = None) -> None:
        values = {"shard": str(shard), "made_by": self.made_by, "files": files, "found": result}
        write_text(self.path(shard), json.dumps(values, indent=2) + "\n")


def _says(path: Path, key: str) -> Any:
    """What a record says under a key; None where it cannot be read."""
    try:
        record = read_json(path, "log", finite=False)
    except InputError:
        return None
    return record.get(key) if isinstance(record, dict) else None


def _differing(one: str, other: str) -> tuple[str, str]:
    """Two texts, of long ones what is around the first letter that differs."""
    same = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - _SHOWN_LETTERS // 3)

    def short(text: str) -> str:
        if len(text) <= _SHOWN_LETTERS:
            return text
        end = start + _SHOWN_LETTERS
        return ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")

    return short(one), short(other)
