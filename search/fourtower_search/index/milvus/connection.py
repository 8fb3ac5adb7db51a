"""The one door to Milvus: a channel, the calls through it with their deadlines, and their failures as our errors."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fourtower_search.errors import IndexMismatch, IndexUnavailable, Unsupported
from fourtower_search.index.capabilities import Features, features_of
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.address import Address
from fourtower_search.index.milvus.failures import failure_of
from fourtower_search.index.milvus.lite_files import FILES, locked

if TYPE_CHECKING:
    from pymilvus import MilvusClient

FieldType = Literal[
    "VARCHAR",
    "INT64",
    "INT8",
    "DOUBLE",
    "BOOL",
    "ARRAY",
    "FLOAT_VECTOR",
    "FLOAT16_VECTOR",
    "BFLOAT16_VECTOR",
    "SPARSE_FLOAT_VECTOR",
]
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
CHANNEL = {
    # A channel that lost its server tries again by itself; by default it comes to wait two minutes between attempts.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column as Milvus has it."""

    type: FieldType
    length: int = 0
    """Longest string, also of an array's strings; 0 where it does not apply or is not known."""
    items: int = 0
    dim: int = 0
    primary: bool = False
    analysed: bool = False
    """Full-text search reads this column."""


class Connection:
    """A channel of its own to one Milvus; threads may share it, processes may not.

    Every call goes through `call`, which is where deadlines, retries and errors are decided.
    """

    def __init__(self, address: Address, *, token: str = "", ca_file: Path | None = None, timeout_s: float) -> None:
        """Connect and ask for the version.

        Raises:
            IndexUnavailable: nobody answered in time, or the file is open elsewhere.
            IndexMismatch: the token or the certificate is wrong.
        """
        self.address = address
        self._token, self._ca_file = token or address.token, ca_file
        self._pid, self._closed = os.getpid(), False
        if ca_file and not ca_file.is_file():
            raise IndexMismatch(f"{ca_file}: there is no such file of certificates; give the right path.")
        deadline = Deadline(timeout_s)
        may_ping = address.file is None
        self._client = self._connected(deadline, idle_pings=may_ping)
        self.features: Features = features_of(str(self.call("get_server_version", "say its version", deadline)))
        if self.features.one_writer and may_ping:
            # Milvus Lite, in this process or behind an address, takes pings on an idle channel for an attack.
            self._client.close()
            self._client = self._connected(deadline, idle_pings=False)

    def another(self, *, timeout_s: float) -> Connection:
        """A second channel to the same place."""
        return Connection(self.address, token=self._token, ca_file=self._ca_file, timeout_s=timeout_s)

    def call(
        self, method: str, doing: str, deadline: Deadline, *, missing: Collection[int] = (), **arguments: Any
    ) -> Any:
        """Call a method of MilvusClient, again and again while there is time and hope; None for a `missing` code.

        Any call here may be repeated: reads change nothing, rows are written and deleted by a key that says their
        content, and creating, loading or pointing an alias twice ends as once.
        """
        pause = FIRST_PAUSE_S
        while True:
            self._check_usable(doing)
            left = deadline.left()
            try:
                return getattr(self._client, method)(**arguments, timeout=left, retry_on_rate_limit=False)
            except _foreign_errors() as error:
                failure = failure_of(error)
                if failure.code in missing:
                    return None
                if not failure.momentary or not _wait(pause, deadline):
                    raise failure.error(self.address.shown, doing) from error
            if failure.not_loaded and method != "load_collection" and "collection_name" in arguments:
                # A restarted Milvus Lite server has nothing loaded.
                self.load(arguments["collection_name"], deadline)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def load(self, collection: str, deadline: Deadline) -> None:
        """Make a collection searchable."""
        self.call("load_collection", f"load the collection {collection}", deadline, collection_name=collection)

    def create_collection(self, name: str, fields: Mapping[str, Field], deadline: Deadline, *, shards: int) -> None:
        """Create a collection, without indexes, not loaded. BM25 reads its analysed column, if it has one."""
        from pymilvus import DataType, Function, FunctionType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        for column, field in fields.items():
            schema.add_field(column, DataType[field.type], is_primary=field.primary, **_field_params(field))
        texts = [column for column, field in fields.items() if field.analysed]
        sparse = [column for column, field in fields.items() if field.type == "SPARSE_FLOAT_VECTOR"]
        if texts:
            schema.add_function(Function("bm25", FunctionType.BM25, input_field_names=texts, output_field_names=sparse))
        self.call(
            "create_collection",
            f"create the collection {name}",
            deadline,
            collection_name=name,
            schema=schema,
            num_shards=shards,
            consistency_level="Bounded",
        )

    def create_index(self, collection: str, column: str, params: Mapping[str, Any], deadline: Deadline) -> None:
        """Index one column; an empty collection has its index at once."""
        if self.features.one_writer and params.get("params"):
            # Milvus Lite reads them from one text, and ignores them as pymilvus sends them to servers.
            params = {**params, "params": {"params": params["params"]}}
        wanted = self._client.prepare_index_params()
        wanted.add_index(column, index_name=column, **params)
        # Without `sync=False` pymilvus waits for the index, and forgets a timeout that is not a whole number.
        self.call(
            "create_index",
            f"index the column {column} of {collection}",
            deadline,
            collection_name=collection,
            index_params=wanted,
            sync=False,
        )

    def close(self) -> None:
        """Close the channel, and a file that nothing else in this process has open."""
        if self._closed:
            return
        self._closed = True
        if self._pid == os.getpid():
            self._client.close()
            if self.address.file:
                FILES.release(self.address.uri)

    def _connected(self, deadline: Deadline, *, idle_pings: bool) -> MilvusClient:
        pause = FIRST_PAUSE_S
        while True:
            left = deadline.left()
            try:
                return _open(self.address, self._token, self._ca_file, left, idle_pings)
            except _foreign_errors() as error:
                failure = failure_of(error)
                if not failure.momentary or not _wait(pause, deadline):
                    raise failure.error(self.address.shown, "be reached") from error
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _check_usable(self, doing: str) -> None:
        if self._closed:
            raise IndexUnavailable(f"{self.address.shown} was asked to {doing} after it was closed; open it again.")
        if self._pid != os.getpid():
            # gRPC's threads and sockets do not survive a fork; a call would hang or disturb the parent's channel.
            raise IndexMismatch(
                f"{self.address.shown} was opened before this process was forked; open the index in the child itself, "
                f"or start children by spawn."
            )


