"""The bit-exact integer executor: batched, one kernel per operator, prepared once."""

import functools
import itertools
import math
import os
from collections import deque
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from enum import StrEnum

import numpy as np
import torch

from nets.errors import NetworkError
from nets.execute.layout import stored_layout, written_layout
from nets.execute.native import Library, LimitedLibrary, native_kernel, native_library, native_status
from nets.execute.program import Arena, Program, Tensors, arena_size, arena_slots
from nets.execute.recurrent import inner_tensors
from nets.execute.self_test import require_exact
from nets.execute.torch_kernels import Kernel, kernel
from nets.network import ActivationArray, LstmRecurrence, Operator, QuantizedNetwork, Weighted

_HELD_SAMPLES, _HELD_ELEMENTS = 32, 2**25  # whose every tensor is held at once, by :meth:`IntegerExecutor.every_tensor`
_BATCH = 256  # samples that torch's kernels take at once, by default
_MOST_SAMPLES = 512  # of one chunk
_CACHE_BYTES = 2**20  # of a core, if the machine does not say


class Backend(StrEnum):
    """Which kernels run a network."""

    AUTO = "auto"  # native if it was built
    NATIVE = "native"
    AVX2 = "avx2"  # native, with no more than these instructions
    SSE2 = "sse2"
    TORCH = "torch"


_PATHS = {Backend.SSE2: 0, Backend.AVX2: 1}  # as the library numbers them


