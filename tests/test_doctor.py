"""The doctor finds what works and what is broken."""

from pathlib import Path

import pytest

from vergence import doctor


def test_this_machine_is_healthy(tmp_path: Path) -> None:
    checks = doctor.examine(tmp_path)
    assert [check.name for check in checks if check.status == "broken"] == []
    assert {"vergence", "packages", "torchvision", "threads", "ImageNet weights", "output", "self-test"} <= {
        check.name for check in checks
    }


def test_broken_things_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("torch", "no-such-package"))
    broken = [check.text for check in doctor._versions() if check.status == "broken"]
    assert broken[0].startswith("missing: no-such-package")
    monkeypatch.setattr("os.access", lambda place, mode: False)
    assert all(check.status == "broken" for check in doctor._disk(tmp_path))

    def broken_check() -> None:
        raise RuntimeError("no luck")

    found = list(doctor._guarded(broken_check))  # type: ignore[arg-type]
    assert [(check.status, check.text) for check in found] == [("broken", "RuntimeError: no luck")]
