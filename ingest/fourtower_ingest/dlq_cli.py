"""The commands `fourtower dlq ...`: look at dead letters, send them again, delete them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_ingest.options import AsJson, Kafka
from fourtower_ingest.terminal import counting_bar

if TYPE_CHECKING:
    from rich.table import Table

    from fourtower_ingest.dead_letters import DeadLetter
    from fourtower_ingest.log import Record
    from fourtower_ingest.replaying import Box, Planned, Selection
    from fourtower_ingest.settings import KafkaSettings, TopicSettings

app = typer.Typer(no_args_is_help=True)

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_moment(text: str) -> int:
    """A point in time in ms: `2h` ago (s, m, h, d), or a date with or without a time, in UTC unless it says."""
    if ago := _AGO.fullmatch(text):
        return int((time.time() - int(ago[1]) * _UNITS[ago[2]]) * 1000)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time; write 2h, 30m, 7d, 2026-11-21 or 2026-11-21T14:30.") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


Topic = Annotated[str | None, typer.Option(help="The topic of dead letters.", envvar="FOURTOWER_TOPIC_DEAD_LETTERS")]
Code = Annotated[list[str] | None, typer.Option(help="Only letters with this code; repeat for several.")]
Product = Annotated[list[str] | None, typer.Option(help="Only letters of this product; repeat for several.")]
Since = Annotated[
    int | None, typer.Option(parser=parse_moment, metavar="TIME", help="Only letters not older: 2h, 7d, 2026-11-21.")
]
Until = Annotated[
    int | None, typer.Option(parser=parse_moment, metavar="TIME", help="Only older letters: 2h, 7d, 2026-11-21.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


@app.callback()
def dlq() -> None:
    """Look at dead letters, send them again, delete them.

    A dead letter is a record that could not be indexed, as it was, with
    the reason in its headers. Connection and topics come from
    FOURTOWER_KAFKA_... and FOURTOWER_TOPIC_..., as for `ingest`.

    \b
    Example:
      fourtower dlq list --since 2h
    """


@app.command("list")
def list_letters(
    *,
    code: Code = None,
    product: Product = None,
    since: Since = None,
    until: Until = None,
    most: Annotated[int, typer.Option(min=1, help="Letters in the table, the newest ones.")] = 50,
    bootstrap: Kafka = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first, and count them by code.

    A letter that was replayed stays until it is purged, or expires.

    \b
    Example:
      fourtower dlq list --code invalid --since 2h
    """
    from fourtower_ingest.letter_view import counted_codes, letter_table, summary

    kafka, topics = _settings(bootstrap, topic)
    box = _box(kafka, topics)
    letters = _chosen(box, _selection(code, product, since, until))
    if as_json:
        _echo_json([summary(letter, replayed=letter.place in box.replayed) for letter in letters])
        return
    if not letters:
        typer.echo(f"No dead letters in {topics.dead_letters}{' that match' if box.letters else ''}.")
        return
    _print_table(letter_table(letters[-most:], box.replayed))
    shown = f", the newest {most} shown" if len(letters) > most else ""
    typer.echo(f"{len(letters)} dead letters in {topics.dead_letters}{shown}: {counted_codes(letters)}")


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="Partition and offset, as `list` shows them: 0@17.")],
    *,
    event: Annotated[bool, typer.Option("--event", help="Print the event alone, byte for byte.")] = False,
    bootstrap: Kafka = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter in full.

    With `--event` its bytes alone are printed, to mend and publish again.

    \b
    Example:
      fourtower dlq show 0@17
    """
    from fourtower_ingest.letter_view import in_full, letter_lines

    kafka, topics = _settings(bootstrap, topic)
    found, replayed = _one(kafka, topics, *_place(letter))
    if event:
        sys.stdout.buffer.write(found.record.value or b"")
    elif as_json:
        _echo_json(in_full(found, replayed=replayed))
    else:
        typer.echo("\n".join(letter_lines(found, replayed=replayed)))


@app.command()
def replay(
    *,
    code: Code = None,
    product: Product = None,
    since: Since = None,
    until: Until = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    bootstrap: Kafka = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, as they were.

    Left out are letters that were replayed before, those that would be
    refused again (mend the event and publish it instead), and those whose
    product has a newer event in the log. The log is read once for that.

    \b
    Example:
      fourtower dlq replay --code no_base --dry-run
    """
    from fourtower_ingest.replaying import send, target

    kafka, topics = _settings(bootstrap, topic)
    planned = _planned(kafka, topics, _selection(code, product, since, until), again=again)
    going = [each.letter for each in planned if each.verdict == "send"]
    outcomes: Counter[str] = Counter()
    if going and not dry_run:
        from fourtower_ingest.broker.producer import LogProducer

        with LogProducer(kafka) as producer, counting_bar("Sending", len(going)) as progress:
            outcomes = send(going, producer, topics, progress=progress)
    _show_replay(planned, outcomes, target(topics), dry_run=dry_run, as_json=as_json)
    if outcomes["too_large"]:
        raise typer.Exit(1)