def _open(address: Address, token: str, ca_file: Path | None, timeout_s: float, idle_pings: bool) -> MilvusClient:
    """A client with a channel of its own."""
    if address.file is None:
        return _client(address, token, ca_file, timeout_s, idle_pings)
    if find_spec("milvus_lite") is None:
        raise Unsupported(
            f"{address.shown}: an index in a file needs Milvus Lite; install it with pip install 'fourtower[lite]'."
        )
    FILES.use(address.uri)
    try:
        return _client(address, token, ca_file, timeout_s, idle_pings)
    except _foreign_errors() as error:
        FILES.release(address.uri)
        if locked(address.file):
            raise IndexUnavailable(
                f"{address.shown} is open in another process; close it there, or share it through "
                f"`milvus-lite server` or a Milvus server."
            ) from error
        raise


def _client(address: Address, token: str, ca_file: Path | None, timeout_s: float, idle_pings: bool) -> MilvusClient:
    import grpc
    from pymilvus import MilvusClient

    _quieten()
    secure = {"server_pem_path": str(ca_file)} if ca_file else {}
    client = MilvusClient(
        uri=address.uri,
        token=token,
        db_name=address.database,
        timeout=timeout_s,
        dedicated=True,
        # They keep firewalls from forgetting a channel on which nothing is asked.
        grpc_options=CHANNEL | {"grpc.keepalive_permit_without_calls": int(idle_pings)},
        **secure,
    )

    def leave_it_to_us(error: Exception) -> bool:
        if isinstance(error, grpc.RpcError):
            raise error
        return False

    # pymilvus answers a lost connection by building a new channel under a lock that all clients share, and by trying
    # again for up to twice the timeout. gRPC reconnects by itself, and `Connection.call` knows what time is left.
    client._handler._on_rpc_error = leave_it_to_us  # noqa: SLF001
    return client


def _foreign_errors() -> tuple[type[Exception], ...]:
    """What pymilvus lets through: its own errors and gRPC's."""
    import grpc
    from pymilvus.exceptions import MilvusException

    return (MilvusException, grpc.RpcError, grpc.FutureTimeoutError, grpc.FutureCancelledError)


def _quieten() -> None:
    """Keep pymilvus from printing a traceback for each failed attempt; errors reach the caller anyway."""
    logger = logging.getLogger("pymilvus.decorators")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def _wait(pause: float, deadline: Deadline) -> bool:
    """Sleep about so long, so that many clients don't come back at once; False if too little time is left."""
    try:
        left = deadline.left()
    except IndexUnavailable:
        return False
    time.sleep(min(pause * random.uniform(0.5, 1.0), left))
    return pause < left


def _field_params(field: Field) -> dict[str, Any]:
    from pymilvus import DataType

    params: dict[str, Any] = {}
    if field.length:
        params["max_length"] = field.length
    if field.type == "ARRAY":
        params |= {"element_type": DataType.VARCHAR, "max_capacity": field.items}
    if field.dim:
        params["dim"] = field.dim
    if field.analysed:
        params["enable_analyzer"] = True
    return params
