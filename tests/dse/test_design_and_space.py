"""Design points, the search space, and their mapping to Optuna's parameters."""

import json

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.design.point import DesignPoint, Finetune, Surroundings
from dse.design.roles import Role
from dse.design.space import (
    FINETUNE,
    NATURAL,
    RescalerVariable,
    SearchSpace,
    SharedVariable,
    ShiftVariable,
    WeightsVariable,
    bits_key,
    method_key,
    shift_key,
    weights_key,
)
from dse.errors import StudyError
from dse.search.baselines import baselines
from dse.search.sampler import make_sampler
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests.small_studies import small_spec

BOTH = (Method.ROUND, Method.ABSORB)
WIDTHS = st.lists(st.integers(1, 31), unique=True, min_size=1, max_size=12).map(lambda bits: tuple(sorted(bits)))
VARIABLES = st.builds(
    lambda bits, methods: (bits, methods), WIDTHS, st.sampled_from([BOTH, (Method.ROUND,), (Method.ABSORB,)])
)
WEIGHTS = st.none() | st.sets(st.integers(3, 8), min_size=1).map(lambda bits: tuple(sorted(bits)))
WINDOWS = st.none() | st.sets(st.none() | st.integers(0, 5), min_size=1).map(
    lambda windows: tuple(sorted(windows, key=lambda window: 6 if window is None else window))
)
SHARED = st.lists(
    st.sampled_from(
        [
            SharedVariable("contract", ("floor", "half_up"), "half_up"),
            SharedVariable("style", ("shared",), "streaming"),
            SharedVariable("lanes", (1, 4, 16), 2),
        ]
    ),
    unique=True,
).map(tuple)


def _variable(
    index: int,
    widths: tuple[int, ...],
    methods: tuple[Method, ...],
    weights: tuple[int, ...] | None,
    windows: tuple[int | None, ...] | None,
) -> RescalerVariable:
    name = f"conv_{index}"
    return RescalerVariable(
        name,
        widths,
        methods,
        weights=WeightsVariable((name,), weights, 8) if weights is not None else None,
        shifts=ShiftVariable((name,), windows) if windows is not None else None,
    )


SPACES = st.builds(
    lambda variables, weights, windows, finetune, shared, calibration: SearchSpace(
        tuple(_variable(i, *v, weights, windows) for i, v in enumerate(variables)),
        finetune,
        shared=shared,
        calibration=calibration,
    ),
    st.lists(VARIABLES, min_size=1, max_size=5),
    WEIGHTS,
    WINDOWS,
    st.sampled_from([(Finetune.NONE,), (Finetune.NONE, Finetune.SHORT)]),
    SHARED,
    st.sampled_from([0, 64]),
)
CHOICES = st.builds(RescalerChoice, st.integers(1, 31), st.sampled_from(BOTH), st.none() | st.integers(0, 5))
POINTS = st.builds(
    DesignPoint.of,
    st.dictionaries(st.text(min_size=1), CHOICES, min_size=1, max_size=6),
    st.sampled_from(Finetune),
    st.dictionaries(st.text(min_size=1), st.integers(3, 8), max_size=3),
    st.builds(
        Surroundings,
        st.sampled_from([None, "floor"]),
        st.sampled_from([None, "shared"]),
        st.none() | st.integers(1, 9),
    ),
    st.integers(0, 2),
)


def contains(distribution: BaseDistribution, value: object) -> bool:
    if isinstance(distribution, IntDistribution):
        return isinstance(value, int) and distribution.low <= value <= distribution.high
    return isinstance(distribution, CategoricalDistribution) and value in distribution.choices


def a_point(space: SearchSpace, data: st.DataObject) -> DesignPoint:
    choices = {
        v.name: RescalerChoice(
            data.draw(st.sampled_from(v.multiplier_bits)),
            data.draw(st.sampled_from(v.methods)),
            data.draw(st.sampled_from(v.shifts.bits)) if v.shifts else None,
        )
        for v in space.rescalers
    }
    keys = [weights_key(v.name) for v in space.rescalers if v.weights] + [choice.key for choice in space.shared]
    others = {key: data.draw(st.sampled_from(space.values[key])) for key in keys}
    return space.design(choices, data.draw(st.sampled_from(space.finetune)), others)


