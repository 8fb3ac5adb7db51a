"""The learned re-ranker: scores candidates with a model that `fourtower rerank fit` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import ValidationError

from fourtower_search.errors import IndexMismatch
from fourtower_search.query.forms import first_problem
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import Reranker, RerankQuery
from fourtower_search.reranking.model import RerankModel
from fourtower_search.reranking.setup import RerankerSetup
from fourtower_search.schema import CatalogSchema

MOST_BYTES = 4_000_000


class ListwiseReranker:
    """Candidates in, scores in 0..1 out; safe to share between threads."""

    def __init__(self, model: RerankModel) -> None:
        self.model = model

    @classmethod
    def load(cls, path: Path, *, model_id: str, schema: CatalogSchema) -> Self:
        """Read a saved model, and refuse one of other towers or another catalog.

        Raises:
            IndexMismatch: the file is missing, damaged, or does not belong here.
        """
        model = read_model(path)
        if model.model_id != model_id:
            raise IndexMismatch(
                f"{path} was fitted with model {model.model_id!r:.40}, but this index was built by {model_id!r}; "
                "fit it again with `fourtower rerank fit`."
            )
        if unfit := model.features.unfit(schema):
            raise IndexMismatch(
                f"{path} needs {', '.join(unfit):.80}, which this catalog does not declare so; "
                "fit it again with `fourtower rerank fit`."
            )
        return cls(model)

    def __call__(self, query: RerankQuery, candidates: Sequence[Candidate]) -> list[float]:
        """One score per candidate, in their order."""
        if not candidates:
            return []
        plain = np.array([each.score for each in candidates])
        scores: list[float] = self.model.scores(plain, self.model.features.table(query, candidates)).tolist()
        return scores


def listwise(setup: RerankerSetup) -> Reranker:
    """The entry point `listwise`: its option `path` names the saved model."""
    return ListwiseReranker.load(Path(setup.option("path")), model_id=setup.model_id, schema=setup.schema)


def read_model(path: Path) -> RerankModel:
    """Read a saved model.

    Raises:
        IndexMismatch: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise IndexMismatch(
                f"{path} is larger than any re-ranker; name the file that `fourtower rerank fit` wrote."
            )
        return RerankModel.model_validate_json(content)
    except OSError as error:
        raise IndexMismatch(f"{path}: {error.strerror}; `fourtower rerank fit` writes such a file.") from error
    except ValidationError as error:
        raise IndexMismatch(f"{path} is no re-ranker of this version: {first_problem(error)}; fit it again.") from error


def write_model(model: RerankModel, path: Path) -> None:
    """Write a file that has its name only once it is whole."""
    draft = path.with_name(f"{path.name}.partial")
    draft.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
