"""The chart as a whole: lint, all presets on all versions of Kubernetes, and renders that were looked at."""

import difflib
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.helm.rendering import (
    ALL_CASES,
    CHART,
    NEWEST,
    OLDEST,
    PRESETS,
    PRODUCTION,
    REINDEX,
    TRIAL,
    Refused,
    render,
    template,
)

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = [OLDEST, "1.30.0", "1.34.0", NEWEST]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ALL_CASES)
def test_lint_has_nothing_to_say(case, version, helm):
    values = [argument for file in ALL_CASES[case] for argument in ("--values", str(file))]
    command = [helm, "lint", "--strict", "--quiet", str(CHART), "--kube-version", version, *values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ALL_CASES)
def test_every_case_renders_alike_on_every_version(case, version, helm):
    assert template(ALL_CASES[case], helm=helm, kubernetes=version) == template(ALL_CASES[case], helm=helm)


def test_a_version_that_lacks_what_is_used_is_refused(helm):
    with pytest.raises(Refused, match=r"1\.26\.0"):
        render(TRIAL, helm=helm, kubernetes="1.26.0")


@pytest.mark.parametrize("case", [*PRESETS, "reindex"])
def test_renders_are_those_that_were_looked_at(case, helm):
    """`UPDATE_GOLDEN=1` writes them anew; read the difference before it is committed."""
    path = GOLDEN / f"{case}.yaml"
    rendered = template(ALL_CASES[case], helm=helm)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(rendered)
    before = path.read_text() if path.exists() else ""
    difference = difflib.unified_diff(before.splitlines(), rendered.splitlines(), "looked at", "rendered", lineterm="")
    assert before == rendered, "\n".join(difference)


@pytest.mark.parametrize("case", ALL_CASES)
def test_no_two_objects_have_the_same_name(case, helm):
    names = [
        (each["kind"], each["metadata"]["name"], "helm.sh/hook" in each["metadata"].get("annotations", {}))
        for each in render(ALL_CASES[case], helm=helm).objects
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", ALL_CASES)
def test_every_object_belongs_to_the_release(case, helm):
    for each in render(ALL_CASES[case], helm=helm).objects:
        assert each["metadata"]["namespace"] == "search", each
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "shop"
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_rendering_twice_gives_the_same(helm):
    first = template(REINDEX, helm=helm)
    template.__globals__["_template"].cache_clear()
    assert template(REINDEX, helm=helm) == first


def notes(name, files, helm, *more):
    values = [word for file in files for word in ("--values", str(file))]
    command = [helm, "install", name, str(CHART), "--dry-run=client", *values, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize("name", ["shop", "fourtower", "a-very-long-name-of-a-release-indeed-it-is"])
def test_notes_come_with_every_name(name, helm):
    said = notes(name, TRIAL, helm)
    assert "Generation g1 is live (products_g1, model demo)." in said
    assert "NOT PROTECTED: ingress, kafka, milvus, network, redis, search" in said


def test_notes_say_how_to_go_on_with_each_generation(helm):
    built = notes("shop", REINDEX, helm)
    assert "fourtower reindex switch 2, and only then set generations.g2.live: true" in built
    assert "deadLetters" not in built
    switched = ("generations.g1.live=false", "generations.g1.deadLetters=true", "generations.g2.live=true")
    said = notes("shop", REINDEX, helm, *(word for each in switched for word in ("--set", each)))
    assert "Generation g1 was live before" in said
    assert "Take generations.g1.deadLetters away with the next upgrade" in said
    assert "reindex switch" not in said


def test_notes_tell_only_what_can_be_done(helm):
    """Without a toolbox nothing can be typed there; without a test pod there is nothing to run."""
    assert "exec deploy/shop-fourtower-toolbox -- fourtower status" in notes("shop", PRODUCTION, helm)
    less = notes("shop", PRODUCTION, helm, "--set", "toolbox.enabled=false", "--set", "test.enabled=false")
    assert "exec deploy" not in less
    assert "helm test" not in less
    assert "toolbox.enabled: true" in less


def test_the_chart_has_the_version_of_the_package():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project


def test_templates_have_no_forgotten_pieces():
    """Each named template is used, and each use has one."""
    texts = {path: path.read_text() for path in (CHART / "templates").iterdir()}
    defined = {name for text in texts.values() for name in re.findall(r'define "([^"]+)"', text)}
    used = {name for text in texts.values() for name in re.findall(r'include "([^"]+)"', text)}
    assert defined == used


def test_scripts_of_the_chart_are_all_used():
    texts = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert {path.name for path in (CHART / "files").iterdir()} == set(re.findall(r'"file" "([^"]+)"', texts))


def test_no_file_is_longer_than_its_reader_is_patient():
    for path in [*(CHART / "templates").iterdir(), *(CHART / "files").iterdir()]:
        assert len(path.read_text().splitlines()) < 250, path.name