@given(POINTS)
def test_json_round_trip_is_canonical(point: DesignPoint) -> None:
    again = DesignPoint.from_json(point.to_json())
    assert again == point
    assert again.to_json() == point.to_json()
    assert again.digest == point.digest


@given(POINTS, POINTS)
def test_digests_differ_where_points_do(one: DesignPoint, other: DesignPoint) -> None:
    assert (one == other) == (one.digest == other.digest)


def test_at_full_width_there_is_nothing_to_absorb() -> None:
    absorb, round_ = (DesignPoint.of({"a": RescalerChoice(31, method)}, Finetune.NONE) for method in reversed(BOTH))
    assert absorb == round_
    assert absorb.digest == round_.digest


def test_a_window_has_an_effect_only_on_absorbed_narrow_multipliers() -> None:
    natural = (DesignPoint.of({"a": RescalerChoice(k, Method.ROUND)}, Finetune.NONE) for k in (31, 4))
    windowed = (DesignPoint.of({"a": RescalerChoice(k, Method.ROUND, 0)}, Finetune.NONE) for k in (31, 4))
    assert list(natural) == list(windowed)
    assert DesignPoint.of({"a": RescalerChoice(31, Method.ABSORB, 2)}, Finetune.NONE).choices == (
        ("a", RescalerChoice(31)),
    )
    absorbed = [DesignPoint.of({"a": RescalerChoice(1, Method.ABSORB, s)}, Finetune.NONE) for s in (None, 0, 3)]
    assert len({point.digest for point in absorbed}) == 3


def test_only_designs_that_calibration_can_change_are_calibrated(digits: PreparedStudy) -> None:
    search = small_spec(
        search__objectives=["val_accuracy_drop_pp", "accelerator_area_um2"], search__weight_bits=[3, 4]
    ).search
    space = space_over(digits.operators, search, Finetune.SHORT, calibration=64)
    int32 = space.uniform(31, Method.ROUND, Finetune.SHORT)
    assert int32.calibration == 0
    assert space.uniform(4, Method.ROUND, Finetune.SHORT).calibration == 0, "its weights are frozen"
    assert space.uniform(31, Method.ABSORB, Finetune.SHORT) == int32
    assert space.uniform(4, Method.ABSORB, Finetune.SHORT).calibration == 64
    narrower = space.point({**space.parameters(int32), "conv_0.weight_bits": 3})
    assert narrower.calibration == 64, "its weights are not those of int32"
    assert json.loads(narrower.to_json())["calibration"] == 64


def test_digest_and_json_are_stable_between_versions() -> None:
    """Stored designs must be recognised by later versions."""
    point = DesignPoint.of({"conv_0": RescalerChoice(4, Method.ABSORB)}, Finetune.SHORT)
    assert point.to_json() == '{"finetune":"short","rescalers":{"conv_0":{"bits":4,"method":"absorb"}}}'
    assert point.digest == "30f84568c82f3f5b"


@given(st.data(), SPACES)
def test_point_to_parameters_and_back(data: st.DataObject, space: SearchSpace) -> None:
    point = a_point(space, data)
    parameters = space.parameters(point)
    assert parameters.keys() == space.distributions.keys()
    for key, value in parameters.items():
        assert contains(space.distributions[key], value)
        full = key.endswith(".method") and parameters[key.replace(".method", ".multiplier_bits")] == 31
        without_effect = key.endswith(".shift_bits") and value == NATURAL
        assert value in space.values[key] or (full and value == Method.ROUND) or without_effect, (
            "at full width the method means nothing, nor does a window under round"
        )
    assert space.point(parameters).digest == point.digest
    assert space.point(space.snapped(parameters)).digest == point.digest


@given(st.data(), SPACES)
def test_snapping_gives_the_nearest_width_and_nothing_else(data: st.DataObject, space: SearchSpace) -> None:
    raw: dict[str, object] = {}
    for key, distribution in space.distributions.items():
        if isinstance(distribution, IntDistribution):
            raw[key] = data.draw(st.integers(distribution.low, distribution.high))
        elif isinstance(distribution, CategoricalDistribution):
            raw[key] = data.draw(st.sampled_from(distribution.choices))
    snapped = space.snapped(raw)
    assert space.snapped(snapped) == snapped
    for variable in space.rescalers:
        key = bits_key(variable.name)
        nearest = min(abs(width - int(str(raw[key]))) for width in variable.multiplier_bits)
        assert abs(int(str(snapped[key])) - int(str(raw[key]))) == nearest
        assert snapped[key] in variable.multiplier_bits
        method = raw[method_key(variable.name)]
        allowed = [each.value for each in variable.methods]
        assert snapped[method_key(variable.name)] == (method if method in allowed else allowed[0])


