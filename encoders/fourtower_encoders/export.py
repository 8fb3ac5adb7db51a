"""Writes the towers as ONNX graphs, which run without torch, and proves that they say the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fourtower_encoders.checkpoint import IMAGE_GRAPH, TEXT_GRAPH
from fourtower_encoders.config import IMAGE_ROLES, TEXT_ROLES, HashedText, Role, TowerConfig
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.model import FourTower

PARITY = 0.9999
"""The least cosine between what torch and ONNX Runtime say."""

_LARGEST_GRAPH = 2_000_000_000
"""Bytes that fit into one file of the format; weights beyond go to a file beside it."""


class _ImageGraph(nn.Module):
    """Pixels to one output per image role; the network runs once."""

    def __init__(self, model: FourTower) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return _every_role(self.model, self.model.image_features(pixels), IMAGE_ROLES)


class _TextGraph(nn.Module):
    """Token ids to one output per text role; the network runs once."""

    def __init__(self, model: FourTower) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        return _every_role(self.model, self.model.text_network(ids), TEXT_ROLES)


def export_onnx(model: FourTower, folder: Path) -> None:
    """Write `image.onnx` and `text.onnx`; both have a dynamic batch size.

    Args:
        model: towers on the CPU, in float32 and evaluation mode.
        folder: where to; existing graphs are replaced.

    Raises:
        CheckpointError: a written graph doesn't say what the towers say.
    """
    pixels, ids = _example_pixels(model.config), _example_ids(model.config)
    batch = torch.export.Dim("batch")
    image, text = _ImageGraph(model).eval(), _TextGraph(model).eval()
    _export(image, pixels, folder / IMAGE_GRAPH, name="pixels", roles=IMAGE_ROLES, shape={0: batch})
    _export(text, ids, folder / TEXT_GRAPH, name="ids", roles=TEXT_ROLES, shape=_text_shape(model.config, batch))
    _check_parity(image, pixels, folder / IMAGE_GRAPH, name="pixels")
    _check_parity(text, ids, folder / TEXT_GRAPH, name="ids")


def _every_role(model: FourTower, features: Tensor, roles: tuple[Role, ...]) -> tuple[Tensor, ...]:
    return tuple(model.embed_features(features, role) for role in roles)


def _export(
    graph: nn.Module, example: Tensor, path: Path, *, name: str, roles: tuple[Role, ...], shape: dict[int, Any]
) -> None:
    with _quiet():
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            input_names=[name],
            output_names=list(roles),
            dynamic_shapes={name: shape},
            verbose=False,
        )
    assert program is not None  # the promise of dynamo=True
    _forget_origins(program.model)
    size = sum(tensor.nbytes for tensor in graph.state_dict().values())
    program.save(str(path), external_data=size > _LARGEST_GRAPH)


def _forget_origins(model: Any) -> None:
    """Drop the notes in which file of whose machine each operation was traced; nobody runs them."""
    for nodes in (*model.graphs(), *model.functions.values()):
        nodes.metadata_props.clear()
        for node in nodes:
            node.doc_string = None
            for noted in (node, *node.inputs, *node.outputs):
                if noted is not None:  # an optional input that is not given
                    noted.metadata_props.clear()


def _text_shape(config: TowerConfig, batch: Any) -> dict[int, Any]:
    if config.text.kind == "siglip-text":  # always padded to one length
        return {0: batch}
    return {0: batch, 1: torch.export.Dim("length", max=config.text.max_tokens)}


def _example_pixels(config: TowerConfig) -> Tensor:
    """Two pictures of noise [2, S, S, 3]."""
    size = config.preprocess.size
    return torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=_seeded())


def _example_ids(config: TowerConfig) -> Tensor:
    """Two rows of token ids [2, T], the second one partly padding."""
    text = config.text
    if isinstance(text, HashedText):
        vocabulary, pad_id = text.buckets, 0
    else:
        vocabulary, pad_id = text.architecture["vocab_size"], text.architecture["pad_token_id"]
    ids = torch.randint(1, vocabulary, (2, text.max_tokens), generator=_seeded())
    ids[1, text.max_tokens // 2 :] = pad_id
    return ids


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _check_parity(graph: nn.Module, example: Tensor, path: Path, *, name: str) -> None:
    from fourtower_encoders.onnx_runtime import open_session

    with torch.inference_mode():
        expected = graph(example)
    outputs = open_session(path).run(None, {name: example.numpy()})
    for tower, output in zip(expected, outputs, strict=True):
        cosine = float((tower * torch.from_numpy(output)).sum(dim=1).min())
        if not cosine >= PARITY:  # NaN fails too
            raise CheckpointError(
                f"{path.name} gives other vectors than the towers (cosine {cosine:.5f}); "
                "this network can't be exported, save it with onnx=False."
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on every channel that there is; what matters is raised."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
