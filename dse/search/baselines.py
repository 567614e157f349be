"""The designs that every study evaluates beside those of the search: int32, its controls, and everything uniform."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from dse.design import INT16_MULTIPLIER_BITS, DesignPoint, Finetune, Role, SearchSpace, weights_key
from dse.store import StudyStore
from dse.study import SearchSpec
from nets.narrow import RescalerChoice
from nets.network import FULL_MULTIPLIER_BITS, Method

_SHARE = 10  # the baselines before the search are one trial in so many, if none of them is trained
_ENOUGH = 10  # baselines that cost no training, from which the search starts in any case

Baseline = tuple[Role, DesignPoint]


@dataclass(frozen=True, slots=True)
class DueBaseline:
    """A baseline that is evaluated after so many trials of the study."""

    after: int
    role: Role
    point: DesignPoint


def schedule(space: SearchSpace, search: SearchSpec) -> list[DueBaseline]:
    """Returns a study's baselines in the order in which they are due, so that the search starts early.

    If all of them are at most a tenth of the trials, all come first. Otherwise int32 and its controls, int16, the first
    design of every role (the narrowest), and as many more as fit into a tenth come first; if designs may be trained,
    which takes far longer than most designs of the search do, no more. The others follow evenly until half of the study
    is done, those in the middle of a role first. A study that is too short for that has all of them first.

    Args:
        space: the study's search space.
        search: what the study file says of the search.
    """
    designs = baselines(space, search.uniform_multiplier_bits, search.uniform_shift_bits)
    roles: dict[Role, list[Baseline]] = defaultdict(list)
    for role, point in designs:
        roles[role].append((role, point))
    essential = [each for role, own in roles.items() for each in (own if role.is_deployed else own[:1])]
    trained = space.finetune[-1] is not Finetune.NONE
    first = len(essential) if trained else max(len(essential), _ENOUGH, search.trials // _SHARE)
    step = (search.trials / 2 - first) / max(len(designs) - first, 1)
    if len(designs) <= first or step <= 1.0:
        return [DueBaseline(0, *each) for each in designs]
    halved = [_halved(own[1:]) for role, own in roles.items() if not role.is_deployed]
    later = [each for each in chain.from_iterable(zip_longest(*halved)) if each is not None]
    follows = [first + int(at * step) for at in range(1, len(designs) - first + 1)]
    ordered = zip([0] * first + follows, [*essential, *later], strict=True)
    return [DueBaseline(after, *each) for after, each in ordered]


class BaselineQueue:
    """Queues a study's baselines in its storage, each when it is due.

    Args:
        store: stores the trials.
        space: the study's search space.
        search: what the study file says of the search.
    """

    def __init__(self, store: StudyStore, space: SearchSpace, search: SearchSpec) -> None:
        self._store, self._space = store, space
        self._due = deque(schedule(space, search))

    def restore(self) -> None:
        """Leaves out what the storage has, keeps the search from proposing the others, and queues the first ones."""
        present = self._store.designs(self._space, searched=False)
        self._due = deque(each for each in self._due if (each.role, each.point.digest) not in present)
        for baseline in self._due:
            self._store.reserve(self._space, baseline.point)
        self.enqueue_due(0)

    def enqueue_due(self, asked: int) -> None:
        """Queues the baselines that are due after so many trials."""
        while self._due and self._due[0].after <= asked:
            baseline = self._due.popleft()
            self._store.enqueue(self._space, baseline.point, baseline.role)


def _halved(designs: list[Baseline]) -> list[Baseline]:
    """Returns designs in another order: the middle one, then those in the middle of either half, and so on."""
    ordered, parts = [], [designs]
    while parts := [part for part in parts if part]:
        ordered += [part[len(part) // 2] for part in parts]
        parts = [half for part in parts for half in (part[: len(part) // 2], part[len(part) // 2 + 1 :])]
    return ordered


def baselines(space: SearchSpace, uniform_bits: Iterable[int], uniform_windows: Iterable[int] = ()) -> list[Baseline]:
    """Returns the designs that every study evaluates, as (role, point), each design once.

    They are int32; int32 with every training that designs may have; int16; uniform widths by every method; uniform
    windows at one bit; and, if the widths of the weights vary, each of these for all layers, at int32 and on the
    narrowest rungs. All but int32, its controls and int16 obey the study: widths, methods and windows that no rescaler
    may have are left out, and rescalers with rules of their own take the nearest that their rules allow.

    Args:
        space: the study's search space.
        uniform_bits: multiplier widths of the uniform designs, in bits.
        uniform_windows: shift windows of the uniform designs, in bits.
    """
    untrained, *trained = space.finetune
    int32 = [(Role.INT32, untrained), *((Role.CONTROL, level) for level in trained)]
    designs = [(role, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, level)) for role, level in int32]
    designs.append((Role.INT16, space.uniform(INT16_MULTIPLIER_BITS, Method.ROUND, untrained)))
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
    choices = [RescalerChoice(width, method) for width in sorted(uniform_bits) if width in widths for method in methods]
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
