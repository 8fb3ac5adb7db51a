"""The wheel, installed beside an application that has packages called `search` and `workers` of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["fourtower_encoders", "fourtower_ingest", "fourtower_search", "fourtower_workers"]


def pip(command: str, *args: str) -> None:
    """Run pip without reaching any index."""
    quietly = ["--disable-pip-version-check", "--quiet", "--no-input"]
    offline = ["--no-index", "--no-deps"]
    subprocess.run([sys.executable, "-m", "pip", *quietly, command, *offline, *args], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds the wheel alone; its dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host application with its own `search` and `workers`."""
    folder = tmp_path_factory.mktemp("shop")
    for name in ("search", "workers", "ingest", "encoders"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"OWNER = 'the shop, {name}'\n")
    return folder


@pytest.fixture(scope="module")
def metadata(site: Path) -> Distribution:
    (folder,) = site.glob("fourtower-*.dist-info")
    return PathDistribution(folder)


def run(command: list[str], *path: Path) -> str:
    """Output of a process that finds packages in these folders first."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(command, cwd=path[0], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert not [name for name in names if Path(name).name.startswith("test") or "__pycache__" in name]


@pytest.mark.parametrize("package", PACKAGES)
def test_holds_every_file_of_the_sources(wheel: Path, package: str) -> None:
    """The type marker and the demo checkpoint travel with the code."""
    source = ROOT / package.removeprefix("fourtower_") / package
    files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {f"{package}/{path.relative_to(source).as_posix()}" for path in files}
    assert f"{package}/py.typed" in expected
    assert expected == {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"{package}/")}


def test_metadata(metadata: Distribution) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    fields = metadata.metadata
    assert fields["Name"] == "fourtower"
    assert fields["Version"] == project["version"]
    assert fields["Requires-Python"] == ">=3.11"
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields.get_all("License-File") == ["LICENSE"]
    assert set(fields.get_all("Provides-Extra") or []) == set(project["optional-dependencies"])
    assert "# Fourtower" in fields.get_payload()


def test_base_install_needs_no_torch(metadata: Distribution) -> None:
    base = " ".join(line for line in metadata.requires or [] if "extra ==" not in line)
    assert "onnxruntime" in base
    assert not [name for name in ("torch", "timm", "transformers", "matplotlib", "celery") if name in base]


def test_lives_beside_packages_of_the_same_role(site: Path, shop: Path) -> None:
    code = (
        "import search, workers, ingest, encoders\n"
        "import fourtower_search, fourtower_workers.cli, fourtower_ingest, fourtower_encoders.joint\n"
        "print(search.OWNER, workers.OWNER, ingest.OWNER, encoders.OWNER, sep='\\n')\n"
        "print(fourtower_search.__file__, fourtower_workers.__file__, sep='\\n')\n"
    )
    *owners, search, workers = run([sys.executable, "-c", code], shop, site).splitlines()
    assert owners == [f"the shop, {name}" for name in ("search", "workers", "ingest", "encoders")]
    assert Path(search).is_relative_to(site)
    assert Path(workers).is_relative_to(site)


def test_command_runs(site: Path, shop: Path, metadata: Distribution) -> None:
    command = [str(site / "bin" / "fourtower")]
    assert "Usage: fourtower" in run([*command, "--help"], shop, site)
    assert run([*command, "--version"], shop, site) == f"fourtower {metadata.version}\n"
