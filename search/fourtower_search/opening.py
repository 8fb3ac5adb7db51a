"""Opens what a client searches: the live generation of an index, and the model that built it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fourtower_encoders.errors import CheckpointError
from fourtower_search.errors import IndexMismatch
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.ranking.scores import LexicalParams
from fourtower_search.searching.searcher import Searcher

if TYPE_CHECKING:
    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.fetching import ImageFetcher
    from fourtower_search.encoding.encoder import QueryEncoder
    from fourtower_search.index.generations import GenerationRecord, Generations
    from fourtower_search.ranking.rerank import Reranker

MEMORY = "memory"
"""What an index without a record is called."""


@dataclass(frozen=True)
class Opening:
    """How to open an index and its model, now and whenever another generation becomes current."""

    index: str | Path | ProductIndex
    model: str | Path | Embedder | None
    alias: str
    token: str | None
    ca_file: Path | None
    image_root: Path | None
    fetcher: ImageFetcher | None
    rerankers: Mapping[str, Reranker]
    reranker_options: Mapping[str, Mapping[str, str]]
    cursor_key: bytes
    cache_bytes: int
    timeout_s: float

    def current(self) -> str:
        """The collection that is live.

        Raises:
            IndexMismatch: there is no such index.
        """
        if isinstance(self.index, ProductIndex):
            return self.index.record.collection if self.index.record else MEMORY
        return self._record().collection

    def load(self, collection: str) -> Searcher:
        """Open the live generation; it is the named one unless the alias has just moved on."""
        if isinstance(self.index, ProductIndex):
            record, encoder = self.index.record, self._encoder(self.index.record, self.index.model_id)
            return self._searcher(self.index, encoder, record, name=collection, owned=False)
        from fourtower_search.index.opening import open_generation

        record = self._record(collection)
        encoder = self._encoder(record, record.model_id)
        try:
            index = open_generation(self._generations, record, params=encoder.params, timeout_s=self.timeout_s)
        except BaseException:
            encoder.close()
            raise
        return self._searcher(index, encoder, record, name=collection)

    def close(self) -> None:
        """Let go of the connection that watches the alias."""
        if "_generations" in self.__dict__:
            self._generations.close()

    @cached_property
    def _generations(self) -> Generations:
        from fourtower_search.index.opening import open_generations

        assert not isinstance(self.index, ProductIndex)
        return open_generations(
            str(self.index), alias=self.alias, token=self.token or "", ca_file=self.ca_file, timeout_s=self.timeout_s
        )

    def _record(self, collection: str | None = None) -> GenerationRecord:
        live = self._generations.current(timeout_s=self.timeout_s)
        if live is not None and collection not in (None, live.collection):
            records = self._generations.records(timeout_s=self.timeout_s)
            live = next((record for record in records if record.collection == collection), None)
        if live is None:
            raise IndexMismatch(
                f"There is no index {self.alias!r} at {self.index}. Make one: "
                f"fourtower index load EVENTS.jsonl --index {self.index}"
            )
        return live

    def _encoder(self, record: GenerationRecord | None, model_id: str) -> QueryEncoder:
        from fourtower_encoders.embedder import Embedder
        from fourtower_search.encoding.encoder import QueryEncoder

        owned = not isinstance(self.model, Embedder)
        embedder = self._embedder(record) if owned else self.model
        assert isinstance(embedder, Embedder)
        if embedder.model_id != model_id:
            if owned:
                embedder.close()
            raise IndexMismatch(
                f"The index was built with model {model_id}, this is {embedder.model_id}; "
                "pass model= the checkpoint that built it, or build the index again."
            )
        return QueryEncoder(embedder, fetcher=self.fetcher, cache_bytes=self.cache_bytes, owned=owned)

    def _embedder(self, record: GenerationRecord | None) -> Embedder:
        from fourtower_encoders.checkpoint import locate, read_checkpoint
        from fourtower_encoders.embedder import Embedder

        source = self.model or (record.model if record else None)
        if source is None:
            raise IndexMismatch("This index records no model; pass model= the checkpoint that built it.")
        assert not isinstance(source, Embedder)
        try:
            # Queries come one by one: ONNX Runtime starts sooner and answers as fast, also where there is a GPU.
            exported = read_checkpoint(locate(source)).has("image.onnx")
            return Embedder.load(source, runtime="onnx" if exported else "auto")
        except CheckpointError as error:
            if self.model is not None:
                raise
            raise IndexMismatch(
                f"The index records {source} as its model, which can't be loaded here ({error}) "
                "Pass model= where that checkpoint is on this machine."
            ) from error

    def _searcher(
        self,
        index: ProductIndex,
        encoder: QueryEncoder,
        record: GenerationRecord | None,
        *,
        name: str,
        owned: bool = True,
    ) -> Searcher:
        lexical = LexicalParams(pivot=record.lexical_k, weight=record.lexical_weight) if record else LexicalParams()
        return Searcher(
            index=index,
            encoder=encoder,
            generation=name,
            cursor_key=self.cursor_key,
            lexical=lexical,
            rerankers=self._all_rerankers(index),
            image_root=self.image_root,
            owns_index=owned,
        )

    def _all_rerankers(self, index: ProductIndex) -> Mapping[str, Reranker]:
        """Those that were passed, and the installed ones, which are opened when they are first asked for."""
        from fourtower_search.reranking.setup import InstalledRerankers, Rerankers

        installed = InstalledRerankers(index.model_id, index.schema, options=self.reranker_options)
        return Rerankers(self.rerankers, installed)
