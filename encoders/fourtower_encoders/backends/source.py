"""Reads configurations, weights and tokenizers of transformers, from a local folder or the hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fourtower_encoders.errors import InvalidConfig, MissingExtra

T = TypeVar("T")

_NOT_ARCHITECTURE = (
    "transformers_version",
    "_name_or_path",
    "architectures",
    "id2label",
    "label2id",
    "dtype",
)


class SourceTokenizer(NamedTuple):
    """A tokenizer that belongs to a source."""

    text: str
    """The content of its `tokenizer.json`."""
    pad_id: int
    vocabulary: int
    """How many tokens it knows."""


def transformers() -> Any:
    """The transformers library, or a sentence that says how to get it."""
    try:
        import transformers as library
    except ImportError as error:
        raise MissingExtra(
            "transformers is not installed, and this network needs it; run pip install 'fourtower[train]'."
        ) from error
    return library


def read_config(source: str) -> Any:
    """Read a source's configuration object."""
    return _read(source, lambda: transformers().AutoConfig.from_pretrained(source))


def read_weights(network: type[T], source: str, config: Any) -> T:
    """Make a network with the source's weights, as float32; pickles are refused."""
    options = {"config": config, "use_safetensors": True, "dtype": "float32"}
    loader: Any = network
    loaded: T = _read(source, lambda: loader.from_pretrained(source, **options))
    return loaded


def read_image_settings(source: str) -> dict[str, Any]:
    """Read how a source prepares its pictures."""
    settings: dict[str, Any] = _read(
        source, lambda: transformers().AutoImageProcessor.from_pretrained(source).to_dict()
    )
    return settings


def read_tokenizer(source: str) -> SourceTokenizer:
    """Read a source's tokenizer."""
    try:
        tokenizer = _read(source, lambda: transformers().AutoTokenizer.from_pretrained(source))
    except InvalidConfig:  # for example a SentencePiece tokenizer without that library
        tokenizer = None
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return _tokenizer_file(source)
    if tokenizer.pad_token_id is None:
        raise InvalidConfig(f"The tokenizer of {source} has no padding token; give it one and save it again.")
    return SourceTokenizer(backend.to_str(), int(tokenizer.pad_token_id), backend.get_vocab_size())


def plain(config: Any, **changes: Any) -> dict[str, Any]:
    """A configuration object as plain JSON values, without what doesn't shape the network."""
    values: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {key: value for key, value in values.items() if key not in _NOT_ARCHITECTURE} | changes


def _tokenizer_file(source: str) -> SourceTokenizer:
    """Read `tokenizer.json` as it stands; the padding token is named beside it."""
    library = transformers()
    names = ("tokenizer.json", "tokenizer_config.json")
    paths = _read(source, lambda: [library.utils.cached_file(source, name) for name in names])
    texts = [Path(path).read_text("utf-8") for path in paths]
    token = json.loads(texts[1]).get("pad_token")
    name = token["content"] if isinstance(token, dict) else token
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_str(texts[0])
    pad_id = loaded.token_to_id(name) if name else None
    if pad_id is None:
        raise InvalidConfig(f"The tokenizer of {source} has no padding token; name one in tokenizer_config.json.")
    return SourceTokenizer(texts[0], int(pad_id), loaded.get_vocab_size())


def _read(source: str, load: Callable[[], Any]) -> Any:
    _check_folder(source)
    try:
        with _quiet():
            return load()
    except MissingExtra:
        raise
    except Exception as error:  # the hub's client, safetensors and torch raise a dozen unrelated classes
        local = Path(source).is_dir()
        why = "is incomplete or damaged" if local else "is no folder, and the hub can't be reached or lacks it"
        details = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InvalidConfig(f"'{source}' {why}; pass a local folder that transformers can read ({details}).") from error


def _check_folder(source: str) -> None:
    if not source:
        raise InvalidConfig("This network names no `source`; pass a local folder or a hub name.")
    looks_local = source.startswith((".", "/", "~", "\\")) or source.count("/") > 1
    if looks_local and not Path(source).is_dir():
        raise InvalidConfig(f"The folder {source} doesn't exist; pass a local folder or a hub name as `source`.")


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no report about the half of a checkpoint that is left out on purpose."""
    logging = transformers().utils.logging
    before = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
