"""The files of the project: they name no machine, no registry, no issue, and leave nothing to do.

Recorded bytes under tests/**/fixtures/ are the world's words, and are not read.
"""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import ferrycli

ROOT = Path(__file__).resolve().parent.parent
README_LINES_MAX = 250

REFUSED = {
    "a path of one machine": r"(?<![\w.~*}])/(?:root|work|tmp|opt|home|Users)/[\w.]",
    "the host of a registry": r"(?i)\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|crates\.io"
    r"|proxy\.golang\.org|deb\.debian\.org|conda\.anaconda\.org)\b",
    "something left to do": r"\b(?:TO" + r"DO|FIX" + r"ME)\b",
}
# `](#1-anchor)` is a place on the page, and `&#39;` is a character.
ISSUE = r"(?<!\]\()(?<!&)#\d+\b(?![\w-])"

SUFFIXES = frozenset(
    """
    .bash .cfg .css .fish .html .in .ini .json .lock .md .ps1 .py .service .sh .sql .toml .txt
    .yaml .yml
    """.split()
)
PLAIN_NAMES = frozenset(
    "Makefile LICENSE run _ferry .gitignore .gitattributes .editorconfig".split()
)
# Where git cannot be asked.
NOT_OURS = frozenset(".git .venv .ferry __pycache__ build dist node_modules .hypothesis".split())


@cache
def files() -> tuple[Path, ...]:
    """The text files that git keeps or would keep; without git, those of the tree."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=False,
    )
    found: Iterator[Path] = (ROOT / name for name in asked.stdout.split("\0") if name)
    if asked.returncode != 0:
        found = (
            path for path in ROOT.rglob("*") if not NOT_OURS & set(path.relative_to(ROOT).parts)
        )
    return tuple(
        path
        for path in sorted(found)
        if path.is_file()
        and "fixtures" not in path.parts
        and (path.suffix in SUFFIXES or path.name in PLAIN_NAMES)
    )


def breaches(text: str, rule: str) -> list[str]:
    """The lines of `text` that hold what `rule` refuses, each with its number."""
    lines = enumerate(text.splitlines(), 1)
    return [f"{at}: {line.strip()}" for at, line in lines if re.search(rule, line)]


def prose(path: Path, text: str) -> str:
    """The lines of a page outside code, or the comments of a module; other lines left empty."""
    if path.suffix == ".md":
        text = re.sub(r"(?ms)^ *(```|~~~).*?^ *\1", lambda code: "\n" * code[0].count("\n"), text)
        return re.sub(r"`[^`\n]*`", "", text)
    lines = [""] * len(text.splitlines())
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string
    return "\n".join(lines)


def project() -> dict[str, Any]:
    read: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return read


def test_the_files_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in files()}
    assert names >= {"Makefile", "pyproject.toml", "ferrycli/__main__.py", "tests/test_project.py"}


@pytest.mark.parametrize("what", REFUSED)
def test_no_file_names(what: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in files()
        if (lines := breaches(path.read_text("utf-8"), REFUSED[what]))
    }
    assert found == {}, what


def test_no_page_or_comment_names_an_issue() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in files()
        if path.suffix in (".md", ".py")
        and (lines := breaches(prose(path, path.read_text("utf-8")), ISSUE))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of one machine", "see " + "/work" + "/main/x.py"),
        ("a path of one machine", "'" + "/tmp" + "/ferry.db'"),
        ("a path of one machine", "sqlite://" + "/home" + "/ada/ferry.db"),
        ("the host of a registry", "https://files." + "pythonhosted" + ".org/x"),
        ("the host of a registry", "index = " + "PyPI" + ".org"),
        ("something left to do", "# TO" + "DO: more"),
    ],
)
def test_what_is_refused_is_found(what: str, text: str) -> None:
    assert breaches(f"first\n{text}", REFUSED[what]) == [f"2: {text}"]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of one machine", "https://example.com/home/page"),
        ("a path of one machine", "~/tmp/x and $HOME/work and ${dir}/work/x"),
        ("a path of one machine", "/etc/ferry/config.toml"),
        ("something left to do", "a todo list"),
    ],
)
def test_what_is_harmless_passes(what: str, text: str) -> None:
    assert breaches(text, REFUSED[what]) == []


def test_an_issue_is_told_from_an_anchor_and_a_colour() -> None:
    page = "see #12\n(#7)\n[two](#2-money)\n[three](#3)\n&#39;\n`#4`\n```\n#5\n```\nor owner/repo#6"
    assert [each[:2] for each in breaches(prose(Path("a.md"), page), ISSUE)] == ["1:", "2:", "10"]
    module = "colour = '#112233'\nx = 1  # as in #8\n"
    assert breaches(prose(Path("a.py"), module), ISSUE) == ["2: # as in #8"]


def test_the_readme_is_short_and_is_the_page_of_the_package() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    assert len(readme.read_text("utf-8").splitlines()) < README_LINES_MAX
    assert project()["project"].get("readme") == "README.md"


def test_the_package_and_the_distribution_have_one_version() -> None:
    assert ferrycli.__version__ == project()["project"]["version"]


def test_every_dependency_has_its_paragraph() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    names = [re.split(r"[^\w-]", each)[0] for each in project()["project"]["dependencies"]]
    assert [name for name in names if f"\n**{name}**" not in page] == []


def test_every_module_that_must_be_covered_exists() -> None:
    modules: list[str] = project()["tool"]["coverage"]["report"]["include"]
    assert [module for module in modules if not (ROOT / module).is_file()] == []
