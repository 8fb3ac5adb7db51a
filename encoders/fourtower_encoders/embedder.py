"""Embeds pictures and texts with a checkpoint: the one door to the towers for search and bulk work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.checkpoint import Checkpoint, locate, read_checkpoint
from fourtower_encoders.config import IMAGE_ROLES, TEXT_ROLES, ImageRole, Role, TextRole, TowerConfig
from fourtower_encoders.decoding import Batch, decoded_batches
from fourtower_encoders.errors import EncoderError, ImageError, InvalidConfig
from fourtower_encoders.images import ImageLimits, ImageSource, load_image
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.preprocess import Pixels, shortest_side, to_pixels
from fourtower_encoders.runtimes import Precision, Runtime, RuntimeName, open_runtime, usable_cores

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher

Array = NDArray[np.float32]
OnError = Callable[[int, ImageError], None]
Progress = Callable[[int], None]
Turn = Callable[[], AbstractContextManager[object]]
"""Gives what is held while the network runs, where several processes share a device."""


class Embedder:
    """A checkpoint's towers, ready to embed; safe to use from several threads.

    Every result is a float32 array [N, D] with rows of unit norm, in the order of the input.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        runtime: Runtime,
        *,
        limits: ImageLimits | None = None,
        fetcher: ImageFetcher | None = None,
    ) -> None:
        """Join a checkpoint and its running towers; most callers want `Embedder.load`."""
        self.checkpoint = checkpoint
        self._runtime: Runtime | None = runtime
        self._limits = limits or ImageLimits()
        self._fetcher = fetcher
        self._tokenizer = checkpoint.tokenizer()

    @classmethod
    def load(
        cls,
        source: str | Path = "demo",
        *,
        runtime: RuntimeName = "auto",
        device: str = "auto",
        precision: Precision = "auto",
        limits: ImageLimits | None = None,
        fetcher: ImageFetcher | None = None,
    ) -> Self:
        """Load a checkpoint folder.

        Args:
            source: the folder, or `demo` for the small model that ships with the package.
            runtime: `auto` is torch where a GPU is, else onnx where the checkpoint has it, else torch.
            device: `auto`, `cpu`, `cuda` or `cuda:N`; GPUs need torch.
            precision: `auto` is bf16 on a GPU and fp32 elsewhere.
            limits: what a picture may cost; None takes the defaults.
            fetcher: gets pictures from URLs; without one they are refused.

        Raises:
            CheckpointError: the folder is damaged, foreign or too new.
            InvalidConfig: runtime, device and precision contradict each other.
            MissingExtra: torch is needed and not installed.
        """
        checkpoint = read_checkpoint(locate(source))
        running = open_runtime(checkpoint, runtime=runtime, device=device, precision=precision)
        return cls(checkpoint, running, limits=limits, fetcher=fetcher)

    @property
    def dim(self) -> int:
        """Length of every embedding."""
        return self.checkpoint.config.dim

    @property
    def model_id(self) -> str:
        """Short hash of all that determines the embeddings."""
        return self.checkpoint.model_id

    @property
    def config(self) -> TowerConfig:
        """What the towers are."""
        return self.checkpoint.config

    @property
    def params(self) -> QueryParams:
        """The numbers fitted after training that turn embeddings into a query."""
        return self.checkpoint.params

    @property
    def runtime(self) -> str:
        """What runs the towers: `onnx` or `torch`."""
        return self._running().name

    def embed_images(
        self,
        sources: Sequence[ImageSource],
        *,
        role: ImageRole = "product_image",
        root: Path | None = None,
        batch_size: int = 64,
        threads: int | None = None,
        progress: Progress | None = None,
        on_error: OnError | None = None,
    ) -> Array:
        """Embed pictures; they are decoded in threads while the network runs.

        Args:
            sources: bytes, Pillow images, paths or URLs.
            role: which tower speaks.
            root: paths are relative to this folder and may not leave it.
            batch_size: pictures per run of the network.
            threads: how many pictures are decoded at once; None is one per core.
            progress: called with the number of pictures done, after each batch.
            on_error: called with the position and the error of each picture that can't be used; its row
                stays zero. Without it the first such picture raises.

        Raises:
            ImageRejected: a picture can't be used and never will be.
            ImageUnavailable: a picture could not be had this time.
        """
        _check_call(sources, role, IMAGE_ROLES, batch_size)
        with closing(self.decoded(sources, root=root, batch_size=batch_size, threads=threads)) as batches:
            return self._embed_batches(batches, len(sources), role, progress=progress, on_error=on_error)

    def decoded(
        self,
        sources: Sequence[ImageSource],
        *,
        root: Path | None = None,
        batch_size: int = 64,
        threads: int | None = None,
    ) -> Generator[Batch]:
        """Fetch and decode pictures in threads, ahead of the caller: batches for `embed_pixels`, in order.

        The arguments are those of `embed_images`. Close the generator if you don't exhaust it.
        """
        _check_call(sources, "product_image", IMAGE_ROLES, batch_size)
        if threads is not None and threads < 1:
            raise InvalidConfig(f"threads must be 1 or more, not {threads}.")

        def load(position: int) -> Pixels:
            return self._load(sources[position], position, root)

        return decoded_batches(
            load,
            len(sources),
            size=self.config.preprocess.size,
            batch_size=batch_size,
            threads=threads or usable_cores(),
        )

    def embed_pixels(
        self, pixels: Pixels, *, role: ImageRole = "product_image", batch_size: int = 64, turn: Turn = nullcontext
    ) -> Array:
        """Embed pictures that `decoded` or `preprocess.to_pixels` has prepared: uint8 [N, S, S, 3].

        Raises:
            OutOfMemory: the device has no room for a batch of this size.
        """
        _check_call(pixels, role, IMAGE_ROLES, batch_size)
        size = self.config.preprocess.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise InvalidConfig(
                f"Pixels must be uint8 [N, {size}, {size}, 3], not {pixels.dtype} {list(pixels.shape)}; "
                "prepare them with preprocess.to_pixels."
            )
        contiguous = np.ascontiguousarray(pixels)
        runtime = self._running()
        result = np.zeros((len(pixels), self.dim), dtype=np.float32)
        for start in range(0, len(pixels), batch_size):
            chosen = slice(start, start + batch_size)
            placed = runtime.place(contiguous[chosen])
            with turn():
                result[chosen] = runtime.start_pixels(placed, role)()
        return result

    def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole = "query_text",
        batch_size: int = 256,
        turn: Turn = nullcontext,
    ) -> Array:
        """Embed texts; an empty one gets an embedding too.

        Raises:
            OutOfMemory: the device has no room for a batch of this size.
        """
        _check_call(texts, role, TEXT_ROLES, batch_size)
        runtime = self._running()
        # Texts of like length share a batch, so that little padding is computed.
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        result = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            placed = runtime.place(self._tokenizer([texts[position] for position in chosen]))
            with turn():
                result[chosen] = runtime.start_ids(placed, role)()
        return result

    def close(self) -> None:
        """Free the towers' memory; calls that still run finish."""
        self._runtime = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> Runtime:
        runtime = self._runtime
        if runtime is None:
            raise EncoderError("This embedder is closed; load it again.")
        return runtime

    def _load(self, source: ImageSource, position: int, root: Path | None) -> Pixels:
        preprocess = self.config.preprocess
        try:
            image = load_image(
                source,
                limits=self._limits,
                root=root,
                fetcher=self._fetcher,
                at_least=shortest_side(preprocess),
            )
        except ImageError as error:
            raise type(error)(f"Picture {position} ({_shown(source)}): {error}") from error
        return to_pixels(image, preprocess)

    def _embed_batches(
        self,
        batches: Iterable[Batch],
        count: int,
        role: ImageRole,
        *,
        progress: Progress | None = None,
        on_error: OnError | None = None,
    ) -> Array:
        """Keep one batch on the device while the next one is handed over."""
        result = np.zeros((count, self.dim), dtype=np.float32)
        for batch, rows in _one_ahead(self._running(), batches, role, on_error):
            end = batch.start + len(rows)
            result[batch.start : end] = rows
            result[list(batch.failures)] = 0.0
            if progress:
                progress(end)
        return result


