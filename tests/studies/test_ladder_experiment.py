"""The ladder: rungs in order, ratios against int32 of the same file, and the page and picture made from them."""

from pathlib import Path

import pandas as pd
import pytest

from studies.experiments.ladder import RUNGS, draw, markdown, rungs_of


@pytest.fixture
def rows() -> pd.DataFrame:
    def row(bits: int, window: int, method: str, count: int, drop: float, area: float) -> dict:
        return {
            "multiplier_bits": bits, "shift_bits": window, "method": method, "calibration_samples": count,
            "test_samples": 300, "int32_percent": 90.0, "accuracy_percent": 90 - drop, "drop_pp": drop,
            "ci_low_pp": drop - 1, "ci_high_pp": drop + 1, "agreement_percent": 95.0,
            "rescaler_area_um2": area, "rescaler_energy_nj": area / 100,
        }  # fmt: skip

    made = [row(31, -1, "round", 0, 0.0, 8000.0)]
    for number, (_, bits, window) in enumerate(RUNGS[1:]):
        made.append(row(bits, window, "calibrated", 64, 0.1 * number, 1000.0 / (number + 1)))
        made.append(row(bits, window, "absorb", 0, 50.0, 1.0))
    made.append(row(1, 0, "calibrated", 16, 30.0, 1.0))
    return pd.DataFrame(made)


def test_rungs_are_those_that_were_calibrated(rows: pd.DataFrame) -> None:
    ladder = rungs_of(rows, "calibrated")
    assert ladder.rung.tolist() == [title for title, _, _ in RUNGS]
    assert ladder.area_ratio.tolist() == pytest.approx([1.0, *(8.0 * (number + 1) for number in range(8))])
    assert ladder.energy_ratio.tolist() == pytest.approx(ladder.area_ratio.tolist())
    assert ladder.drop_pp.max() == pytest.approx(0.7)


def test_page_and_picture_show_every_rung(rows: pd.DataFrame, tmp_path: Path) -> None:
    page = markdown({"kws": rows})
    assert all(f"| {title} |" in page for title, _, _ in RUNGS)
    assert "| constant | 125 | 64.0x |" in page
    draw({"kws": rows, "mobilenet_v2": rows}, tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
