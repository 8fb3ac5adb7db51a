"""Reads settings from the environment, says in one sentence what is wrong with them, and lists them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

from fourtower_ingest.errors import InvalidSettings

_Settings = TypeVar("_Settings", bound=BaseSettings)
MASK = "********"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is in force."""

    variable: str
    value: str
    default: str
    description: str


def read_settings(kind: type[_Settings], **given: Any) -> _Settings:
    """Settings from the environment; what is given and not None takes precedence.

    Raises:
        InvalidSettings: a value can't be used; the message names its variable.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidSettings(_complaint(kind, error.errors(include_url=False)[0])) from error
    except SettingsError as error:
        raise InvalidSettings(f"The environment can't be read: {error}.") from error


def variable_of(kind: type[BaseSettings], name: str) -> str:
    """The variable of the environment that changes a setting."""
    return f"{kind.model_config.get('env_prefix', '')}{name}".upper()


def list_settings(all_of: Sequence[BaseSettings]) -> list[Setting]:
    """Every setting with its variable, its value and what it means; secrets are masked."""
    return [
        Setting(variable_of(type(own), name), _shown(getattr(own, name)), _default(field), _described(field))
        for own in all_of
        for name, field in type(own).model_fields.items()
    ]


def _complaint(kind: type[BaseSettings], first: ErrorDetails) -> str:
    said = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"The settings {variable_of(kind, '')}... don't fit together: {said}."
    name = str(first["loc"][0])
    field = kind.model_fields.get(name)
    secret = field is None or field.annotation is SecretStr
    value = "" if secret else f" is {str(first['input'])[:60]!r}"
    return f"{variable_of(kind, name)}{value}: {said}."


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    return "" if value is None else str(value)


def _default(field: FieldInfo) -> str:
    return _shown(field.get_default(call_default_factory=False))


def _described(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())