def _one_ahead(
    runtime: Runtime, batches: Iterable[Batch], role: ImageRole, on_error: OnError | None
) -> Iterator[tuple[Batch, Array]]:
    """Start each batch before waiting for the one before it."""
    before: tuple[Batch, Callable[[], Array]] | None = None
    for batch in batches:
        for position, error in batch.failures.items():
            if on_error is None:
                raise error
            on_error(position, error)
        started = runtime.start_pixels(batch.pixels, role)
        if before:
            yield before[0], before[1]()
        before = (batch, started)
    if before:
        yield before[0], before[1]()


def _check_call(batch: Sequence[object] | Pixels, role: Role, roles: tuple[Role, ...], batch_size: int) -> None:
    if isinstance(batch, str | bytes | Path):
        raise InvalidConfig("A list is wanted, not a single picture or text; put it into [ ].")
    if role not in roles:
        raise InvalidConfig(f"'{role}' is no role of this kind; use {' or '.join(roles)}.")
    if batch_size < 1:
        raise InvalidConfig(f"batch_size must be 1 or more, not {batch_size}.")


def _shown(source: ImageSource) -> str:
    """A source in a message: never its content, never longer than a line."""
    if isinstance(source, str | Path):
        text = str(source)
        return text if len(text) <= 80 else f"{text[:77]}..."
    return "bytes" if isinstance(source, bytes) else "a Pillow image"
