"""Shared parts of the node converters: tensors and operators made so far, and the layout of every tensor."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import fx

from nets.errors import NetworkError
from nets.importers.limits import SCALE_MIN
from nets.importers.pytorch import nodes
from nets.importers.pytorch.movement import Moved, order, unmoved
from nets.importers.pytorch.sharing import shared_ranges
from nets.importers.pytorch.tracing import Trace
from nets.narrow import RealWeights
from nets.network import (
    FULL_MULTIPLIER_BITS,
    ActivationArray,
    Contract,
    FloatArray,
    IntArray,
    Operator,
    QuantizedNetwork,
    Rearrangement,
    Rescaler,
    Reshape,
    TensorSpec,
    Transpose,
    rescaler_from_scale,
)

IMAGE_RANK = 3


@dataclass(frozen=True, eq=False)
class RealValues:
    """What a converted network's integers stand for, beyond the scales of its tensors.

    Attributes:
        weights: real weights and biases by operator name, batch norm folded.
        bounds: real bounds of the activations, by the name of the operator that clamps.
        constants: real values of constant operands, by tensor index.
    """

    weights: dict[str, RealWeights]
    bounds: dict[str, tuple[float, float]]
    constants: dict[int, FloatArray]


def affine_spec(name: str, shape: tuple[int, ...], low: float, high: float) -> TensorSpec:
    """Chooses the int8 quantization of ``[low, high]``, widened to hold 0; scales are float32 values, as in models."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(float(np.float32((high - low) / 255 if high > low else 1 / 255)), SCALE_MIN)
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    return TensorSpec(name, shape, scale, zero_point)


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns a tensor's shape as the network has it: images have their channels last."""
    return (*shape[1:], shape[0]) if len(shape) == IMAGE_RANK else shape


def axis_of(dim: int, rank: int) -> int:
    """Returns the network's axis, without the batch, of torch's dimension, with the batch, of ``rank + 1``."""
    return (dim - 2) % IMAGE_RANK if rank == IMAGE_RANK else dim - 1


