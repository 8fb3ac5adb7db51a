"""The commands `fourtower topics ...`: create the topics or verify them, and show them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_ingest.options import AsJson, Kafka, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
    from fourtower_ingest.settings import KafkaSettings, TopicSettings
    from fourtower_ingest.topics import Difference, TopicPlan

app = typer.Typer(no_args_is_help=True)

Updates = Annotated[str | None, option("The topic of events.", "TOPIC_UPDATES")]
Partitions = Annotated[int | None, option("Of topics that are created.", "TOPIC_PARTITIONS", min=1)]
Replication = Annotated[int | None, option("Copies of each partition; 3 in production.", "TOPIC_REPLICATION", min=1)]
Compacted = Annotated[
    bool | None,
    typer.Option(
        "--compacted/--no-compacted",
        help="Keep the last event of every product for ever, and take no patches.",
        envvar="FOURTOWER_TOPIC_COMPACTED",
        show_default=False,
    ),
]


@app.callback()
def topics() -> None:
    """Create the topics or verify them, and show them.

    There is one for events, one for dead letters, and one for dead letters
    that are sent again. What is not an option here comes from
    FOURTOWER_KAFKA_... and FOURTOWER_TOPIC_..., as for `ingest`.

    \b
    Example:
      fourtower topics create --partitions 12
    """


@app.command()
def create(
    *,
    bootstrap: Kafka = None,
    updates: Updates = None,
    partitions: Partitions = None,
    replication: Replication = None,
    compacted: Compacted = None,
    mend: Annotated[bool, typer.Option("--mend", help="Change what differs and can be changed safely.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing, and verify the others.

    Says of every difference what it means. Without `--mend` no topic that
    exists is changed, and nothing is ever deleted. Exit code 1 if
    differences are left.

    \b
    Example:
      fourtower topics create --partitions 12 --replication 3
    """
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.topics import compare_all, plan_topics

    kafka, settings = _settings(bootstrap, updates, partitions, replication, compacted)
    plans = plan_topics(settings)
    with LogAdmin(kafka) as admin:
        done = _arrange(admin, plans, mend=mend)
        facts = admin.topics([plan.name for plan in plans])
    left = compare_all(plans, facts)
    if as_json:
        typer.echo(json.dumps({"done": done, "differences": [asdict(each) for each in left]}, indent=2))
    else:
        _report(plans, done, left, mended=mend)
    if left:
        raise typer.Exit(1)


@app.command()
def show(
    *,
    bootstrap: Kafka = None,
    updates: Updates = None,
    compacted: Compacted = None,
    as_json: AsJson = False,
) -> None:
    """Show the topics as they are: partitions, records, and the settings that matter.

    Records are counted by offsets; compaction leaves fewer than that.

    \b
    Example:
      fourtower topics show --json
    """
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.topics import compare_all, plan_topics

    kafka, settings = _settings(bootstrap, updates, None, None, compacted)
    plans = plan_topics(settings)
    with LogAdmin(kafka) as admin:
        facts = admin.topics([plan.name for plan in plans])
        sizes = _sizes(admin, [name for name, found in facts.items() if found])
    left = compare_all(plans, facts)
    lines = [_line(plan, facts[plan.name], sizes, left) for plan in plans]
    if as_json:
        typer.echo(json.dumps(lines, indent=2))
        return
    _print(_table(lines))
    for difference in left:
        typer.echo(difference.message)


def _settings(
    bootstrap: str | None,
    updates: str | None,
    partitions: int | None,
    replication: int | None,
    compacted: bool | None,
) -> tuple[KafkaSettings, TopicSettings]:
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import KafkaSettings, TopicSettings

    kafka = read_settings(KafkaSettings, bootstrap=bootstrap)
    changed = {"updates": updates, "partitions": partitions, "replication": replication, "compacted": compacted}
    return kafka, read_settings(TopicSettings, **changed)


def _arrange(admin: LogAdmin, plans: Sequence[TopicPlan], *, mend: bool) -> list[str]:
    """Create what is missing, and change what may be changed; what was done, as sentences."""
    from fourtower_ingest.topics import compare, with_room_for_letters

    facts = admin.topics([plan.name for plan in plans])
    done = []
    for plan in with_room_for_letters(plans, facts):
        for difference in compare(plan, facts[plan.name]):
            if difference.remedy == "create":
                admin.create(plan.name, partitions=plan.partitions, replication=plan.replication, configs=plan.configs)
                done.append(f"Created {plan.name} with {plan.partitions} partitions.")
            elif difference.remedy == "configure" and mend:
                admin.configure(plan.name, {difference.what: difference.wanted})
                done.append(f"Set {difference.what} of {plan.name} to {difference.wanted}.")
    return done


def _report(plans: Sequence[TopicPlan], done: Sequence[str], left: Sequence[Difference], *, mended: bool) -> None:
    for sentence in done:
        typer.echo(sentence)
    for difference in left:
        typer.echo(difference.message)
    different = {difference.topic for difference in left}
    right = [plan.name for plan in plans if plan.name not in different]
    if right:
        typer.echo(f"As they should be: {', '.join(right)}.")
    if not mended and any(difference.remedy == "configure" for difference in left):
        typer.echo("What is a setting of a topic can be changed: fourtower topics create --mend")


def _sizes(admin: LogAdmin, names: Sequence[str]) -> dict[str, int]:
    if not names:
        return {}
    begins, ends = admin.begins(names), admin.ends(names)
    return {name: sum(ends[part] - begins[part] for part in ends if part.topic == name) for name in names}


def _line(
    plan: TopicPlan, facts: TopicFacts | None, sizes: dict[str, int], left: Sequence[Difference]
) -> dict[str, Any]:
    return {
        "topic": plan.name,
        "purpose": plan.purpose,
        "exists": facts is not None,
        "topic_id": facts.topic_id if facts else None,
        "partitions": facts.partitions if facts else None,
        "replication": facts.replication if facts else None,
        "records": sizes.get(plan.name),
        "settings": {name: facts.configs.get(name) for name in plan.configs} if facts else {},
        "differences": [asdict(each) for each in left if each.topic == plan.name],
    }


def _table(lines: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("topic", "partitions", "replicas", "records", "settings"):
        table.add_column(name, justify="right" if name in ("partitions", "replicas", "records") else "left")
    for line in lines:
        shown = [f"{name} {value}" for name, value in line["settings"].items()]
        counts = [str(line[name]) if line["exists"] else "" for name in ("partitions", "replication", "records")]
        table.add_row(line["topic"], *counts, "\n".join(shown) if line["exists"] else "missing")
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
