"""Plugins are found through the metadata of installed packages; here these lie in folders on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.search.reranking.builders import SCHEMA, asked, candidate

from fourtower_search.errors import IndexMismatch, InvalidQuery, Unsupported
from fourtower_search.plugins import known_plugins, load_plugin
from fourtower_search.reranking.setup import InstalledRerankers, RerankerSetup, open_reranker

GROUP = "fourtower.rerankers"
MODULE = """
from fourtower_search.errors import IndexMismatch

OPENED = []

def reverse(setup):
    OPENED.append(setup)
    return lambda query, candidates: [1 - each.score for each in candidates]

def demanding(setup):
    return reverse(setup) if setup.option("path") else None

def broken(setup):
    raise KeyError("no such thing")

def elsewhere(setup):
    raise IndexMismatch("It belongs to another model.")

def nothing(setup):
    return None

number = 7
"""

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package on the path: its name, its module's text, and what each plugin name stands for."""

    def put(package: str, module: str = MODULE, **entries: str) -> str:
        folder = tmp_path / package
        metadata = folder / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{package}_plugin.py").write_text(module)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {package}_plugin:{target}" for name, target in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")
        monkeypatch.syspath_prepend(str(folder))
        sys.modules.pop(f"{package}_plugin", None)  # another test's
        return f"{package}_plugin"

    return put


def setup(name: str, **options: str) -> RerankerSetup:
    return RerankerSetup(name, "m", SCHEMA, options)


def test_an_installed_plugin_is_listed_and_used(install: Install) -> None:
    install("one", turned="reverse")
    assert "turned" in known_plugins(GROUP)
    reranker = open_reranker(setup("turned"))
    assert reranker(asked(), [candidate("a", score=0.75), candidate("b", score=0.5)]) == [0.25, 0.5]


def test_an_unknown_name_lists_the_known_ones(install: Install) -> None:
    install("one", turned="reverse", other="number")
    with pytest.raises(InvalidQuery, match=r"no plugin 'missing' in fourtower\.rerankers\. Known: .*other, turned"):
        load_plugin(GROUP, "missing")


def test_listing_imports_nothing(install: Install) -> None:
    install("one", module="raise RuntimeError('imported')", turned="reverse")
    assert "turned" in known_plugins(GROUP)


@pytest.mark.parametrize(
    ("module", "target", "problem"),
    [
        ("import no_such_library", "reverse", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "reverse", "ZeroDivisionError"),
        ("raise SystemError('deep')", "reverse", "SystemError: deep"),
        (MODULE, "missing", "AttributeError"),
    ],
)
def test_a_plugin_that_fails_to_import_says_so(install: Install, module: str, target: str, problem: str) -> None:
    install("one", module=module, turned=target)
    with pytest.raises(Unsupported, match=r"plugin 'turned' of .* \(package one, one_plugin:") as caught:
        load_plugin(GROUP, "turned")
    assert problem in str(caught.value)


def test_two_packages_with_one_name_are_refused(install: Install) -> None:
    install("one", turned="reverse")
    install("two", turned="reverse")
    with pytest.raises(Unsupported, match=r"package one, .*package two, .*Uninstall all but one"):
        load_plugin(GROUP, "turned")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("number", "TypeError: 'int' object is not callable"),
        ("broken", "KeyError: 'no such thing'"),
        ("nothing", "is 'NoneType', which can't be called"),
    ],
)
def test_a_plugin_that_can_not_be_opened_says_so(install: Install, target: str, problem: str) -> None:
    install("one", turned=target)
    with pytest.raises(Unsupported) as caught:
        open_reranker(setup("turned"))
    assert problem in str(caught.value)


def test_what_a_plugin_says_itself_is_kept(install: Install) -> None:
    install("one", turned="elsewhere", asking="demanding")
    with pytest.raises(IndexMismatch, match="another model"):
        open_reranker(setup("turned"))
    with pytest.raises(InvalidQuery, match="'asking' needs the option 'path'"):
        open_reranker(setup("asking"))


def test_installed_plugins_are_opened_once_and_when_they_are_asked_for(install: Install) -> None:
    module = __import__(install("one", turned="reverse", asking="demanding", failing="broken"))
    installed = InstalledRerankers("m", SCHEMA, options={"asking": {"path": "x"}})
    assert {"turned", "asking", "failing"} <= set(installed)
    assert module.OPENED == []
    assert installed["turned"] is installed["turned"]
    assert callable(installed["asking"])
    assert [(each.name, each.model_id, dict(each.options)) for each in module.OPENED] == [
        ("turned", "m", {}),
        ("asking", "m", {"path": "x"}),
    ]
    assert installed.get("no such plugin") is None
    assert len(installed) == len(list(installed))
