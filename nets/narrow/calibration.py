"""Calibration: a narrowed network follows its int32 network on unlabelled samples, without gradients.

From the network's input to its output, each layer that absorbs gets the shifts and the integer weights whose errors
change its accumulators least (:mod:`nets.narrow.covariance`), and then the bias that gives every channel the mean that
it has in the int32 network (bias correction: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
and Bias Correction", section 4.2). The narrowed network sees its own, already corrected activations.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from nets.errors import NetworkError
from nets.execute import run_by_layer
from nets.narrow.absorption import ScaleError, error_at, steps_at, unless_clipped
from nets.narrow.choice import RescalerChoice
from nets.narrow.covariance import Covariance, by_group, covariance_of, from_groups, group_count
from nets.narrow.narrowing import check_rounded_windows, narrowable, narrowed, with_absorbing_scales
from nets.narrow.rounding import rounded_to
from nets.narrow.statistics import ValueCounts, input_patches, input_sums, value_counts
from nets.narrow.weights import RealWeights, real_weights, requantized
from nets.network import (
    FULL_MULTIPLIER_BITS,
    ActivationArray,
    ElementwiseProduct,
    ElementwiseSum,
    FloatArray,
    IntArray,
    LstmRecurrence,
    MatrixProduct,
    Method,
    NarrowableOperator,
    Operator,
    QuantizedNetwork,
    Weighted,
    as_weights,
    quantize_bias,
    with_multiplier_bits,
)

_MOST_BYTES = 2**28  # of weights that are kept for further designs
# Steps of narrow weights, as shares of the step that just covers the largest one (clipping few large weights can pay).
_SHRINKING = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def _unnoticed(_operator: Operator) -> None:
    """Takes notice of no operator."""


class Calibration:
    """Unlabelled samples, and what the int32 network computes from them; made once, used for many designs.

    Args:
        reference: the network at int32 (Q31).
        inputs: one int8 or int16 array ``[samples, *shape]`` per network input; labels are not needed.
        originals: real weights of the float model to requantize from; the values of the integer weights by default.
        seed: seed of the output positions that covariances are computed from.
        on_operator: called after every operator that was observed, and after every one that was narrowed.

    Raises:
        NetworkError: number, types or shapes of the inputs are not the network's.
    """

    def __init__(
        self,
        reference: QuantizedNetwork,
        *inputs: ActivationArray,
        originals: Mapping[str, RealWeights] | None = None,
        seed: int = 0,
        on_operator: Callable[[Operator], None] = _unnoticed,
    ) -> None:
        self._inputs = inputs
        self._on_operator = on_operator
        self._originals = originals if originals is not None else real_weights(reference)
        self._layers: dict[str, _Layer] = {}
        self._made: OrderedDict[tuple[object, ...], Weighted] = OrderedDict()  # the latest last
        self._made_bytes = 0
        self._values: dict[int, ValueCounts] = {}
        summed = {
            index
            for operator in reference.operators
            if isinstance(operator, ElementwiseSum | ElementwiseProduct | MatrixProduct)
            for index in (*operator.inputs, operator.output)
        }
        hidden = {
            operator.output: operator.hidden.output
            for operator in reference.operators
            if isinstance(operator, LstmRecurrence) and operator.projection is None
        }
        summed.update(hidden)

        def observe(operator: Operator, inputs: Sequence[Sequence[Tensor]]) -> Operator:
            if isinstance(operator, Weighted):
                self._layers[operator.name] = _observed(operator, reference, inputs[0], seed)
            for index, chunks in zip(operator.inputs, inputs, strict=True):
                if index in summed and index not in self._values:
                    self._values[index] = value_counts(reference.tensors[index], chunks)
            on_operator(operator)
            return operator

        run_by_layer(reference, inputs, observe)
        self._values |= {hidden[index]: self._values[index] for index in hidden.keys() & self._values.keys()}

    def narrow(self, network: QuantizedNetwork, choices: Mapping[str, RescalerChoice]) -> QuantizedNetwork:
        """Narrows a network and calibrates it.

        Layers under ``absorb`` get new weights and biases. Those under ``round``, and those without a choice, keep
        their integers, unless their weights have fewer bits than the reference's. The reference itself, with int32
        rescalers, stays what it is.

        Args:
            network: the reference, or the reference with narrower weights or under another contract.
            choices: choices by operator name.

        Raises:
            NetworkError: as :func:`nets.narrow.narrow` does; or a layer is not one of the reference.
        """
        network = with_absorbing_scales(network, choices, self._scale_error(network))
        weighted = {operator.name for operator in network.operators if isinstance(operator, Weighted)}
        if strange := sorted(weighted - self._layers.keys()):
            raise NetworkError(f"{', '.join(strange)}: not a layer of the network that was calibrated")

        def make(operator: Operator, inputs: Sequence[Sequence[Tensor]]) -> Operator:
            made = self._narrowed(operator, network, choices, inputs[0])
            self._on_operator(made)
            return made

        made = run_by_layer(network, self._inputs, make)
        check_rounded_windows(made, choices)
        return made

    def _scale_error(self, network: QuantizedNetwork) -> ScaleError:
        """Returns the error of scales by the values that tensors had in the reference; of others, as without data."""
        otherwise = unless_clipped(network)

        def error_of(index: int, scale: float) -> float:
            counts = self._values.get(index)
            return otherwise(index, scale) if counts is None else counts.error_at(scale)

        return error_of

    def _narrowed(
        self,
        operator: Operator,
        network: QuantizedNetwork,
        choices: Mapping[str, RescalerChoice],
        inputs: Sequence[Tensor],
    ) -> Operator:
        """Returns an operator narrowed, and calibrated if its weights are free."""
        choice = choices.get(operator.name)
        if isinstance(operator, Weighted) and self._layers[operator.name].is_free(operator, choice):
            return self._corrected(self._weighted(operator, network, choice), network, inputs)
        if choice is not None:
            return narrowed(narrowable(network, operator.name), network, choice, self._originals)
        return operator.with_parts([self._part(part, network, choices.get(part.name)) for part in operator.parts])

    def _part(
        self, part: NarrowableOperator, network: QuantizedNetwork, choice: RescalerChoice | None
    ) -> NarrowableOperator:
        """Returns a part narrowed by its own weights: its inputs change with what the other parts compute."""
        return part if choice is None else narrowed(part, network, choice, self._originals)

    def _weighted(self, operator: Weighted, network: QuantizedNetwork, choice: RescalerChoice | None) -> Weighted:
        """Returns a layer with its narrowed rescaler and error-aware weights; its bias is not corrected yet.

        The weights depend on the reference's activations alone, so designs that choose the same for a layer share them;
        those that were not used for the longest time are dropped if all take too much memory.
        """
        scales = network.tensors[operator.inputs[0]].scale, network.tensors[operator.output].scale
        key = (operator.name, choice, operator.weight_bits, operator.rescaler.contract.name, scales)
        if key in self._made:
            self._made.move_to_end(key)
        else:
            layer, original = self._layers[operator.name], self._originals[operator.name]
            if choice is None or choice.method is Method.ROUND:
                operator = _reweighted(operator, network, original, layer)
            if choice is not None:
                operator = narrowed(operator, network, choice, self._originals, layer)
            self._keep(key, operator)
        return self._made[key]

    def _keep(self, key: tuple[object, ...], operator: Weighted) -> None:
        self._made[key] = operator
        self._made_bytes += operator.weights.nbytes
        while self._made_bytes > _MOST_BYTES and len(self._made) > 1:
            _, dropped = self._made.popitem(last=False)
            self._made_bytes -= dropped.weights.nbytes

    def _corrected(self, operator: Weighted, network: QuantizedNetwork, inputs: Sequence[Tensor]) -> Weighted:
        """Returns a layer with the biases that give each channel the int32 network's mean accumulator."""
        layer = self._layers[operator.name]
        sums = input_sums(operator, network, inputs)
        wanted = layer.totals * (layer.unit / (network.tensors[operator.inputs[0]].scale * operator.weight_scale))
        bias: FloatArray = (wanted - sums.accumulator_totals(operator)) / sums.count
        return replace(operator, bias=quantize_bias(bias, np.ones(1), operator.bias_bits))