@given(st.data(), SPACES, st.integers(0, 2**32 - 1))
def test_a_mutation_changes_one_parameter_within_the_space(data: st.DataObject, space: SearchSpace, seed: int) -> None:
    before = space.snapped(space.parameters(a_point(space, data)))
    after = space.mutated(before, np.random.default_rng(seed))
    changed = [key for key in before if before[key] != after[key]]
    assert len(changed) <= 1
    assert all(after[key] in space.values[key] for key in after)
    if all(len(values) > 1 for values in space.values.values()):
        assert len(changed) == 1


def test_space_comes_from_the_network(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, Finetune.SHORT)
    assert [v.name for v in space.rescalers] == [op.name for op in digits.members[0].network.narrowable_operators()]
    assert all(v.methods == BOTH for v in space.rescalers)
    assert all(v.multiplier_bits == (*range(1, 17), 31) for v in space.rescalers)
    assert FINETUNE in space.distributions


def test_baselines_obey_the_study_but_for_int32(digits: PreparedStudy) -> None:
    spec = small_spec(
        search__multiplier_bits=[6, 3],
        search__uniform_multiplier_bits=[2, 3, 9],
        search__methods=["absorb"],
        fidelity__finetune="none",
    )
    space = space_over(digits.operators, spec.search, Finetune.NONE)
    assert {v.multiplier_bits for v in space.rescalers} == {(3, 6)}
    wanted = baselines(space, (2, 3, 9))
    assert wanted == [
        ("int32", space.uniform(31, Method.ROUND, Finetune.NONE)),
        ("int16", space.uniform(15, Method.ROUND, Finetune.NONE)),
        ("uniform_absorb", space.uniform(3, Method.ABSORB, Finetune.NONE)),
    ]
    for _, point in wanted:
        parameters = space.parameters(point)
        for key, value in parameters.items():
            assert contains(space.distributions[key], value)
        assert space.point(parameters) == point
    assert FINETUNE not in space.distributions


def test_rules_bound_freeze_and_tie(digits: PreparedStudy) -> None:
    search = small_spec(
        search__rescalers=[
            {"names": "conv_*", "multiplier_bits": [2, 4, 8], "tied": True},
            {"names": "fc_7", "multiplier_bits": [6], "methods": ["round"]},
            {"names": "add_3", "multiplier_bits": [31]},
            {"names": "add*", "multiplier_bits": [5]},  # the later rule comes first
        ]
    ).search
    space = space_over(digits.operators, search, Finetune.NONE)
    variables = {v.name: v for v in space.rescalers}
    assert list(variables) == ["conv_*", "depthwise_1", "add_3", "fc_7"]
    assert variables["conv_*"].multiplier_bits == (2, 4, 8)
    assert variables["conv_*"].tied == ("conv_0", "conv_2", "conv_4")
    assert (variables["fc_7"].multiplier_bits, variables["fc_7"].methods) == ((6,), (Method.ROUND,))
    assert variables["add_3"].multiplier_bits == (5,)
    assert variables["depthwise_1"].multiplier_bits == (*range(1, 17), 31)
    study = optuna.create_study(directions=["minimize"] * 3, sampler=make_sampler(search, space, 0))
    for _ in range(30):
        trial = study.ask(dict(space.distributions))
        study.tell(trial, [1.0, 1.0, 1.0])
        choices = dict(space.point(trial.params).choices)
        assert list(choices) == [op.name for op in digits.members[0].network.narrowable_operators()]
        assert choices["conv_0"] == choices["conv_2"] == choices["conv_4"]
        assert choices["conv_0"].multiplier_bits in (2, 4, 8)
        assert choices["fc_7"] == RescalerChoice(6, Method.ROUND)
        assert choices["add_3"].multiplier_bits == 5
    for role, point in baselines(space, (1, 4)):
        assert space.point(space.parameters(point)) == point
        choices = dict(point.choices)
        if not role.is_deployed:  # rules bind all other baselines
            assert (choices["fc_7"], choices["add_3"].multiplier_bits) == (RescalerChoice(6, Method.ROUND), 5)
            assert choices["conv_0"].multiplier_bits in (2, 4)


