"""A prediction that is shared out between processes: which frames this one looks at, and how all are joined."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vergence.data.digests import text_digest
from vergence.data.shards import ASKED, FOLDER, Parts, Shard
from vergence.errors import InputError
from vergence.inference.depth_files import SAMPLED, DepthFiles
from vergence.inference.earlier_results import SIDECAR, Files, Results
from vergence.inference.frame_streams import FrameStream, ManifestStream
from vergence.inference.inputs import evenly_spaced
from vergence.inference.journal import Journal, cameras, picture_digests

_log = logging.getLogger("vergence")


class Work:
    """What a call does of a prediction: all of it, a shard, or joining the shards that are there.

    Building it reads only. Each shard writes its frames' files into the one folder and their lines into a journal of
    its own. The shards have one scale and one range of colours: those that the first of them finds.

    Args:
        stream: all frames.
        made_by: weights and settings.
        elsewhere: frames are looked at in other processes: their pictures' digests are found there, and a frame that
            cannot be read does not keep the others from being done.
        shard: which one this call does; None: all, or joining.

    Raises:
        InputError: as of :class:`~vergence.inference.earlier_results.Results`; a video is shared out; shards do not
            belong together, are missing, or their files are.
    """

    def __init__(
        self, stream: FrameStream, out: Path, files: list[Files], made_by: dict[str, Any], overwrite: bool,
        shard: Shard | None, elsewhere: bool = False,
    ) -> None:  # fmt: skip
        self.whole, self.shard, self.out = stream, shard, out
        self.joins = shard is None and (out / FOLDER).is_dir()
        self.told: dict[str, Any] = {}
        """What the record of a finished result says, so that a shard that comes late knows it."""
        self.stream = stream
        """The frames of this call."""
        self.done_before = False
        """Whether this shard is part of a finished result already, and nothing is to be done."""
        self._elsewhere = elsewhere and not self.joins
        if self._elsewhere:
            assert isinstance(stream, ManifestStream)
            stream.unread = {}
        if isinstance(stream, ManifestStream):
            self.parts = Parts(out / FOLDER, lambda: made_by | _identity(stream, files), [out / SIDECAR])
            self.told = {} if shard else {ASKED: self.parts.asked}
        if not (shard or self.joins):
            journal = Journal(out)
            self.results = Results(stream, out, files, made_by, overwrite, journal, pictures=self._pictures(journal))
            if self._elsewhere:
                self.results.looked_at = self._looked_at()
            return
        if not isinstance(stream, ManifestStream):
            raise InputError(
                f"{stream.path} is a video, which is decoded in order and cannot be shared out; write its frames with "
                "vergence index video, or leave --shard out."
            )
        if shard is None:
            self.results = self._joined(stream, files, made_by)
            return
        piece = stream.piece(shard.rows(len(stream)))
        begun = self.parts.begun(shard)
        journal = Journal(out, self.parts.path(shard, ".jsonl"), names=frozenset(piece.names))
        self.stream, pictures = piece, self._pictures(journal)
        self.results = Results(piece, out, files, made_by, overwrite, journal, begun, pictures)
        if self.results.record and not self.results.same:
            raise InputError(
                f"{out} holds results of other weights or settings, which shards cannot replace; give another folder."
            )
        if not (overwrite or self.parts.there()) and self.results.all_right():
            self.done_before = self.parts.joined_before(shard)

    def survey(self, kind: DepthFiles, find: Callable[[], dict[str, Any]], each_time: bool) -> dict[str, Any]:
        """Scale and colours of all frames.

        Args:
            find: them anew.
            each_time: they are always found anew.
        """
        if not (self.shard or self.joins):
            earlier = None if each_time else self.results.earlier_survey(kind)
            return earlier or {**find(), "surveyed": self._read(self.results.looked_at)}
        if self.joins:
            return self.parts.agreed("survey", self._no_survey)
        looked_at = self._looked_at()
        agreed = self.parts.agreed("survey", lambda: {**find(), "surveyed": self._read(looked_at)})
        if any(looked_at.get(name) != digest for name, digest in agreed["surveyed"].items()):
            raise InputError(
                f"pictures have changed since the scale of all shards was found; remove {self.parts.folder} and do "
                "them again."
            )
        return agreed

    def _looked_at(self) -> dict[str, str]:
        """Digests of the pictures that fix scale and colours."""
        assert isinstance(self.whole, ManifestStream)
        digests: dict[str, tuple[str, str]] = {}
        for number in evenly_spaced(range(len(self.whole)), SAMPLED):
            try:
                digests |= picture_digests(self.whole.piece([number]))
            except InputError:
                if not self._elsewhere:
                    raise
        return {name: digest for name, (digest, _) in digests.items()}

    def _read(self, looked_at: dict[str, str]) -> dict[str, str]:
        """Those of the pictures that could be read."""
        unread = (self.whole.unread if isinstance(self.whole, ManifestStream) else None) or {}
        return {name: digest for name, digest in looked_at.items() if name not in unread}

    def _pictures(self, journal: Journal) -> dict[str, tuple[str, str]] | None:
        """What the journal says of this call's frames, where the pictures themselves are looked at elsewhere."""
        if not self._elsewhere:
            return None
        assert isinstance(self.stream, ManifestStream)
        digests = {name: entry.origin.picture for name, entry in journal.entries.items()}
        return {name: (digests.get(name, ""), camera) for name, camera in cameras(self.stream).items()}

    def begin(self, record: dict[str, Any], whole: bool) -> frozenset[str]:
        """Names of the frames that stay, see :meth:`~vergence.inference.earlier_results.Results.begin`."""
        if self.shard:
            self.parts.begin(self.shard)
        skipped = self.results.begin(record, whole)
        if self.joins:
            self._check_there([name for name in self.results.pictures if name not in skipped])
            self.results.journal.write()
        return skipped

    def end(self, frames: int) -> None:
        """All files of this call are written."""
        if self.shard:
            self.parts.done(self.shard, {"frames": frames})
            _log.info("shard %s is done; when all are, the same command without --shard joins them", self.shard)
        elif self.joins:
            self.parts.remove()

    def _joined(self, stream: ManifestStream, files: list[Files], made_by: dict[str, Any]) -> Results:
        total = len(self.parts.joined())
        self._shards = [Shard(number, total) for number in range(total)]
        others = [self.parts.path(shard, ".jsonl") for shard in self._shards]
        journal = Journal(self.out, others=others)
        self._check_there([name for name in stream.names if name not in journal.entries])
        origins = {name: journal.entries[name].origin for name in stream.names}
        pictures = {name: (origin.picture, origin.camera) for name, origin in origins.items()}
        return Results(stream, self.out, files, made_by, False, journal, True, pictures)

    def _check_there(self, missing: list[str]) -> None:
        """InputError where frames are not there as their shards have said."""
        if not missing:
            return
        assert isinstance(self.whole, ManifestStream)
        row = self.whole.names.index(missing[0])
        shard = next(shard for shard in self._shards if row in shard.rows(len(self.whole)))
        raise InputError(
            f"files of {len(missing)} frames are not in {self.out} as their shards wrote them (first {missing[0]}); "
            f"run the same command with --shard {shard} again, which makes what is missing."
        )

    def _no_survey(self) -> dict[str, Any]:
        raise InputError(f"{self.parts.folder}/survey.json is missing; copy it there, or do all shards again.")


def _identity(stream: ManifestStream, files: list[Files]) -> dict[str, Any]:
    """What shards must agree on beside weights and settings."""
    kinds = sorted(path.as_posix() for kind in files for path in kind.paths(Path(), "NAME").values())
    images = "\n".join(stream.manifest[index].image for index in stream.indices)
    return {
        "files": kinds, "frames": len(stream), "names": text_digest(f"{images}\n\n" + "\n".join(stream.names)),
        "cameras": text_digest("\n".join(cameras(stream).values())),
    }  # fmt: skip
