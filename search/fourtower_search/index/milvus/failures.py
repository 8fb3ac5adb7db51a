"""Says what a failure of pymilvus or gRPC means to us: which of our errors it is, and whether to try again at once.

Judged by class name, code and text alone, so that nothing here imports either library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fourtower_search.errors import (
    CollectionGone,
    IndexMismatch,
    IndexUnavailable,
    InvalidQuery,
    SearchError,
    Unsupported,
)

Meaning = Literal["unavailable", "mismatch", "unsupported", "invalid"]
NOT_LOADED = frozenset({101, 103})
CONNECT_FAILED = 2
NO_SUCH_COLLECTION = 100
NO_SUCH_ALIAS = frozenset({NO_SUCH_COLLECTION, 1600})
"""Milvus Lite and servers differ in what they say of an unknown alias."""

STATUSES: dict[str, Meaning] = {
    "CANCELLED": "unavailable",
    "UNKNOWN": "unavailable",
    "INVALID_ARGUMENT": "invalid",
    "DEADLINE_EXCEEDED": "unavailable",
    "NOT_FOUND": "mismatch",
    "ALREADY_EXISTS": "mismatch",
    "PERMISSION_DENIED": "mismatch",
    "RESOURCE_EXHAUSTED": "unavailable",
    "FAILED_PRECONDITION": "invalid",
    "ABORTED": "unavailable",
    "OUT_OF_RANGE": "invalid",
    "UNIMPLEMENTED": "unsupported",
    "INTERNAL": "unavailable",
    "UNAVAILABLE": "unavailable",
    "DATA_LOSS": "unavailable",
    "UNAUTHENTICATED": "mismatch",
}
"""gRPC's own status codes."""
GRPC_CLASSES: dict[str, Meaning] = {"FutureTimeoutError": "unavailable", "FutureCancelledError": "unavailable"}
"""gRPC's errors without a status."""
CLASSES: dict[str, Meaning] = {
    "ConnectError": "unavailable",
    "MilvusUnavailableException": "unavailable",
    "ConnectionNotExistException": "unavailable",
    "ConnectionConfigException": "mismatch",
    "CollectionNotExistException": "mismatch",
    "DescribeCollectionException": "mismatch",
    "PartitionAlreadyExistException": "mismatch",
    "IndexNotExistException": "mismatch",
    "AmbiguousIndexName": "mismatch",
    "SchemaNotReadyException": "mismatch",
    "SchemaMismatchRetryableException": "mismatch",
    "DataNotMatchException": "mismatch",
    "PrimaryKeyException": "mismatch",
    "PartitionKeyException": "mismatch",
    "ClusteringKeyException": "mismatch",
    "AutoIDException": "mismatch",
    "DataTypeNotSupportException": "unsupported",
    "FunctionsTypeException": "unsupported",
    "ServerVersionIncompatibleException": "unsupported",
    "ParamError": "invalid",
    "CannotInferSchemaException": "invalid",
    "DataTypeNotMatchException": "invalid",
    "FieldsTypeException": "invalid",
    "FieldTypeException": "invalid",
    "InvalidConsistencyLevel": "invalid",
}
"""pymilvus' own classes; a bare MilvusException is judged by its code."""
CODES: dict[int, Meaning] = {
    6: "invalid",
    10: "unsupported",
    NO_SUCH_COLLECTION: "mismatch",
    200: "mismatch",
    700: "mismatch",
    701: "unsupported",
    702: "mismatch",
    800: "mismatch",
    1100: "invalid",
    1101: "invalid",
    1102: "invalid",
    1200: "mismatch",
    1400: "mismatch",
    1401: "mismatch",
    1600: "mismatch",
    1601: "mismatch",
    1602: "mismatch",
    1700: "mismatch",
    1701: "invalid",
}
"""Milvus' status codes (merr); any other means that the server can't answer now."""
MOMENTARY_STATUSES = frozenset({"UNAVAILABLE", "ABORTED", "INTERNAL"})
MOMENTARY_CODES = frozenset({CONNECT_FAILED, 4, 8, 106, 401, 500, 501, 503, 601, 602, 901}) | NOT_LOADED
"""Overload, elections and loading: what a server says about itself that has often changed a moment later."""
MOMENTARY_PHRASES = ("File is too small", "Not an Arrow file", "failed: read error in")
"""Of Milvus Lite, which reads an index file that it is still writing in the background."""
PHRASES: dict[str, Meaning] = {
    "cannot parse expression": "invalid",
    "larger than max": "invalid",
    "maxOutputSize": "invalid",
    # Of a vector index that a server does not know, or not with these parameters.
    "invalid index type": "invalid",
    "out of range: [": "invalid",
    "parameter `": "invalid",
    "is only supported": "invalid",
    "permission deny": "mismatch",
    "auth check failure": "mismatch",
    "CERTIFICATE_VERIFY_FAILED": "mismatch",
}
"""What a server says under a code that tells nothing."""
REMEDIES: dict[Meaning, str] = {
    "unavailable": "try again later",
    "mismatch": "check the address, the token and which collection this index should have",
    "unsupported": "use a newer server",
    "invalid": "ask for less, or for something else",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in our terms."""

    meaning: Meaning
    reason: str
    momentary: bool = False
    """The same call may succeed in a moment."""
    code: Any = None

    @property
    def not_loaded(self) -> bool:
        """The collection has to be loaded first."""
        return self.code in NOT_LOADED

    def error(self, where: str, doing: str) -> SearchError:
        """As an error of ours."""
        text = f"{where} could not {doing}: {self.reason}; {REMEDIES[self.meaning]}."
        match self.meaning:
            case "mismatch":
                return CollectionGone(text) if self.code == NO_SUCH_COLLECTION else IndexMismatch(text)
            case "unsupported":
                return Unsupported(text)
            case "invalid":
                return InvalidQuery(text)
            case "unavailable":
                return IndexUnavailable(text, retry_after_s=3.0 if self.not_loaded else 1.0)


def failure_of(error: Exception) -> Failure:
    """Judge an error that pymilvus or gRPC raised."""
    if isinstance(cause := error.__cause__, Exception) and _code(error) == CONNECT_FAILED:
        # "Illegal connection params or server unavailable": gRPC knows which of them.
        return failure_of(cause)
    code, reason = _code(error), _reason(error)
    spoken = next((meaning for phrase, meaning in PHRASES.items() if phrase in reason), None)
    if status := getattr(code, "name", ""):  # a gRPC status, also where pymilvus puts one into its own error
        meaning = spoken or STATUSES.get(status, "unavailable")
        return Failure(meaning, f"{status}, {reason}", momentary=spoken is None and status in MOMENTARY_STATUSES)
    name = type(error).__name__
    meaning = CLASSES.get(name) or GRPC_CLASSES.get(name) or spoken or CODES.get(code, "unavailable")
    momentary = code in MOMENTARY_CODES or bool(getattr(error, "retriable", False))
    momentary = momentary or any(phrase in reason for phrase in MOMENTARY_PHRASES)
    return Failure(
        meaning,
        f"{reason} (code {code})",
        momentary=meaning == "unavailable" and momentary,
        code=code,
    )


def _code(error: Exception) -> Any:
    code = getattr(error, "code", 1)
    return code() if callable(code) else code


def _reason(error: Exception) -> str:
    """The first line of what was said; gRPC's debugging texts are long."""
    said = getattr(error, "message", None) or getattr(error, "details", None)
    text = str(said() if callable(said) else said or error or type(error).__name__)
    first = next(iter(text.strip().splitlines()), "") or type(error).__name__
    return first[:300].rstrip(". ")
