"""Accumulators between an int8 tensor and the RESCALE that ends an operator, as far as they are known."""

from dataclasses import dataclass

from nets.importers.tosa.graph import RawOperator
from nets.importers.tosa.rescalers import Stated
from nets.network import ElementwiseKind, IntArray, Pads, WeightArray


@dataclass(frozen=True, slots=True)
class Centred:
    """``(x - zero) << left_shift`` of an int8 tensor."""

    source: int
    zero: int
    left_shift: int


@dataclass(frozen=True, eq=False, slots=True)
class Scaled:
    """A centred tensor, rescaled: an input of a sum."""

    centred: Centred
    constants: Stated


Side = Centred | Scaled


@dataclass(frozen=True, eq=False, slots=True)
class Products:
    """Sums of products of a tensor with weights, and a bias.

    Attributes:
        raw: the operator of the file.
        source: the tensor.
        zero: its zero point.
        weights: int8, or int16 less their zero point; ``[out, height, width, in / groups]``, or ``[out, in]`` of a
            fully connected layer.
        weight_zero: what was subtracted from stored weights.
        bias: int64 ``[out]``.
    """

    raw: RawOperator
    source: int
    zero: int
    weights: WeightArray
    weight_zero: int
    bias: IntArray
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Pads
    groups: int


@dataclass(frozen=True, eq=False, slots=True)
class Total:
    """A sum or difference of two tensors."""

    kind: ElementwiseKind
    left: Side
    right: Side


@dataclass(frozen=True, slots=True)
class Product:
    """A product of two tensors."""

    left: Centred
    right: Centred


@dataclass(frozen=True, slots=True)
class Reduced:
    """A sum over axes of one tensor, from 0 without the batch."""

    centred: Centred
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The smaller or larger of two tensors."""

    left: Centred
    right: Centred
    largest: bool


Wide = Centred | Scaled | Products | Total | Product | Reduced | Chosen
