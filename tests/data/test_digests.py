"""Digests change with content, states with files."""

import hashlib
import os

import pytest

from vergence.data.digests import file_digest, file_state, text_digest
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
