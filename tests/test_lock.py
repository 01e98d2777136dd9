"""The locks: few packages, each pinned and hashed, the same in all, and from nowhere in particular.

They are written by `make lock`. What pip would install is worked out here from their markers.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
PACKAGES_MAX = 40

SYSTEMS = {
    "linux": {"os_name": "posix", "platform_system": "Linux"},
    "darwin": {"os_name": "posix", "platform_system": "Darwin"},
    "win32": {"os_name": "nt", "platform_system": "Windows"},
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def is_for(self, system: str, python: str) -> bool:
        return self.marker is None or self.marker.evaluate(
            {
                "sys_platform": system,
                "python_version": python,
                "python_full_version": f"{python}.0",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                **SYSTEMS[system],
            }
        )


def pins(text: str) -> dict[str, Pin]:
    """The packages of a lock by name. Raises ValueError for one that has no exact version."""
    found: dict[str, Pin] = {}
    lines = re.sub(r"\\\n", " ", text).splitlines()
    for line in (line.strip() for line in lines if not line.strip().startswith("#")):
        if not line:
            continue
        words, *hashes = (part.strip() for part in line.split("--hash="))
        requirement = Requirement(words)
        version = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if version is None:
            raise ValueError(f"`{words}` is not pinned")
        name = canonicalize_name(requirement.name)
        found[name] = Pin(name, version[1], requirement.marker, tuple(hashes))
    return found


def lock(name: str) -> dict[str, Pin]:
    return pins((ROOT / name).read_text("utf-8"))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def in_group(name: str) -> list[str]:
    """The requirements of a dependency group, those of the groups in it included."""
    found: list[str] = []
    for each in project()["dependency-groups"][name]:
        found += [each] if isinstance(each, str) else in_group(each["include-group"])
    return found


def unkept(requirements: list[str], locked: dict[str, Pin]) -> list[str]:
    """The requirements that no pin of `locked` answers."""
    wanted = {canonicalize_name(Requirement(each).name): Requirement(each) for each in requirements}
    return [
        str(requirement)
        for name, requirement in wanted.items()
        if name not in locked or not requirement.specifier.contains(locked[name].version)
    ]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_default_install_is_small(system: str, python: str) -> None:
    installed = [
        pin.name for pin in lock("requirements.lock").values() if pin.is_for(system, python)
    ]
    assert len(installed) <= PACKAGES_MAX, installed


def test_markers_decide_what_counts() -> None:
    text = "uvloop==1 ; sys_platform != 'win32'\ntomli==1 ; python_full_version < '3.12'\nrich==1"
    read = pins(text).values()
    assert [pin.name for pin in read if pin.is_for("linux", "3.11")] == ["uvloop", "tomli", "rich"]
    assert [pin.name for pin in read if pin.is_for("win32", "3.14")] == ["rich"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_its_hashes(name: str) -> None:
    packages = lock(name)
    assert packages
    for pin in packages.values():
        assert pin.hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in pin.hashes), pin.name


@pytest.mark.parametrize("line", ["rich", "rich>=15", "rich==15.*", "rich~=15.0"])
def test_a_package_without_a_version_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not pinned"):
        pins(line)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert not re.findall(r"\S*(?:://|/\w|--(?!hash=)|\bfile:|\s@\s)\S*", text)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_the_dev_lock_holds_the_others_at_the_same_versions(name: str) -> None:
    dev = {pin.name: (pin.version, set(pin.hashes)) for pin in lock(LOCKS[-1]).values()}
    for pin in lock(name).values():
        assert dev.get(pin.name) == (pin.version, set(pin.hashes)), pin.name


def test_what_the_project_asks_for_is_locked() -> None:
    runtime: list[str] = project()["project"]["dependencies"]
    assert unkept(runtime, lock("requirements.lock")) == []
    assert unkept(runtime + in_group("dev"), lock("requirements-dev.lock")) == []
    backend: list[str] = project()["build-system"]["requires"]
    assert unkept(backend + in_group("build"), lock("requirements-build.lock")) == []


def test_a_requirement_that_the_lock_does_not_answer_is_found() -> None:
    locked = pins("rich==15.0")
    assert unkept(["rich>=14"], locked) == []
    assert unkept(["Rich<15"], locked) == ["Rich<15"]
    assert unkept(["typer"], locked) == ["typer"]
