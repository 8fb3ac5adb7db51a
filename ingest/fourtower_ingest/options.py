"""Options that several commands of streaming share: one name, one variable and one help text for each."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def option(help: str, variable: str, *names: str, **more: Any) -> Any:
    """An option that a variable of the environment sets, too; what it is by default, the settings say."""
    return typer.Option(*names, help=help, envvar=f"FOURTOWER_{variable}", show_default=False, **more)


Kafka = Annotated[str | None, option("Addresses of Kafka, separated by commas.", "KAFKA_BOOTSTRAP", "--kafka")]
Redis = Annotated[str | None, option("Address of Redis: redis://host:port/db.", "REDIS_URL", "--redis")]
Group = Annotated[str | None, option("Of consumers; all ingesters of one index share it.", "INGESTER_GROUP")]
ShowSettings = Annotated[bool, typer.Option("--settings", help="List all settings, and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
