"""Digests change with content, states with files."""

import hashlib
import os
import shutil

import pytest

from vergence.data import digests
from vergence.data.digests import are_as_seen, file_digest, file_state, files_seen, text_digest
from vergence.errors import InputError


def test_digests_are_blake2b_of_the_bytes(tmp_path):
    content = os.urandom((1 << 20) + 7)  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert file_digest(tmp_path / "a") == hashlib.blake2b(content, digest_size=16).hexdigest()
    assert text_digest("é") == hashlib.blake2b("é".encode(), digest_size=16).hexdigest()
    assert text_digest("a\udcff") != text_digest("a"), "names of files that are no UTF-8 have digests too"


def test_a_new_file_of_the_same_size_and_time_has_another_state(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    before = file_state(path)
    assert file_state(path) == before
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert file_state(path) != before


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="does not exist; correct the manifest"):
        file_digest(tmp_path / "a")
    with pytest.raises(InputError, match="does not exist"):
        file_state(tmp_path / "a")
    with pytest.raises(InputError, match="is no regular file"):
        file_digest(tmp_path)


def test_files_are_as_seen_by_their_content_wherever_they_lie(tmp_path, monkeypatch):
    """Copies and files that were touched are the same; states alone are looked at where they are."""
    paths = [tmp_path / "here" / name for name in ("a", "b", "missing")]
    paths[0].parent.mkdir()
    for path in paths[:2]:
        path.write_bytes(b"one")
    seen = files_seen(paths)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    os.utime(paths[1], ns=(1, 1))
    assert are_as_seen(paths, seen)
    assert are_as_seen([tmp_path / "there" / path.name for path in paths], seen)
    seen = files_seen(paths)
    monkeypatch.setattr(digests, "file_digest", lambda path: pytest.fail("read again"))
    assert are_as_seen(paths, seen)
    monkeypatch.undo()
    paths[1].write_bytes(b"two")
    os.utime(paths[1], ns=(1, 1))
    assert not are_as_seen(paths, seen)
    seen = files_seen(paths)
    paths[2].write_bytes(b"new")
    assert not are_as_seen(paths, seen)
    assert not are_as_seen(paths[::-1], files_seen(paths))