@app.command()
def purge(
    *,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
    yes: Yes = False,
    bootstrap: Kafka = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters, up to a time or all of them.

    A topic can only be cut at its old end, so there is no other choice.
    What is deleted can't be replayed any more.

    \b
    Example:
      fourtower dlq purge --until 7d
    """
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.replaying import cut

    if everything == (until is not None):
        raise typer.BadParameter("Name either --until TIME or --all.")
    kafka, topics = _settings(bootstrap, topic)
    count, offsets = cut(_records(kafka, topics.dead_letters, "Reading dead letters"), until)
    if count and not yes:
        typer.confirm(f"Delete {count} dead letters of {topics.dead_letters} for good?", abort=True)
    if offsets:
        with LogAdmin(kafka) as admin:
            admin.delete_before(offsets)
    if as_json:
        _echo_json({"deleted": count})
    else:
        typer.echo(f"{count} dead letters deleted from {topics.dead_letters}.")


def _settings(bootstrap: str | None, dead_letters: str | None) -> tuple[KafkaSettings, TopicSettings]:
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import KafkaSettings, TopicSettings

    return read_settings(KafkaSettings, bootstrap=bootstrap), read_settings(TopicSettings, dead_letters=dead_letters)


def _selection(code: list[str] | None, product: list[str] | None, since: int | None, until: int | None) -> Selection:
    from fourtower_ingest.replaying import Selection

    return Selection(frozenset(code or ()), frozenset(product or ()), since, until)


def _chosen(box: Box, selection: Selection) -> list[DeadLetter]:
    letters = [letter for letter in box.letters if selection.takes(letter)]
    return sorted(letters, key=lambda letter: (letter.died_ms, letter.place))


def _box(kafka: KafkaSettings, topics: TopicSettings) -> Box:
    from fourtower_ingest.replaying import read_box

    return read_box(_records(kafka, topics.dead_letters, "Reading dead letters"))


def _planned(kafka: KafkaSettings, topics: TopicSettings, selection: Selection, *, again: bool) -> list[Planned]:
    from fourtower_ingest.replaying import newest_orders, plan

    box = _box(kafka, topics)
    letters = [letter for letter in box.letters if selection.takes(letter)]
    keys = {letter.record.key for letter in letters if letter.record.key is not None}
    names = dict.fromkeys((topics.updates, topics.replays) if topics.compacted else (topics.updates,))
    log = chain.from_iterable(_records(kafka, name, f"Reading {name}") for name in names) if keys else ()
    newest = newest_orders(log, keys, set_aside=box.origins, topics=topics)
    return plan(letters, newest, replayed=box.replayed, topics=topics, again=again)


def _one(kafka: KafkaSettings, topics: TopicSettings, partition: int, offset: int) -> tuple[DeadLetter, bool]:
    box = _box(kafka, topics)
    for letter in box.letters:
        if (letter.place.partition.number, letter.place.offset) == (partition, offset):
            return letter, letter.place in box.replayed
    raise typer.BadParameter(f"There is no letter {partition}@{offset} in {topics.dead_letters}; see `dlq list`.")


def _place(text: str) -> tuple[int, int]:
    number, _, offset = text.partition("@")
    if not (number.isascii() and number.isdigit() and offset.isascii() and offset.isdigit()):
        raise typer.BadParameter(f"{text!r} is no place of a letter; write partition@offset, such as 0@17.")
    return int(number), int(offset)


def _records(kafka: KafkaSettings, topic: str, title: str) -> Iterator[Record]:
    """All records that a topic holds now, with a progress bar."""
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.broker.ranges import read_range

    with LogAdmin(kafka) as admin:
        begins, ends = admin.begins([topic]), admin.ends([topic])
    total = sum(ends.values()) - sum(begins.values())
    with counting_bar(title, total) as progress:
        for record in read_range(kafka, topic):
            progress(1)
            yield record


def _show_replay(planned: list[Planned], outcomes: Counter[str], topic: str, *, dry_run: bool, as_json: bool) -> None:
    from fourtower_ingest.letter_view import plan_table, planned_summary

    counts = Counter(each.verdict for each in planned)
    if as_json:
        letters = [planned_summary(each) for each in planned]
        _echo_json(
            {
                "topic": topic,
                "dry_run": dry_run,
                "sent": outcomes["sent"],
                "letters": letters,
                **_figures(counts, outcomes),
            }
        )
        return
    if dry_run and planned:
        _print_table(plan_table(planned))
    typer.echo(_account(counts, outcomes, topic, dry_run=dry_run))
    first = next((each for each in planned if each.verdict == "invalid"), None)
    if first is not None and not dry_run:
        typer.echo(f"Not sent, for example: {first.reason}")


def _figures(counts: Counter[Any], outcomes: Counter[str]) -> dict[str, int]:
    left_out = {name: counts[name] for name in ("replayed", "superseded", "invalid")}
    return {**left_out, "too_large": outcomes["too_large"]}


def _account(counts: Counter[Any], outcomes: Counter[str], topic: str, *, dry_run: bool) -> str:
    first = f"{counts['send']} would be sent" if dry_run else f"{outcomes['sent']} sent"
    wording = {
        "replayed": "replayed before",
        "superseded": "superseded by a newer event",
        "invalid": "would be refused again",
        "too_large": "too large for the topic",
    }
    rest = [f"{count} {wording[name]}" for name, count in _figures(counts, outcomes).items() if count]
    return "; ".join([f"{first} to {topic}", *rest]) + "."


def _echo_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _print_table(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