def test_tied_rescalers_get_one_choice() -> None:
    tied = RescalerVariable("all", (2, 4), BOTH, tied=("a", "b"))
    space = SearchSpace((tied,), (Finetune.NONE,), ("a", "b"))
    point = space.uniform(4, Method.ABSORB, Finetune.NONE)
    assert dict(point.choices) == dict.fromkeys("ab", RescalerChoice(4, Method.ABSORB))
    assert space.point(space.parameters(point)) == point


def test_windows_are_for_layers_with_channels_of_their_own(digits: PreparedStudy) -> None:
    search = small_spec(
        search__shift_bits=[3, "natural", 0],
        search__uniform_shift_bits=[2, 0],
        search__rescalers=[{"names": "conv_2", "shift_bits": [1]}, {"names": "*_[34]", "tied": True}],
    ).search
    space = space_over(digits.operators, search, Finetune.NONE)
    values = {key: value for key, value in space.values.items() if key.endswith(".shift_bits")}
    natural = (0, 3, NATURAL)
    names = ("conv_0", "depthwise_1", "conv_2", "*_[34]", "fc_7")
    assert values == {shift_key(name): (1,) if name == "conv_2" else natural for name in names}
    windowed = space.uniform(1, Method.ABSORB, Finetune.NONE, 2)
    assert dict(windowed.choices)["add_3"] == RescalerChoice(1, Method.ABSORB)
    assert dict(windowed.choices)["conv_4"] == RescalerChoice(1, Method.ABSORB, 2)
    assert space.point(space.parameters(windowed)) == windowed
    roles = baselines(space, (1, 4), search.uniform_shift_bits)
    (window,) = (dict(point.choices) for role, point in roles if role is Role.UNIFORM_WINDOW)  # none may have 2 bits
    assert {name: window[name].shift_bits for name in ("conv_0", "conv_2", "add_3")} == {
        "conv_0": 0,
        "conv_2": 1,  # as its rule says
        "add_3": None,
    }
    assert len({point.digest for _, point in roles}) == len(roles)


def test_a_study_without_windows_has_no_such_parameter(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, small_spec().search, Finetune.NONE)
    assert not any(key.endswith(".shift_bits") for key in space.distributions)


def test_a_rule_for_nothing_is_refused(digits: PreparedStudy) -> None:
    search = small_spec(search__rescalers=[{"names": "dense_*", "multiplier_bits": [4]}]).search
    with pytest.raises(StudyError, match=r"search\.rescalers: no rescaler is named 'dense_\*'; there are conv_0, "):
        space_over(digits.operators, search, Finetune.NONE)


def test_a_space_of_one_width_has_no_choice_but_methods(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, small_spec(search__multiplier_bits=[31]).search, Finetune.NONE)
    point = space.uniform(31, Method.ABSORB, Finetune.NONE)
    assert space.point(space.parameters(point)) == point


@pytest.mark.parametrize("finetune", list(Finetune))
def test_baselines_are_distinct_and_hold_what_the_protocol_asks(digits: PreparedStudy, finetune: Finetune) -> None:
    space = space_over(digits.operators, digits.spec.search, finetune)
    designs = baselines(space, (1, 4))
    assert designs[0][0] == "int32"
    assert designs[0][1].finetune is Finetune.NONE
    assert all(choice.multiplier_bits == 31 for _, choice in designs[0][1].choices)
    assert len({point.digest for _, point in designs}) == len(designs)
    roles = [role for role, _ in designs]
    assert roles.count("uniform_round") == roles.count("uniform_absorb") == 2
    controls = [point.finetune for role, point in designs if role == "int32_finetuned"]
    assert controls == list(Finetune)[1 : list(Finetune).index(finetune) + 1]  # one for every training of a design
    absorbing = dict(designs)["uniform_absorb"]
    assert all(choice.method is Method.ABSORB for _, choice in absorbing.choices)


