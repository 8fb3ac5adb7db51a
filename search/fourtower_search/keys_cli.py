"""The command `fourtower keys`: makes, lists and revokes the API keys of the service."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_search.errors import InvalidQuery

if TYPE_CHECKING:
    from fourtower_search.service.key_file import StoredKey

app = typer.Typer(no_args_is_help=True)
File = Annotated[
    Path, typer.Option("--file", help="The file of keys; the service's --keys.", envvar="FOURTOWER_SERVICE_KEYS")
]
KEYS = Path("keys.json")
_SPANS = {"h": "hours", "d": "days", "w": "weeks"}


class ScopeName(StrEnum):
    """What a key may be good for."""

    search = "search"
    embed = "embed"
    admin = "admin"


@app.callback()
def keys() -> None:
    """Make, list and revoke the API keys of the service.

    The file holds hashes: a key is shown once, when it is made. A running service sees changes within a second.

    \b
    Example:
      fourtower keys create shop --rate 20
    """


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, to know it again.")],
    *,
    scope: Annotated[list[ScopeName] | None, typer.Option(help="What it is good for; repeat for several.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, max=1e6, help="Requests per second, in the long run; none: no limit.")
    ] = None,
    burst: Annotated[
        float | None, typer.Option(min=1, max=1e6, help="Requests at once; none: those of one second.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="A date such as 2030-01-31, or from now on: 12h, 90d, 8w; none: never.")
    ] = None,
    file: File = KEYS,
) -> None:
    """Make a key and print it, this once.

    The key alone goes to stdout, so that it can be handed on; the file keeps its hash.

    \b
    Example:
      fourtower keys create shop --scope search --scope embed --expires 90d
    """
    from pydantic import ValidationError

    from fourtower_search.service.key_file import edit_keys
    from fourtower_search.service.keys import new_key

    scopes: Any = [each.value for each in scope or [ScopeName.search]]
    until = None if expires is None else read_expiry(expires, datetime.now(UTC))
    try:
        key, stored = new_key(name, scopes, rate_per_s=rate, burst=burst, expires=until)
    except ValidationError:
        raise InvalidQuery(f"{name!r:.60} is no name for a key: 1 to 200 characters that can be shown.") from None
    edit_keys(file, lambda before: [*before, stored])
    typer.echo(f"{file} now holds the key {stored.id} of {stored.name}. It is shown only here:", err=True)
    typer.echo(key)


@app.command("list")
def list_keys(
    *, file: File = KEYS, as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False
) -> None:
    """Show the keys of a file, without what they are recognised by.

    Ended and revoked ones are listed, too; `--json` is for programs.

    \b
    Example:
      fourtower keys list --file keys.json
    """
    from fourtower_search.service.key_file import read_keys

    found = read_keys(file)
    if as_json:
        import json

        typer.echo(json.dumps([_form(each) for each in found], indent=2))
        return
    _show(found, file)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id: the middle of ft_ID_...")],
    *,
    file: File = KEYS,
) -> None:
    """End a key now; it stays in the list.

    A running service refuses it within a second; it can't be made valid again.

    \b
    Example:
      fourtower keys revoke k3v9x0a2
    """
    from fourtower_search.service.key_file import edit_keys, read_keys, utc_now

    def revoked(before: Any) -> list[StoredKey]:
        return [
            each.model_copy(update={"revoked": each.revoked or utc_now()}) if each.id == key_id else each
            for each in before
        ]

    if key_id not in {each.id for each in read_keys(file)}:
        raise InvalidQuery(f"{file} holds no key of the id {key_id!r:.60}; 'fourtower keys list' shows the ids.")
    edit_keys(file, revoked)
    typer.echo(f"The key {key_id} is revoked; a running service refuses it within a second.", err=True)


def read_expiry(text: str, now: datetime) -> datetime:
    """The end of a key's life, given as a date in UTC or as a time from now on.

    Raises:
        InvalidQuery: it is neither, or in the past.
    """
    span = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text.strip())
    try:
        end = now + timedelta(**{_SPANS[span[2]]: int(span[1])}) if span else datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise InvalidQuery(
            f"--expires {text!r:.60} is neither a date (2030-01-31) nor a time (12h, 90d, 8w)."
        ) from None
    end = end.replace(microsecond=0) if end.tzinfo else end.replace(microsecond=0, tzinfo=UTC)
    if end <= now:
        raise InvalidQuery(f"--expires {text!r:.60} is in the past; the key would open nothing.")
    return end


def _form(key: StoredKey) -> dict[str, Any]:
    from fourtower_search.service.key_file import utc_now

    return {
        **key.model_dump(mode="json", exclude={"sha256"}),
        "scopes": sorted(key.scopes),
        "state": key.state(utc_now()),
    }


def _show(found: tuple[StoredKey, ...], file: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not found:
        typer.echo(f"{file} holds no keys; 'fourtower keys create NAME' makes one.", err=True)
        return
    table = Table("id", "name", "scopes", "per second", "created", "expires", "state", box=None, pad_edge=False)
    for form in map(_form, found):
        rate = "any" if form["rate_per_s"] is None else f"{form['rate_per_s']:g}"
        dates = (form["created"][:10], (form["expires"] or "never")[:10])
        cells = (form["id"], form["name"], ", ".join(form["scopes"]), rate, *dates, form["state"])
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
