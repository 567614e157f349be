"""Operators prepared to run: those with native kernels follow each other in one call, in memory that fits caches."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from nets.execute.native import NativeKernel, NativeSteps
from nets.execute.torch_kernels import Kernel
from nets.network import Operator, QuantizedNetwork

Tensors = dict[int, Tensor]  # by tensor index
_LINE = 64  # bytes: tensors begin at cache lines


class Arena:
    """Memory of intermediate tensors, used again by every chunk that one thread runs."""

    def __init__(self) -> None:
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def address(self, size: int) -> int:
        """Returns the address of ``size`` bytes; what they held before is lost."""
        if self._bytes.numel() < size:
            self._bytes = torch.empty(size, dtype=torch.uint8)
        return self._bytes.data_ptr()


@dataclass(frozen=True)
class _Slot:
    """Where a tensor lies in the arena, in bytes of one sample."""

    offset: int
    size: int


def sample_bytes(network: QuantizedNetwork, index: int) -> int:
    """Returns the bytes of one sample of a tensor, rounded up to cache lines."""
    size = network.tensors[index].dtype.itemsize
    for length in network.tensors[index].shape:
        size *= length
    return -(-size // _LINE) * _LINE


def arena_slots(operators: Sequence[Operator], network: QuantizedNetwork, kept: Set[int]) -> dict[int, _Slot]:
    """Gives each intermediate tensor a place, first fit, that no other one has while it is needed.

    Args:
        operators: in order of execution.
        network: the network that they belong to.
        kept: tensors that live elsewhere.
    """
    last_use = {index: at for at, operator in enumerate(operators) for index in operator.inputs}
    slots: dict[int, _Slot] = {}
    live: set[int] = set()
    for at, operator in enumerate(operators):
        if operator.output not in kept:
            taken = sorted((slots[index] for index in live), key=lambda slot: slot.offset)
            slots[operator.output] = _first_fit(taken, sample_bytes(network, operator.output))
            live.add(operator.output)
        live = {index for index in live if last_use.get(index, at) > at}
    return slots


def _first_fit(taken: Sequence[_Slot], size: int) -> _Slot:
    offset = 0
    for slot in taken:
        if slot.offset - offset >= size:
            break
        offset = max(offset, slot.offset + slot.size)
    return _Slot(offset, size)


def arena_size(slots: Mapping[int, _Slot]) -> int:
    """Returns the bytes of one sample that hold all slots."""
    return max((slot.offset + slot.size for slot in slots.values()), default=0)


class _NativeRun:
    """Operators with native kernels that follow each other.

    Args:
        members: the operators with their kernels.
        network: the network that they belong to.
        kept: tensors that other operators or the caller read.
    """

    def __init__(
        self, members: Sequence[tuple[Operator, NativeKernel]], network: QuantizedNetwork, kept: Set[int]
    ) -> None:
        operators = [operator for operator, _ in members]
        made = {operator.output for operator in operators}
        self._slots = arena_slots(operators, network, kept)
        self._size = arena_size(self._slots)
        self._read = sorted({index for operator in operators for index in operator.inputs} - made)
        self._kept = [(index, network.tensors[index].shape) for index in sorted(made & kept)]
        order = [*self._read, *(index for index, _ in self._kept), *self._slots]
        places = {index: at for at, index in enumerate(order)}
        self._steps = NativeSteps(
            [
                (kernel, tuple(places[index] for index in operator.inputs), places[operator.output])
                for operator, kernel in members
            ]
        )

    def run(self, live: Tensors, arena: Arena) -> None:
        """Runs the operators; adds the kept tensors to the live ones."""
        read = [live[index].contiguous() for index in self._read]
        samples = len(next(iter(live.values())))
        made = {index: torch.empty((samples, *shape), dtype=torch.int8) for index, shape in self._kept}
        base = arena.address(self._size * samples)
        addresses = [tensor.data_ptr() for tensor in (*read, *made.values())]
        self._steps.run([*addresses, *(base + slot.offset * samples for slot in self._slots.values())], samples)
        live |= made


class _TorchRun:
    """One operator with a torch kernel."""

    def __init__(self, operator: Operator, kernel: Kernel) -> None:
        self._operator, self._kernel = operator, kernel

    def run(self, live: Tensors, _arena: Arena) -> None:
        """Runs the operator; adds its output to the live tensors."""
        live[self._operator.output] = self._kernel([live[index] for index in self._operator.inputs])


class Program:
    """Operators in the order in which they run, if certain tensors are wanted.

    Args:
        operators: in order of execution.
        kernels: one for each operator.
        network: the network that they belong to.
        wanted: indices of the tensors that the caller reads; operators on which none depends do not run.
    """

    def __init__(
        self, operators: Sequence[Operator], kernels: Sequence[Kernel], network: QuantizedNetwork, wanted: Set[int]
    ) -> None:
        needed = _needed(operators, wanted)
        chosen = [
            (operator, kernel) for operator, kernel in zip(operators, kernels, strict=True) if operator.name in needed
        ]
        groups = [list(group) for _, group in groupby(chosen, key=lambda pair: isinstance(pair[1], NativeKernel))]
        self._runs: list[_NativeRun | _TorchRun] = []
        self._dead: list[set[int]] = []
        for at, group in enumerate(groups):
            later = {index for after in groups[at + 1 :] for operator, _ in after for index in operator.inputs}
            self._add(group, network, later | wanted)
        self._wanted = wanted

    def _add(self, group: list[tuple[Operator, Kernel]], network: QuantizedNetwork, kept: Set[int]) -> None:
        """Appends runs for operators of one kind, and what is not needed after each."""
        native = [(operator, kernel) for operator, kernel in group if isinstance(kernel, NativeKernel)]
        if native:
            self._runs.append(_NativeRun(native, network, kept))
            self._dead.append({index for operator, _ in native for index in operator.inputs} - kept)
            return
        for at, (operator, kernel) in enumerate(group):
            after = kept | {index for later, _ in group[at + 1 :] for index in later.inputs}
            self._runs.append(_TorchRun(operator, kernel))
            self._dead.append({*operator.inputs} - after)

    def run(self, chunk: Tensors, arena: Arena) -> Tensors:
        """Runs the operators on one chunk of samples; returns the wanted tensors, and possibly others."""
        live = dict(chunk)
        with torch.inference_mode():
            for run, dead in zip(self._runs, self._dead, strict=True):
                run.run(live, arena)
                for index in dead:
                    live.pop(index, None)
        return live


def _needed(operators: Sequence[Operator], wanted: Set[int]) -> set[str]:
    """Returns the names of the operators on which the wanted tensors depend."""
    read, needed = set(wanted), set()
    for operator in reversed(operators):
        if operator.output in read:
            needed.add(operator.name)
            read |= set(operator.inputs)
    return needed