@pytest.mark.parametrize("methods", [["round"], ["absorb"], ["round", "absorb"]])
def test_no_baseline_has_a_method_that_the_study_forbids(digits: PreparedStudy, methods: list[str]) -> None:
    space = space_over(digits.operators, small_spec(search__methods=methods).search, Finetune.SHORT)
    designs = [point for role, point in baselines(space, (1, 4)) if not role.is_deployed]
    assert len(designs) == 2 * len(methods)
    assert {choice.method for point in designs for _, choice in point.choices} == set(map(Method, methods))


def test_uniform_weights_on_narrow_rungs_are_baselines_where_weights_vary(digits: PreparedStudy) -> None:
    search = small_spec(
        search__weight_bits=[3, 4],
        search__shift_bits=[0, "natural"],
        search__uniform_shift_bits=[0],
        search__objectives=["val_accuracy_drop_pp", "accelerator_area_um2", "accelerator_energy_nj"],
    ).search
    space = space_over(digits.operators, search, Finetune.NONE)
    designs = baselines(space, (1, 4), search.uniform_shift_bits)
    of_weights = [point for role, point in designs if role is Role.UNIFORM_WEIGHTS]
    made = {(point.weight_bits[0][1], point.choices[0][1]) for point in of_weights}
    # int32 and all other uniform designs have the 4 bits of the network already
    rungs = ((31, Method.ROUND, None), (1, Method.ROUND, None), (1, Method.ABSORB, None), (1, Method.ABSORB, 0))
    assert made == {(3, RescalerChoice(*rung)) for rung in rungs}
    assert all(len({bits for _, bits in point.weight_bits}) == 1 for point in of_weights)
    assert len({point.digest for _, point in designs}) == len(designs)


def test_json_names_every_choice(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, Finetune.SHORT)
    stored = json.loads(space.uniform(4, Method.ABSORB, Finetune.SHORT).to_json())
    assert stored["rescalers"]["conv_0"] == {"bits": 4, "method": "absorb"}


def test_weights_contract_style_and_lanes_vary_where_the_study_says(digits: PreparedStudy) -> None:
    spec = small_spec(
        search__objectives=["val_accuracy_drop_pp", "accelerator_area_um2", "latency_cycles"],
        search__weight_bits=[3, 4, 6],
        search__contracts=["floor"],
        search__styles=["shared", "streaming"],
        search__lanes=[1, 8],
        search__rescalers=[{"names": "fc_*", "weight_bits": [8]}],
    )
    space = space_over(digits.operators, spec.search, Finetune.NONE, spec.hardware)
    layers = [v for v in space.rescalers if v.weights]
    assert [space.values[weights_key(v.name)] for v in layers] == [(3, 4, 6)] * (len(layers) - 1) + [(8,)]
    int32 = space.uniform(31, Method.ROUND, Finetune.NONE)
    assert set(dict(int32.weight_bits).values()) == {digits.members[0].spec.network.weight_bits}
    assert int32.surroundings == Surroundings("half_up", "streaming", 1), "baselines are as the study file says"
    assert space.point(space.parameters(int32)) == int32


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search__weight_bits": [4]}, "weight_bits varies, but only accelerator_area_um2 or accelerator_energy_nj"),
        ({"search__rescalers": [{"names": "*", "weight_bits": [4]}]}, "weight_bits varies, but only"),
        ({"search__lanes": [1, 2]}, "lanes varies, but only latency_cycles or latency_ns can reward it"),
        ({"search__contracts": ["stochastic"]}, "contracts: 'stochastic' is unknown"),
        ({"search__styles": ["shared", "shared"]}, "names a value twice"),
        ({"search__shift_bits": [1, 1]}, "names a value twice"),
        ({"search__shift_bits": [6]}, r'search.shift_bits.0: should be 0 to 5, or "natural", got 6'),
        ({"search__shift_bits": [True]}, r"search.shift_bits.0: should be 0 to 5, "),
        ({"search__shift_bits": ["none"]}, r"search.shift_bits.0: should be 0 to 5, "),
        ({"search__uniform_shift_bits": [-1]}, r"search.uniform_shift_bits.0: .*greater than or equal to 0"),
    ],
)
def test_variables_that_nothing_rewards_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        small_spec(**changes)
