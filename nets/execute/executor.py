"""The bit-exact integer executor: batched, one kernel per operator, prepared once."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from nets.errors import NetworkError
from nets.execute.native import native_kernel, native_library, native_status
from nets.execute.self_test import require_exact
from nets.execute.torch_kernels import Kernel, kernel
from nets.network.operators import Operator, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.network.tensors import Int8Array

# Samples that one thread takes through all layers at once: few enough that activations stay in its caches.
SAMPLES_AT_ONCE = 16
_BATCH = 256  # samples that all threads together hold in memory at once, by default


class Backend(StrEnum):
    """Which kernels run a network."""

    AUTO = "auto"  # native if it was built
    NATIVE = "native"
    TORCH = "torch"


class IntegerExecutor:
    """Runs a network on batches of int8 inputs, exactly, with as many threads as torch uses.

    Args:
        network: The network; its arrays are read once.
        backend: The kernels to use; both kinds give the same integers.
    """

    def __init__(self, network: QuantizedNetwork, *, backend: Backend = Backend.AUTO) -> None:
        self.network = network
        self._kernels = [prepared(operator, network, backend) for operator in network.operators]
        # torch's kernels use several threads themselves; native kernels are called from several threads.
        self._threaded = all(native for _, native in self._kernels if native is not None)

    def tensors(self, *inputs: Int8Array) -> dict[int, Int8Array]:
        """Computes every activation tensor of one batch.

        Args:
            inputs: One int8 array ``[batch, *shape]`` per network input.

        Returns:
            Tensor index to int8 array ``[batch, *shape]``, the inputs included.

        Raises:
            NetworkError: Number, types or shapes of the inputs are not the network's.
        """
        return self._collected(inputs, range(len(self.network.tensors)), _BATCH, keep_all=True)

    def outputs(self, *inputs: Int8Array, batch_size: int = _BATCH) -> list[Int8Array]:
        """Computes the network's outputs in batches.

        Args:
            inputs: One int8 array ``[samples, *shape]`` per network input.
            batch_size: The largest number of samples that all threads together hold in memory at once.

        Returns:
            One int8 array ``[samples, *shape]`` per network output.

        Raises:
            NetworkError: Number, types or shapes of the inputs are not the network's.
        """
        tensors = self._collected(inputs, self.network.outputs, batch_size, keep_all=False)
        return [tensors[index] for index in self.network.outputs]

    def _collected(
        self, inputs: tuple[Int8Array, ...], wanted: Iterable[int], batch_size: int, *, keep_all: bool
    ) -> dict[int, Int8Array]:
        """Computes the wanted tensors, in chunks of samples, with all threads."""
        checked = checked_inputs(self.network, inputs)
        threads = torch.get_num_threads() if self._threaded else 1
        size = max(1, min(SAMPLES_AT_ONCE, batch_size // threads)) if self._threaded else batch_size
        chunks = list(_chunks(checked, size))

        def run(chunk: list[Tensor]) -> dict[int, Tensor]:
            return self._run(chunk, keep_all=keep_all)

        if threads == 1 or len(chunks) == 1:
            parts = [run(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(run, chunks))
        made = {*self.network.inputs, *(operator.output for operator in self.network.operators)}
        return {i: np.concatenate([part[i].numpy() for part in parts]) for i in wanted if i in made}

    def _run(self, inputs: list[Tensor], *, keep_all: bool) -> dict[int, Tensor]:
        live = dict(zip(self.network.inputs, inputs, strict=True))
        last_use = {} if keep_all else _last_uses(self.network)
        with torch.inference_mode():
            for position, (operator, (run, _)) in enumerate(zip(self.network.operators, self._kernels, strict=True)):
                live[operator.output] = run([live[index] for index in operator.inputs])
                for index in set(operator.inputs):
                    if last_use.get(index) == position:
                        del live[index]
        return live


def prepared(operator: Operator, network: QuantizedNetwork, backend: Backend) -> tuple[Kernel, bool | None]:
    """Prepares an operator's kernel, and says whether it is native; None if that does not matter for threads.

    Raises:
        NetworkError: Native kernels are requested and were not built, or the self-test fails.
    """
    library = None if backend is Backend.TORCH else native_library()
    if library is None and backend is Backend.NATIVE:
        raise NetworkError(f"native kernels are requested, but {native_status()}")
    require_exact("torch" if library is None else "native")
    if library is not None and (native := native_kernel(operator, network, library)) is not None:
        return native, True
    return kernel(operator, network), False if isinstance(operator, Weighted) else None


def checked_inputs(network: QuantizedNetwork, inputs: tuple[Int8Array, ...]) -> list[Tensor]:
    """Returns the inputs as tensors.

    Raises:
        NetworkError: Their number, types or shapes are not the network's.
    """
    if len(inputs) != len(network.inputs):
        raise NetworkError(f"{network.name!r} has {len(network.inputs)} inputs, got {len(inputs)}")
    for index, array in zip(network.inputs, inputs, strict=True):
        spec = network.tensors[index]
        if array.dtype != np.int8 or array.shape[1:] != spec.shape or len(array) == 0:
            raise NetworkError(
                f"input {spec.name!r} takes int8 [samples, {', '.join(map(str, spec.shape))}], "
                f"got {array.dtype} {list(array.shape)}"
            )
    if len({len(array) for array in inputs}) > 1:
        raise NetworkError(f"inputs of {network.name!r} differ in samples: {[len(array) for array in inputs]}")
    # torch needs writeable, contiguous arrays; those of a shared store are read-only, and others may be strided.
    return [torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else x.copy()) for x in inputs]


def _chunks(inputs: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    for start in range(0, len(inputs[0]), size):
        yield [x[start : start + size] for x in inputs]


def _last_uses(network: QuantizedNetwork) -> Mapping[int, int]:
    uses = {index: at for at, operator in enumerate(network.operators) for index in operator.inputs}
    return {index: at for index, at in uses.items() if index not in network.outputs}