@dataclass(frozen=True, eq=False, slots=True)
class _Layer:
    """What calibration knows of one layer of the int32 network; judges and rounds weights by its inputs' covariance.

    Attributes:
        totals: sums of its accumulators, biases included, int64 ``[out]``.
        unit: what one step of an accumulator stands for, ``s_x * s_w``, ``[out]`` or ``[1]``.
        weight_bits: width of its weights, in bits.
        groups: number of groups of outputs that see different inputs.
    """

    totals: IntArray
    unit: FloatArray
    weight_bits: int
    groups: int
    covariance: Covariance

    def is_free(self, operator: Weighted, choice: RescalerChoice | None) -> bool:
        """Returns whether calibration may change the layer's weights and biases."""
        absorbs = choice is not None and choice.method is Method.ABSORB
        return absorbs or operator.weight_bits < self.weight_bits

    def variances(self, errors: FloatArray) -> FloatArray:
        """Returns the variance of each output's accumulators, ``[out]``, from errors of weights, ``[out, ...]``."""
        return self.covariance.error_variances(by_group(errors, self.groups))

    def rounded(self, steps: FloatArray, limits: tuple[int, int]) -> FloatArray:
        """Returns the integer weights that change the accumulators least, from real ones in steps, ``[out, ...]``."""
        return from_groups(rounded_to(by_group(steps, self.groups), limits, self.covariance), steps.shape)


def _observed(operator: Weighted, network: QuantizedNetwork, inputs: Sequence[Tensor], seed: int) -> _Layer:
    """Returns what a layer of the int32 network computes from these inputs."""
    sums = input_sums(operator, network, inputs)
    return _Layer(
        totals=sums.accumulator_totals(operator) + operator.bias * sums.count,
        unit=network.tensors[operator.inputs[0]].scale * operator.weight_scale,
        weight_bits=operator.weight_bits,
        groups=group_count(operator),
        covariance=covariance_of(operator, input_patches(operator, network, inputs, seed)),
    )


def _reweighted(operator: Weighted, network: QuantizedNetwork, original: RealWeights, layer: _Layer) -> Weighted:
    """Returns a layer of narrow weights whose steps and integers change the accumulators least; its rescaler stays."""
    limits, weights = operator.weight_range, original.weights

    candidates = np.stack([operator.weight_scale * share for share in _SHRINKING])
    best = np.stack([error_at(scale, weights, limits, layer) for scale in candidates]).argmin(axis=0)
    scale = np.take_along_axis(candidates, best[None], axis=0)[0]
    source = network.tensors[operator.inputs[0]].scale
    made = replace(
        requantized(operator, original, source, scale, operator.weight_bits),
        weights=as_weights(
            layer.rounded(steps_at(scale, weights), limits), operator.weight_bits, operator.weight_zero_point
        ),
    )
    return with_multiplier_bits(made, network.tensors, FULL_MULTIPLIER_BITS)
