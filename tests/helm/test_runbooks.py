"""What docs/operations.md has people type works as it stands: values render, commands find what they need."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.helm.rendering import EVERYTHING, PRODUCTION, ROOT, TRIAL, Refused, render
from tests.search.index.test_milvus_tls import TOKEN, authority, port  # noqa: F401  a Milvus behind TLS and a token
from tests.test_readme import typed_lines
from typer.core import TyperGroup

from fourtower_workers import cli

PAGE = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = sorted({line for line in typed_lines(PAGE) if line.startswith("fourtower ")})
ELSEWHERE = {"FOURTOWER_API_KEY", "FOURTOWER_SERVICE_KEYS"}
"""The key of a service is for asking one, which the toolbox doesn't; a file of keys is named where one is edited."""
AS_DEPLOYED = re.compile(r"FOURTOWER_TOPIC_")
"""Topics have defaults; what the values change of them, all pods are told alike."""


def section(title):
    """A section of the page, its heading aside."""
    _, _, rest = PAGE.partition(f"\n### {title}\n")
    assert rest, title
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(title):
    """The values that a section shows, in order."""
    text = re.sub(r"^   ", "", section(title), flags=re.MULTILINE)
    return [yaml.safe_load(body) for body in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def after(tmp_path, helm):
    """The release after some steps of a runbook, one over the other as upgrades do."""

    def rendered(steps, **changes):
        files = []
        for number, step in enumerate(steps):
            files.append(tmp_path / f"{number}.yaml")
            files[-1].write_text(yaml.safe_dump(step))
        return render((*PRODUCTION, *files), changes, helm=helm)

    return rendered


NEW = "A new generation"
BUILT, SWITCHED, SETTLED, BACK, GONE = range(1, 6)
"""How many of its blocks have been applied."""


def roles(release):
    """Of each generation: whether its ingester writes dead letters; and which one is live."""
    letters = {
        pod.labels["fourtower/generation"]: pod.environment["FOURTOWER_INGESTER_DEAD_LETTERS"] == "true"
        for pod in release.pods
        if pod.component == "ingester"
    }
    return f"g{release.pod('reconciler').environment['FOURTOWER_WORKER_GENERATION']}", letters


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([BUILT], ("g1", {"g1": True, "g2": False})),
        ([BUILT, SWITCHED], ("g2", {"g1": True, "g2": True})),
        ([BUILT, SWITCHED, SETTLED], ("g2", {"g1": False, "g2": True})),
        ([BUILT, SWITCHED, BACK], ("g1", {"g1": True, "g2": True})),
        ([BUILT, SWITCHED, SETTLED, BACK], ("g1", {"g1": True, "g2": True})),
        ([BUILT, SWITCHED, SETTLED, GONE], ("g2", {"g2": True})),
    ],
)
def test_each_step_of_a_new_generation_renders(steps, expected, after):
    """The live generation always writes dead letters, and while two ingesters restart both do."""
    shown = blocks(NEW)
    assert len(shown) == GONE
    assert roles(after([shown[step - 1] for step in steps])) == expected


def test_with_the_next_upgrade_after_going_back_only_the_live_one_writes_dead_letters(after):
    shown = blocks(NEW)
    release = after([shown[BUILT - 1], shown[BACK - 1]], **{"generations.g2.deadLetters": None})
    assert roles(release) == ("g1", {"g1": True, "g2": False})


@pytest.mark.parametrize(
    ("steps", "left_out", "sentence"),
    [
        ([BUILT, SWITCHED], "g1", "g1, g2 are; set live: true in the one"),
        ([BUILT, SWITCHED], "g2", "and none is"),
        ([BUILT, GONE], "g2", "and none is"),
    ],
)
def test_half_a_step_is_refused(steps, left_out, sentence, after):
    *before, last = (blocks(NEW)[step - 1] for step in steps)
    half = {name: each for name, each in last["generations"].items() if name != left_out}
    with pytest.raises(Refused, match=sentence):
        after([*before, {"generations": half}])


def test_a_generation_that_was_dropped_leaves_nothing_of_itself(after):
    shown = blocks(NEW)
    release = after([shown[step - 1] for step in (BUILT, SWITCHED, SETTLED, GONE)])
    assert not [each["metadata"]["name"] for each in release.objects if "-g1-" in each["metadata"]["name"]]
    assert "model-first" not in str(release.objects)