class PreparedOperators:
    """Operators of one network with their kernels.

    Args:
        operators: operators in order of execution.
        network: the network that they belong to; its arrays are read once.
        backend: the kernels to use; both kinds give the same integers.

    Raises:
        NetworkError: native kernels are requested and were not built, or the self-test fails.
    """

    def __init__(self, operators: Sequence[Operator], network: QuantizedNetwork, backend: Backend) -> None:
        library = _library(backend)
        self._layout = (written_layout if library is None else stored_layout)(operators, network)
        self._network = self._layout.network
        native = [
            None if library is None else native_kernel(operator, self._network, library)
            for operator in self._layout.operators
        ]
        self._kernels = [
            run or _shaped(kernel(operator, self._network), [self._network.tensors[at].shape for at in operator.inputs])
            for run, operator in zip(native, self._layout.operators, strict=True)
        ]
        self._operators = [
            replace(operator, inputs=tuple(self._layout.owner(index) for index in operator.inputs))
            for operator in self._layout.operators
        ]
        self._programs: dict[frozenset[int], Program] = {}
        self._arenas: deque[Arena] = deque()
        self._native = all(
            run is not None
            for run, operator in zip(native, self._operators, strict=True)
            if isinstance(operator, Weighted)
        )
        self._samples = samples_at_once(network)

    @property
    def _threads(self) -> int:
        """Threads that share the chunks: 1 if torch's kernels, which use several threads themselves, do the work."""
        return torch.get_num_threads() if self._native else 1

    def chunk_size(self, samples: int, batch_size: int | None) -> int:
        """Returns the samples of one chunk.

        Args:
            samples: how many there are; all threads get as many chunks.
            batch_size: the largest number of samples that all threads together may hold, or None.
        """
        if not self._native:
            return batch_size or _BATCH
        most = self._samples
        if batch_size is not None:
            most = max(1, min(most, batch_size // self._threads))
        rounds = max(1, -(-samples // (most * self._threads)))
        return max(1, -(-samples // (rounds * self._threads)))

    def run(self, chunks: Sequence[Tensors], wanted: Set[int]) -> list[Tensors]:
        """Runs the operators on chunks of samples.

        Args:
            chunks: for each chunk, the tensors that the operators read, by tensor index.
            wanted: indices of the tensors that are kept; operators on which none depends do not run.

        Returns:
            For each chunk, the wanted tensors by tensor index.
        """
        program = self._program(frozenset(wanted))
        made: list[Tensors] = [{}] * len(chunks)
        numbers = itertools.count()  # shared by the threads: each takes the next chunk when it is done with one

        def work() -> None:
            arena = self._arenas.pop() if self._arenas else Arena()
            while (at := next(numbers)) < len(chunks):
                live = program.run(chunks[at], arena)
                made[at] = {index: self._layout.seen(index, live[self._owner(index)]) for index in wanted}
            self._arenas.append(arena)

        threads = min(self._threads, len(chunks))
        others = [_helpers(threads - 1).submit(work) for _ in range(threads - 1)]
        try:
            work()
        finally:
            wait(others)
        for other in others:
            other.result()
        return made

    def _owner(self, index: int) -> int:
        """Returns the tensor whose memory one of the network's tensors is a view of."""
        return self._layout.owner(self._layout.view(index).stored)

    def _program(self, wanted: frozenset[int]) -> Program:
        if wanted not in self._programs:
            owners = {self._owner(index) for index in wanted}
            self._programs[wanted] = Program(self._operators, self._kernels, self._network, owners)
        return self._programs[wanted]


def _shaped(run: Kernel, shapes: Sequence[tuple[int, ...]]) -> Kernel:
    """Gives a torch kernel's inputs the shapes that it was prepared for: their memory may be another tensor's."""
    return lambda inputs: run([x.reshape(len(x), *shape) for x, shape in zip(inputs, shapes, strict=True)])


@functools.cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Returns threads that help the caller's; they wait for work as long as the process lives."""
    return ThreadPoolExecutor(threads, thread_name_prefix="integer-executor")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a fork does not copy threads


def samples_at_once(network: QuantizedNetwork) -> int:
    """Returns the samples that one thread takes through all layers at once: their activations stay in its caches."""
    library = native_library()
    cache = (0 if library is None else int(library.second_cache())) or _CACHE_BYTES
    size = arena_size(arena_slots(network.operators, network, set()))
    return max(1, min(cache // max(1, size), _MOST_SAMPLES))


def _library(backend: Backend) -> Library | None:
    """Returns the native library, or None for torch; the self-test of what will run has passed."""
    library = None if backend is Backend.TORCH else native_library()
    if library is None and backend not in (Backend.TORCH, Backend.AUTO):
        raise NetworkError(f"native kernels are requested, but {native_status()}")
    require_exact("torch" if library is None else "native")
    path = _PATHS.get(backend)
    if library is None or path is None:
        return library
    if path > library.best_path():
        raise NetworkError(f"{backend} is requested, but {native_status()}")
    return LimitedLibrary(library, path)


class IntegerExecutor:
    """Runs a network on batches of integer inputs, exactly, with as many threads as torch uses.

    Args:
        network: the network; its arrays are read once.
        backend: the kernels to use; both kinds give the same integers.
    """

    def __init__(self, network: QuantizedNetwork, *, backend: Backend = Backend.AUTO) -> None:
        self.network = network
        self.prepared = PreparedOperators(network.operators, network, backend)

    def tensors(self, *inputs: ActivationArray) -> dict[int, ActivationArray]:
        """Computes every activation tensor of one batch.

        Args:
            inputs: one int8 or int16 array ``[batch, *shape]`` per network input.

        Returns:
            Tensor index to int8 or int16 array ``[batch, *shape]``, inputs and constants included.

        Raises:
            NetworkError: number, types or shapes of the inputs are not the network's.
        """
        computed = (operator.output for operator in self.network.operators)
        return self._collected(inputs, {*self.network.inputs, *self.network.constants, *computed}, None)

    def every_tensor(self, *inputs: ActivationArray) -> Iterator[tuple[int, dict[int, ActivationArray]]]:
        """Computes every activation tensor of many samples, those inside of operators too, of few samples at once.

        Args:
            inputs: one int8 array ``[samples, *shape]`` per network input.

        Yields:
            The number of the first sample, and what :meth:`tensors` returns for it and those after it, with the tensors
            of the operators' parts.

        Raises:
            NetworkError: number, types or shapes of the inputs are not the network's.
        """
        each = sum(math.prod(spec.shape) for spec in self.network.tensors)
        size = max(1, min(_HELD_SAMPLES, _HELD_ELEMENTS // each))
        for start in range(0, len(inputs[0]), size):
            made = self.tensors(*(x[start : start + size] for x in inputs))
            for operator in self.network.operators:
                if isinstance(operator, LstmRecurrence):
                    made |= inner_tensors(operator, self.network, [made[index] for index in operator.inputs])
            yield start, made

    def outputs(self, *inputs: ActivationArray, batch_size: int | None = None) -> list[ActivationArray]:
        """Computes the network's outputs in batches.

        Args:
            inputs: one int8 or int16 array ``[samples, *shape]`` per network input.
            batch_size: the largest number of samples that all threads together hold in memory at once; by default as
                many as suit the caches.

        Returns:
            One int8 or int16 array ``[samples, *shape]`` per network output.

        Raises:
            NetworkError: number, types or shapes of the inputs are not the network's.
        """
        tensors = self._collected(inputs, set(self.network.outputs), batch_size)
        return [tensors[index] for index in self.network.outputs]

    def _collected(
        self, inputs: tuple[ActivationArray, ...], wanted: set[int], batch_size: int | None
    ) -> dict[int, ActivationArray]:
        """Computes the wanted tensors, in chunks of samples."""
        samples = len(inputs[0]) if inputs else 1
        chunks = input_chunks(self.network, inputs, self.prepared.chunk_size(samples, batch_size))
        parts = self.prepared.run(chunks, wanted)
        return {index: np.concatenate([part[index].numpy() for part in parts]) for index in sorted(wanted)}


def input_chunks(network: QuantizedNetwork, inputs: tuple[ActivationArray, ...], size: int) -> list[Tensors]:
    """Cuts the inputs into chunks of at most ``size`` samples.

    Returns:
        For each chunk, integer tensors ``[samples, *shape]`` by tensor index, the network's constants included.

    Raises:
        NetworkError: their number, types or shapes are not the network's.
    """
    if len(inputs) != len(network.inputs):
        raise NetworkError(f"{network.name!r} has {len(network.inputs)} inputs, got {len(inputs)}")
    for index, array in zip(network.inputs, inputs, strict=True):
        spec = network.tensors[index]
        if array.dtype != spec.dtype or array.shape[1:] != spec.shape or len(array) == 0:
            raise NetworkError(
                f"input {spec.name!r} takes {spec.dtype} [samples, {', '.join(map(str, spec.shape))}], "
                f"got {array.dtype} {list(array.shape)}"
            )
    if len({len(array) for array in inputs}) > 1:
        raise NetworkError(f"inputs of {network.name!r} differ in samples: {[len(array) for array in inputs]}")
    # torch needs writeable, contiguous arrays; those of a shared store are read-only, and others may be strided.
    tensors = (torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else x.copy()) for x in inputs)
    return [
        dict(zip(network.inputs, parts, strict=True)) | _constants(network, len(parts[0]))
        for parts in zip(*(torch.split(x, size) for x in tensors), strict=True)
    ]


def _constants(network: QuantizedNetwork, samples: int) -> Tensors:
    """Returns the network's constants, repeated for every sample."""
    return {
        index: torch.tensor(values).expand(samples, *values.shape).contiguous()
        for index, values in network.constants.items()
    }