class Builder:
    """Collects tensors and operators while converters run.

    Attributes:
        trace: the float network.
        name: the name of the network.
        weight_bits: width of the weights, in bits.
        contract: rounding contract of every rescaler.
        real: what the integers stand for.
        flattened: torch's shapes of images that were flattened in the order of channels last, by the result's index.
    """

    def __init__(self, trace: Trace, name: str, weight_bits: int, contract: Contract) -> None:
        self.trace, self.name, self.weight_bits, self.contract = trace, name, weight_bits, contract
        self.real = RealValues({}, {}, {})
        self.flattened: dict[int, tuple[int, ...]] = {}
        self._ranges = shared_ranges(trace)
        self._tensors: list[TensorSpec] = []
        self._operators: list[Operator] = []
        self._constants: dict[int, ActivationArray] = {}
        self._made: dict[fx.Node, int] = {}
        self._moved: dict[fx.Node, Moved] = {}

    def network(self, outputs: tuple[fx.Node, ...]) -> QuantizedNetwork:
        """Returns what was converted, with these results."""
        made = tuple(self.index(node) for node in outputs)
        tensors, operators = tuple(self._tensors), tuple(self._operators)
        return QuantizedNetwork(self.name, tensors, operators, (0,), made, self._constants)

    def is_made(self, node: fx.Node) -> bool:
        """Returns whether a node was converted, on its own or with the operator before it."""
        return node in self._made or node in self._moved

    def index(self, node: fx.Node) -> int:
        """Returns a node's tensor; moves that lead to it become an operator if nothing has read it before."""
        if node not in self._made:
            self._made[node] = self._materialized(node)
        return self._made[node]

    def spec(self, node: fx.Node) -> TensorSpec:
        """Returns the spec of a node's tensor."""
        return self._tensors[self.index(node)]

    def spec_at(self, index: int) -> TensorSpec:
        """Returns the spec at an index."""
        return self._tensors[index]

    def tensor(self, node: fx.Node, like: TensorSpec | None = None) -> int:
        """Adds a node's tensor, channels last, with the quantization of ``like`` or of its own range."""
        shape = channels_last(self.trace.shapes[node])
        spec = affine_spec(node.name, shape, *self._ranges[node])
        self._made[node] = self.add(spec if like is None else replace(like, name=node.name, shape=shape))
        return self._made[node]

    def chosen(self, node: fx.Node) -> TensorSpec:
        """Returns the spec that a node's range gives its tensor, without adding it."""
        return affine_spec(node.name, channels_last(self.trace.shapes[node]), *self._ranges[node])

    def add(self, spec: TensorSpec) -> int:
        """Adds a tensor that is no node's."""
        self._tensors.append(spec)
        return len(self._tensors) - 1

    def constant(self, name: str, values: FloatArray) -> int:
        """Adds a constant operand, rounded to symmetric int8."""
        largest = float(np.abs(values).max())
        scale = float(np.float32(max((largest if largest > 0 else 1.0) / 127, SCALE_MIN)))
        index = self.add(TensorSpec(name, values.shape, scale, 0))
        self._constants[index] = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        self.real.constants[index] = values
        return index

    def same(self, node: fx.Node, source: fx.Node) -> None:
        """Notes that a node's tensor is another one's."""
        self._made[node] = self.index(source)

    def move(self, node: fx.Node, moves: Moved) -> None:
        """Notes what a node makes of a tensor by moves alone; the first reader makes an operator of it."""
        self._moved[node] = moves

    def movable(self, node: fx.Node) -> Moved:
        """Returns a node's tensor as moves of one that an operator makes."""
        return self._moved.get(node) or unmoved(node, self.trace.shapes[node])

    def placed(self, kind: str, output: int, *inputs: int) -> dict[str, Any]:
        """Returns the fields that every operator has."""
        return {"name": f"{kind}_{len(self._operators)}", "inputs": inputs, "output": output}

    def append(self, operator: Operator) -> None:
        """Adds an operator."""
        self._operators.append(operator)

    def rescaler(self, scale: FloatArray | float) -> Rescaler:
        """Rounds effective scales to a rescaler of full width."""
        return rescaler_from_scale(np.atleast_1d(np.asarray(scale)), FULL_MULTIPLIER_BITS, self.contract)

    def check_rank(self, node: fx.Node, *ranks: int) -> None:
        """Raises a NetworkError if a node's input has none of these numbers of dimensions besides the batch."""
        shape = self.trace.shapes[nodes.source(node)]
        if len(shape) not in ranks:
            raise NetworkError(
                f"operation {node.name!r} of {self.name!r} reads [batch, {', '.join(map(str, shape))}]; "
                f"{' or '.join(map(str, ranks))} dimensions besides the batch are supported"
            )

    def rescaled(
        self, node: fx.Node, kind: str, *inputs: int, fused: tuple[fx.Node, tuple[float, float]] | None = None
    ) -> tuple[TensorSpec, dict[str, Any]]:
        """Adds the output of an operator with its fused activation; returns its spec and the operator's fields.

        Args:
            node: the node that the operator computes.
            kind: what its name begins with.
            inputs: the tensors that it reads.
            fused: the node that it ends in, and its real bounds; the clamp that reads the node by default.
        """
        last, bounds = self._activated(node) if fused is None else fused
        output = self.tensor(last)
        self._made[node] = output
        spec, fields = self._tensors[output], self.placed(kind, output, *inputs)
        if bounds is not None:
            self.real.bounds[fields["name"]] = bounds
        steps = (np.rint(spec.zero_point + real / spec.scale) for real in bounds or (-np.inf, np.inf))
        q_min, q_max = (int(np.clip(step, spec.q_min, spec.q_max)) for step in steps)
        return spec, {**fields, "q_min": q_min, "q_max": q_max}

    def _activated(self, node: fx.Node) -> tuple[fx.Node, tuple[float, float] | None]:
        """Returns the node whose output is the operator's, with a fused activation if any, and its real bounds."""
        if len(node.users) == 1:
            (user,) = node.users
            if (bounds := nodes.activation(user, self.trace)) is not None:
                return user, bounds
        return node, None

    def _materialized(self, node: fx.Node) -> int:
        moves, root = self._moved[node], self._moved[node].source
        if node not in self.trace.shapes:
            raise NetworkError(
                f"operation {node.name!r} of {self.name!r} mixes samples; the first dimension is the batch"
            )
        source, spec = self.index(root), self.spec(root)
        places = _places(self.trace.shapes[root])
        positions = _last(places[order(node, moves, self.trace.shapes[root])])
        if (permutation := _permutation(positions.reshape(-1), spec.shape)) is None:
            output = self.tensor(node, like=spec)
            positions.flags.writeable = False
            self.append(Rearrangement(**self.placed("rearrangement", output, source), positions=positions))
            return output
        shape = tuple(spec.shape[axis] for axis in permutation)
        if permutation != tuple(range(len(shape))):
            whole = shape == positions.shape
            output = (
                self.tensor(node, spec) if whole else self.add(replace(spec, name=f"{node.name}_axes", shape=shape))
            )
            self.append(Transpose(**self.placed("transpose", output, source), permutation=permutation))
            source = output
        if positions.shape == shape:
            return source
        output = self.tensor(node, spec)
        self.append(Reshape(**self.placed("reshape", output, source)))
        return output


def _permutation(positions: IntArray, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Returns the axes in the order in which positions run through a tensor of this shape, or None."""
    whole = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    if positions.size != whole.size:
        return None
    orders = itertools.permutations(range(len(shape)))
    return next((axes for axes in orders if np.array_equal(whole.transpose(axes).reshape(-1), positions)), None)


def _places(shape: tuple[int, ...]) -> IntArray:
    """Returns where the network has each element of a tensor, in torch's order, int64 ``[elements]``."""
    own = np.arange(np.prod(shape), dtype=np.int64).reshape(channels_last(shape))
    return np.moveaxis(own, -1, 0).reshape(-1) if len(shape) == IMAGE_RANK else own.reshape(-1)


def _last(positions: IntArray) -> IntArray:
    """Returns positions of torch's layout in the network's."""
    return np.ascontiguousarray(np.moveaxis(positions, 0, -1) if positions.ndim == IMAGE_RANK else positions)