def variables(line):
    """The variables that a command's options are taken from where they are left out."""
    group: Any = typer.main.get_command(cli.app)
    command, words = group, line.split()[1:]
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name, *words = words
        command = cli.load_command(name) if command is group else command.commands[name]
    options = command.get_params(typer.Context(command, info_name=line))
    return {option.envvar for option in options if isinstance(option.envvar, str)} - {""}


def test_the_page_has_commands_and_they_have_variables():
    """The control of the tests below."""
    assert len(COMMANDS) > 15
    assert "FOURTOWER_TOKEN" in variables('fourtower search "red bag"')
    assert "FOURTOWER_WORKER_TOKEN" in variables("fourtower reindex drop 1")
    assert "FOURTOWER_REDIS_URL" in variables("fourtower status --once")


@pytest.mark.parametrize("line", COMMANDS)
def test_the_toolbox_has_what_a_command_of_the_runbooks_reads(line, helm):
    found = render(EVERYTHING, helm=helm).pod("toolbox").environment
    wanted = {name for name in variables(line) - ELSEWHERE if not AS_DEPLOYED.match(name)}
    assert wanted <= found.keys()


@pytest.mark.parametrize("files", [TRIAL, EVERYTHING])
def test_all_commands_of_the_toolbox_mean_the_same_index(files, helm):
    """Searching and indexing by hand know it by shorter names than streaming does."""
    found = render(files, helm=helm).pod("toolbox").environment
    for short, long in (("INDEX", "WORKER_INDEX"), ("ALIAS", "WORKER_ALIAS"), ("TOKEN", "WORKER_TOKEN")):
        assert found.get(f"FOURTOWER_{short}") == found.get(f"FOURTOWER_{long}")
    assert found["FOURTOWER_INGESTER_ALIAS"] == found["FOURTOWER_ALIAS"]
    assert found.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") == found.get("FOURTOWER_WORKER_CA_FILE")


def test_commands_that_take_no_authority_reach_a_server_with_one_of_our_own(port, tmp_path, helm):  # noqa: F811
    """With the toolbox's variables alone; `index create` stands for all that open an index by its shorter names."""
    found = render(EVERYTHING, helm=helm).pod("toolbox").environment
    ours = {"INDEX": f"milvuss://localhost:{port}", "ALIAS": found["FOURTOWER_ALIAS"], "TOKEN": TOKEN}
    env = {f"FOURTOWER_{name}": value for name, value in ours.items()}
    env |= {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).parent / "fourtower"), "index", "create"]
    assert env.keys() <= found.keys() | {"PATH", "OMP_NUM_THREADS"}
    for more, code in (({}, 1), ({"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "ca.pem")}, 0)):
        assert more.keys() <= found.keys()
        done = subprocess.run(command, env=env | more, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr


def test_bootstrap_by_hand_takes_the_model_of_the_live_generation(helm):
    assert render(EVERYTHING, helm=helm).pod("toolbox").environment["FOURTOWER_WORKER_MODEL"] == "/models/first"


KINDS = {"deploy": "Deployment", "statefulset": "StatefulSet", "cronjob": "CronJob"}


def test_objects_that_are_typed_exist(helm):
    release = render(PRODUCTION, helm=helm)
    typed = set(re.findall(r"(deploy|statefulset|cronjob)/fourtower-([a-z0-9-]+)", PAGE))
    assert {kind for kind, _ in typed} == KINDS.keys()
    for kind, name in typed:
        assert release.has(KINDS[kind], name), (kind, name)


def test_components_that_are_asked_for_exist(helm):
    release = render(PRODUCTION, helm=helm)
    names = {pod.component for pod in release.pods}
    asked = set(re.findall(r"app\.kubernetes\.io/component=([a-z]+)", PAGE))
    assert len(asked) >= 3
    assert asked <= names


def test_jobs_of_the_reconciler_are_found_by_their_component(helm):
    """A CronJob gives its Jobs the labels of its template for them, and none of its own."""
    labels = render(PRODUCTION, helm=helm).one("CronJob", "reconcile")["spec"]["jobTemplate"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "reconciler"
