"""Options by which the commands of streaming name an index: the same for all of them."""

from __future__ import annotations

from typing import Annotated

from fourtower_ingest.options import option

Index = Annotated[str | None, option("Server of the index, milvus://host:19530.", "WORKER_INDEX")]
Alias = Annotated[str | None, option("Which index of the server.", "WORKER_ALIAS")]
Generation = Annotated[int | None, option("Which generation of it.", "WORKER_GENERATION", min=1)]
Token = Annotated[str | None, option("Of the server, user:password.", "WORKER_TOKEN")]
