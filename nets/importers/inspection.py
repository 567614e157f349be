"""What a model file holds, whether it can be imported or not."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nets.errors import NetworkError
from nets.network import MatrixProduct, Operator, QuantizedNetwork, TensorSpec, TransposedConvolution, Weighted


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """An input or output.

    Attributes:
        index: in the file; None in formats whose tensors have names alone.
        shape: sizes with the batch; 0 for one that the file leaves open.
        type_name: of its elements; empty if the file does not state it.
        scale: None if the tensor has not one, or the format states none.
        zero_point: likewise.
    """

    index: int | None
    name: str
    shape: tuple[int, ...]
    type_name: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class KindFacts:
    """The operators of one kind.

    Attributes:
        kind: the name in the file's schema.
        count: the number of operators in the file.
        imported: how many of them the network has.
        blocking: how many of them block the import.
        left_out: how many lie behind the network's outputs, or translate an input, or were folded into constants.
    """

    kind: str
    count: int
    imported: int
    blocking: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why operators of one kind cannot be imported.

    Attributes:
        kind: the operators' kind.
        count: how many operators of this kind are blocked for any reason.
        first: index of the first of them in the file.
        reason: why the first of them is.
    """

    kind: str
    count: int
    first: int
    reason: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file holds and what becomes of it.

    Attributes:
        model: the file's name.
        size_bytes: of the file.
        inputs: the file's inputs, with the file's types and zero points: those of a uint8 model are UINT8.
        outputs: the file's outputs, likewise.
        network_inputs: the network's inputs, int8; empty if the graph has none that can be used.
        network_outputs: where the network ends.
        kinds: all kinds of operators of the file.
        blockers: what blocks the import, by kind; empty if nothing does.
        refusal: why the file as a whole cannot be imported, or None.
        advice: where the graph can be cut instead, and what that loses; None if nothing blocks.
        rescalers: the number of operators whose rescaler can be narrowed, of those that can be imported.
        rescaler_channels: the number of their channels with a multiplier of their own.
        parameters: elements of the constants of the network's operators with weights.
        macs: multiply-accumulates of one sample, of convolutions and matrix products.
        weight_bytes: size of the constants of the network's operators with weights.
    """

    model: str
    size_bytes: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    network_inputs: tuple[TensorFacts, ...]
    network_outputs: tuple[TensorFacts, ...]
    kinds: tuple[KindFacts, ...]
    blockers: tuple[Blocker, ...]
    refusal: str | None
    advice: str | None
    rescalers: int
    rescaler_channels: int
    parameters: int
    macs: int
    weight_bytes: int

    @property
    def importable(self) -> bool:
        """Whether the file can be imported."""
        return self.refusal is None and not self.blockers


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file of a format without indices holds, as far as it was read.

    Attributes:
        model: the file's name.
        size_bytes: of the file.
        inputs: the file's inputs.
        outputs: the file's outputs.
        kinds: the kind of each of its operators.
        needed: the kinds of those that the network is made of.
        blocking: the kinds of those among them that cannot be imported.
    """

    model: str
    size_bytes: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    kinds: Sequence[str]
    needed: Sequence[str]
    blocking: Sequence[str]


def inspected(file: FileFacts, load: Callable[[], QuantizedNetwork]) -> Inspection:
    """Describes a file by the network that is imported from it, or by why it is not.

    Args:
        file: what the file holds.
        load: imports the network; its NetworkError is the refusal.
    """
    network, refusal = None, None
    try:
        network = load()
    except NetworkError as error:
        refusal = str(error)
    counts, needed, blocking = Counter(file.kinds), Counter(file.needed), Counter(file.blocking)
    weighted = [] if network is None else [op for op in network.every_operator() if isinstance(op, Weighted)]
    narrowable = [] if network is None else list(network.narrowable_operators())
    return Inspection(
        model=file.model,
        size_bytes=file.size_bytes,
        inputs=file.inputs,
        outputs=file.outputs,
        network_inputs=() if network is None else _facts(network, network.inputs),
        network_outputs=() if network is None else _facts(network, network.outputs),
        kinds=tuple(
            KindFacts(kind, count, needed[kind] - blocking[kind], blocking[kind], count - needed[kind])
            for kind, count in counts.most_common()
        ),
        blockers=(),
        refusal=refusal,
        advice=None,
        rescalers=len(narrowable),
        rescaler_channels=sum(operator.rescaler.multiplier.size for operator in narrowable),
        parameters=sum(operator.weights.size + operator.bias.size for operator in weighted),
        macs=0 if network is None else sum(_macs(operator, network) for operator in network.every_operator()),
        weight_bytes=sum(
            operator.weights.nbytes + operator.bias.size * operator.bias_bits // 8 for operator in weighted
        ),
    )


def _facts(network: QuantizedNetwork, indices: Sequence[int]) -> tuple[TensorFacts, ...]:
    return tuple(_fact(network.tensors[index]) for index in indices)


def _fact(spec: TensorSpec) -> TensorFacts:
    return TensorFacts(None, spec.name, (1, *spec.shape), f"INT{spec.bits}", spec.scale, spec.zero_point)


def _macs(operator: Operator, network: QuantizedNetwork) -> int:
    """Returns an operator's multiply-accumulates for one sample."""
    source, target = (network.tensors[index].shape for index in (operator.inputs[0], operator.output))
    match operator:
        case TransposedConvolution():  # every element of the input meets all weights
            return math.prod(source[:-1]) * operator.weights.size
        case Weighted():
            return math.prod(target[:-1]) * operator.weights.size
        case MatrixProduct():
            return math.prod(target) * operator.depth(source)
    return 0
