from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodels import OUTPUT_ORDERS, HardwareError, Technology, load_technology, technology_names
from hwmodels.components import compared_with, crossed, sized
from hwmodels.technologies.technology import METRICS, TERMS, parse_technology

VALID = """
name = "mine"
node_nm = 28
voltage_v = 0.8
conditions = "typical"
source = "a test"
activity = "uniform"
[components.adder]
area_um2 = { terms = { bits = 2.0, unit = 1.0 }, error = 0.1, source = "a test" }
"""


def test_shipped_tables_are_complete_in_provenance() -> None:
    assert {"aladdin40", "horowitz45"} <= set(technology_names())
    for name in technology_names():
        table = load_technology(name)
        assert table.name == name
        for component in table.components.values():
            figures = [component.figure(metric, order) for metric in METRICS for order in OUTPUT_ORDERS]
            assert any(figures)
            assert all(figure.source and figure.error >= 0 for figure in figures if figure)


def test_aladdin_returns_its_published_points() -> None:
    table = load_technology("aladdin40")
    assert table.evaluate("multiplier", "area_um2", {"ab": 1024}) == pytest.approx(6351.338, rel=1e-4)
    assert table.evaluate("multiplier", "energy_pj", {"ab": 1024}) == pytest.approx(12.68341, rel=1e-4)
    assert table.evaluate("adder", "energy_pj", {"bits": 32}) == pytest.approx(0.2104162, rel=1e-4)
    assert table.evaluate("shifter", "area_um2", {"mux_bits": 160}) == pytest.approx(249.6461, rel=1e-4)


def test_horowitz_returns_its_published_energies_and_no_area() -> None:
    table = load_technology("horowitz45")
    assert table.evaluate("multiplier", "energy_pj", {"a": 8, "b": 8, "ab": 64}) == pytest.approx(0.2, rel=0.01)
    assert table.evaluate("multiplier", "energy_pj", {"a": 32, "b": 32, "ab": 1024}) == pytest.approx(3.1, rel=0.01)
    assert table.evaluate("adder", "energy_pj", {"bits": 32}) == pytest.approx(0.1)
    assert table.evaluate("multiplier", "area_um2", {"a": 8, "b": 8, "ab": 64}) is None
    assert "energies only" in table.reason("multiplier", "area_um2")


def test_a_user_table_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(VALID)
    assert load_technology(path).evaluate("adder", "area_um2", {"bits": 8}) == 17.0
    path.write_text(VALID.replace("bits = 2.0", "bits = 3.0"))
    assert load_technology(str(path)).evaluate("adder", "area_um2", {"bits": 8}) == 25.0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("node_nm = 28", "node_nm = -28", "node_nm"),
        ("node_nm = 28", "", "node_nm"),
        ("node_nm = 28", 'node_nm = "28 nm"', "28 nm"),
        ("voltage_v", "volts", "volts"),
        ("bits = 2.0", "bats = 2.0", "unknown term 'bats'"),
        ("bits = 2.0", "bits = nan", "finite"),
        ("error = 0.1, ", "", "error"),
        ("components.adder", "components.oscillator", "oscillator"),
        ("[components", "[[components", "declaration"),
        (', source = "a test" }', " }", "source"),
        ("name =", "name", "not valid TOML"),
    ],
)
def test_a_bad_table_is_refused_with_its_key(old: str, new: str, expected: str) -> None:
    with pytest.raises(HardwareError, match=r"mine\.toml") as caught:
        parse_technology(VALID.replace(old, new, 1), "mine.toml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=r"unknown technology 'tsmc3'.*aladdin40"):
        load_technology("tsmc3")
    with pytest.raises(HardwareError, match="cannot be read"):
        load_technology(tmp_path / "none.toml")


@given(st.sampled_from(sorted(TERMS)), st.integers(1, 64), st.integers(1, 64))
def test_costs_never_fall_with_width(kind: str, width: int, more: int) -> None:
    def cost(bits: int) -> float:
        terms = crossed(200, bits, 9) if kind == "multiplier" else sized(bits, 9, subtracted=bits)
        terms |= {"mux_bits": bits * 5, "stages": 5}
        value = table.evaluate(kind, "energy_pj", terms)  # type: ignore[arg-type]
        return 0.0 if value is None else value

    for name in technology_names():
        table: Technology = load_technology(name)
        assert 0 <= cost(width) <= cost(width + more)


CORRECTION = """
[corrections.shift]
acc_bits = [20]
{axes}
area_um2 = [[1.0, 1.1]]
area_um2_error = 0.1
area_um2_worst = 0.2
delay_ns = [[1.0, 1.0]]
delay_ns_error = 0.1
delay_ns_worst = 0.2
[corrections.shift.energy_of_order.channel_innermost]
ratios = [[1.0, 1.2]]
error = 0.1
worst = 0.2
"""


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("", "either multiplier_bits or shift_bits must have values"),
        ("shift_bits = [0, 1]\nmultiplier_bits = [1, 2]", "either multiplier_bits or shift_bits must have values"),
        ("shift_bits = [1, 0]", "must ascend"),
        ("shift_bits = [0, 1, 2]", "1 rows of 3 values"),
    ],
)
def test_corrections_vary_in_one_width(axes: str, message: str) -> None:
    assert parse_technology(VALID + CORRECTION.format(axes="shift_bits = [0, 3]"), "mine").corrections[
        "shift"
    ].swept == (0, 3)
    with pytest.raises(HardwareError, match=message):
        parse_technology(VALID + CORRECTION.format(axes=axes), "mine")


@given(st.integers(2, 12), st.data())
def test_a_constant_bound_costs_the_bits_that_decide(bits: int, data: st.DataObject) -> None:
    half = 1 << (bits - 1)
    bound = data.draw(st.integers(-half, half - 1))
    for ones in (False, True):
        run = ~bound if ones else bound
        free = (run & -run).bit_length() - 1 if run else bits
        low = max(free, 0)
        for value in {-half, bound - 1, bound, bound + 1, half - 1} & set(range(-half, half)):
            decided = value >> low > bound >> low if ones else value >> low < bound >> low
            assert decided == (value > bound if ones else value < bound)
        assert compared_with(bits, bound, ones=ones) == max((bits - free + 1) // 2, 1) <= bits
