"""Archives of strangers: what is in them comes back, what would do harm is refused, and nothing is left behind."""

import gzip
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.annotation.annotated import bare, read_labels, world
from vergence.data.annotation import archives, export_labels, import_labels
from vergence.data.annotation.archives import unpacked
from vergence.errors import InputError

LABEL = np.array([[0, 0, 1, 1, 255], [0, 2, 1, 1, 255]], dtype=np.uint8)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked; empty again after each test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def names(source: Path) -> list[str]:
    with unpacked(source) as folder:
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(source: Path, scratch: Path) -> str:
    with pytest.raises(InputError) as error, unpacked(source):
        pass
    assert not list(scratch.iterdir())
    assert str(source) in str(error.value)
    return str(error.value)


def zipped(path: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_tar_in_all_its_forms(tmp_path: Path, suffix: str) -> None:
    manifest = world(tmp_path, [LABEL, LABEL[::-1]])
    export_labels(manifest, "png", tmp_path / "out")
    packed = tmp_path / f"given.{suffix}"
    kind = suffix.removeprefix("tar").lstrip(".")
    with tarfile.open(packed, f"w:{kind}") as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "out", "job_1")
    import_labels(packed, bare(manifest), tmp_path / "back" / "m.csv")
    for found, expected in zip(read_labels(tmp_path / "back" / "m.csv"), [LABEL, LABEL[::-1]], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_pictures_stay_packed(tmp_path: Path, scratch: Path) -> None:
    files = [("job/images/0.jpg", b"x"), ("job/labels/0.png", b"y"), ("job/classes.json", b"[]")]
    assert names(zipped(tmp_path / "x.zip", *files)) == ["classes.json", "labels/0.png"]
    members = [(tarfile.TarInfo(name), content) for name, content in files]
    assert names(tarred(tmp_path / "x.tgz", *members)) == ["classes.json", "labels/0.png"]
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "C:/x", "..\\x", "C:x", "\\\\host\\x"])
def test_paths_that_leave(tmp_path: Path, scratch: Path, name: str) -> None:
    assert "a path that leaves the archive" in refused(zipped(tmp_path / "x.zip", (name, b"")), scratch)
    assert "a path that leaves the archive" in refused(
        tarred(tmp_path / "x.tar", (tarfile.TarInfo(name), b"")), scratch
    )


def test_paths_of_windows(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = "job\\labels\\0.png"
    assert names(zipped(tmp_path / "x.zip", (info, b"x"), ("job/classes.json", b"[]"))) == [
        "classes.json",
        "labels/0.png",
    ]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_tar(tmp_path: Path, scratch: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("labels/0.png")
    member.type, member.linkname = kind, "/etc/passwd"
    assert "a link, device or sparse file" in refused(tarred(tmp_path / "x.tar.gz", (member, b"")), scratch)


def test_links_of_zip(tmp_path: Path, scratch: Path) -> None:
    info = zipfile.ZipInfo("labels/0.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "'labels/0.png', a link or device" in refused(zipped(tmp_path / "x.zip", (info, b"/etc/passwd")), scratch)


def test_twice_the_same_file(tmp_path: Path, scratch: Path) -> None:
    member = tarfile.TarInfo("a.json")
    packed = tarred(tmp_path / "x.tar", (member, b"1"), (member, b"2"), mode="w")
    assert "'a.json', a file that it has twice" in refused(packed, scratch)


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_bytes_are_counted_while_they_are_read(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(archives, "SMALL", 1 << 20)
    content = bytes(5 << 20)
    path = tmp_path / f"x.{form}"
    if form == "zip":
        zipped(path, ("a.json", content))
    else:
        tarred(path, (tarfile.TarInfo("a.json"), content))
    assert "unpacks into more than" in refused(path, scratch)


def test_a_zip_that_lies_about_sizes(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SMALL", 1 << 20)
    path = zipped(tmp_path / "x.zip", ("a.json", bytes(5 << 20)))
    path.write_bytes(path.read_bytes().replace((5 << 20).to_bytes(4, "little"), (7).to_bytes(4, "little")))
    refused(path, scratch)


def test_too_many_files(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FILES", 3)
    files = [(f"{number}.txt", b"") for number in range(4)]
    assert "holds more than 3 files" in refused(zipped(tmp_path / "x.zip", *files), scratch)
    members = [(tarfile.TarInfo(name), content) for name, content in files]
    assert "holds more than 3 files" in refused(tarred(tmp_path / "x.tar", *members), scratch)


def test_a_header_of_tar_as_large_as_a_file(tmp_path: Path, scratch: Path) -> None:
    """A long name that is all of the archive would be read at once."""
    name = tarfile.TarInfo("././@LongLink")
    name.type = tarfile.GNUTYPE_LONGNAME
    packed = tarred(tmp_path / "x.tar.gz", (name, bytes(3 << 20)))
    assert "cannot be unpacked" in refused(packed, scratch)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:1000],
        lambda data: data[:100] + bytes(20) + data[120:],
        lambda data: data[:3] + os.urandom(1) * 200 + data[203:],
        lambda data: data[:2],
    ],
)
@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.xz", "tar.bz2", "tar"])
def test_damaged_archives(tmp_path: Path, scratch: Path, form: str, spoil: Callable[[bytes], bytes]) -> None:
    content = np.random.default_rng(0).bytes(1500)
    path = tmp_path / f"x.{form}"
    if form == "zip":
        zipped(path, ("a.json", content))
    else:
        tarred(path, (tarfile.TarInfo("a.json"), content), mode=f"w:{form[4:]}")
    path.write_bytes(spoil(path.read_bytes()))
    refused(path, scratch)


def test_a_tar_that_ends_between_files(tmp_path: Path, scratch: Path) -> None:
    files = [(tarfile.TarInfo(name), b"x") for name in "ab"]
    path = tarred(tmp_path / "x.tar", *files, mode="w")
    data = path.read_bytes()
    for spoilt in (data[:1024], data[:1030] + b"?" + data[1031:]):
        path.write_bytes(spoilt)
        assert "it ends early" in refused(path, scratch)


def test_an_encrypted_zip(tmp_path: Path, scratch: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("a.json", b"[]"))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "cannot be unpacked" in refused(path, scratch)


def test_what_is_no_archive(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"hello" * 1000))
    assert "cannot be unpacked" in refused(tmp_path / "x.gz", scratch)
    (tmp_path / "x.txt").write_bytes(b"hello")
    assert "is no folder, no .zip, no .tar and no .json" in refused(tmp_path / "x.txt", scratch)


@pytest.mark.parametrize("form", ["tar.gz", "tar.xz", "tar.bz2"])
def test_sums_at_the_end_are_checked(tmp_path: Path, scratch: Path, form: str) -> None:
    packed = tarred(tmp_path / f"x.{form}", (tarfile.TarInfo("a.json"), b"1"), mode=f"w:{form[4:]}")
    packed.write_bytes(packed.read_bytes()[:-8] + bytes(8))
    assert "cannot be unpacked" in refused(packed, scratch)
