"""The designs that every study evaluates beside those of the search: int32, its controls, and everything uniform."""

from collections.abc import Iterable, Iterator

from dse.design import DesignPoint, Role, SearchSpace, weights_key
from nets.narrow import RescalerChoice
from nets.network import FULL_MULTIPLIER_BITS, Method


def baselines(
    space: SearchSpace, uniform_bits: Iterable[int], uniform_windows: Iterable[int] = ()
) -> list[tuple[Role, DesignPoint]]:
    """Returns the designs that every study evaluates, as (role, point), each design once.

    They are int32; int32 with every training that designs may have; uniform widths by every method; uniform windows at
    one bit; and, if the widths of the weights vary, each of these for all layers, at int32 and on the narrowest rungs.
    All but int32 and its controls obey the study: widths, methods and windows that no rescaler may have are left out,
    and rescalers with rules of their own take the nearest that their rules allow.

    Args:
        space: the study's search space.
        uniform_bits: multiplier widths of the uniform designs, in bits.
        uniform_windows: shift windows of the uniform designs, in bits.
    """
    untrained, *trained = space.finetune
    int32 = [(Role.INT32, untrained), *((Role.CONTROL, level) for level in trained)]
    designs = [(role, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, level)) for role, level in int32]
    seen = {point.digest for _, point in designs}
    for role, point in _uniform(space, tuple(uniform_bits), tuple(uniform_windows)):
        if (allowed := space.point(space.snapped(space.parameters(point)))).digest not in seen:
            seen.add(allowed.digest)
            designs.append((role, allowed))
    return designs


def _uniform(
    space: SearchSpace, uniform_bits: tuple[int, ...], uniform_windows: tuple[int, ...]
) -> Iterator[tuple[Role, DesignPoint]]:
    widths = {width for variable in space.rescalers for width in variable.multiplier_bits}
    methods = sorted({method for variable in space.rescalers for method in variable.methods})
    windows = sorted({bits for v in space.rescalers if v.shifts for bits in v.shifts.bits if bits in uniform_windows})
    choices = [RescalerChoice(width, method) for width in uniform_bits if width in widths for method in methods]
    windowed = [RescalerChoice(1, Method.ABSORB, w) for w in windows if 1 in widths and Method.ABSORB in methods]
    yield from ((Role.uniform(choice.method), _all(space, choice)) for choice in choices)
    yield from ((Role.UNIFORM_WINDOW, _all(space, choice)) for choice in windowed)
    rungs = [RescalerChoice(FULL_MULTIPLIER_BITS, Method.ROUND)]
    rungs += [*(RescalerChoice(min(widths), method) for method in methods), *windowed]
    for bits in sorted({bits for v in space.rescalers if v.weights for bits in v.weights.bits}):
        yield from ((Role.UNIFORM_WEIGHTS, _all(space, choice, bits)) for choice in rungs)


def _all(space: SearchSpace, choice: RescalerChoice, weight_bits: int | None = None) -> DesignPoint:
    """Returns the design with one choice, and one width of the weights, everywhere, at the last level of training."""
    weights = {} if weight_bits is None else {weights_key(v.name): weight_bits for v in space.rescalers if v.weights}
    return space.design({variable.name: choice for variable in space.rescalers}, space.finetune[-1], weights)
