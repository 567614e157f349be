"""Synthesis, gate-level energy and the fitting of technology tables."""

from hwmodels.synthesis.activity import measure_energy
from hwmodels.synthesis.calibration import ENERGIES, FITTED, ErrorSummary, Fit, error_table, fit
from hwmodels.synthesis.circuit import Circuit, build_circuit
from hwmodels.synthesis.corpus import (
    CorpusMeasurement,
    append_corpus,
    calibrate_gates,
    measure_module,
    read_corpus,
)
from hwmodels.synthesis.full_adder import full_adder_map
from hwmodels.synthesis.liberty import Library, load_liberty
from hwmodels.synthesis.liberty_to_table import Calibration, calibrate
from hwmodels.synthesis.sweep import (
    BASELINE_BITS,
    Measurement,
    append_measurement,
    measure_rescaler,
    measure_unit,
    read_measurements,
)
from hwmodels.synthesis.yosys import AREA_SCRIPT, Mapper, run_yosys, synthesize
from hwmodels.synthesis.yosys import available as yosys_available

__all__ = [
    "AREA_SCRIPT",
    "BASELINE_BITS",
    "ENERGIES",
    "FITTED",
    "Calibration",
    "Circuit",
    "CorpusMeasurement",
    "ErrorSummary",
    "Fit",
    "Library",
    "Mapper",
    "Measurement",
    "append_corpus",
    "append_measurement",
    "build_circuit",
    "calibrate",
    "calibrate_gates",
    "error_table",
    "fit",
    "full_adder_map",
    "load_liberty",
    "measure_energy",
    "measure_module",
    "measure_rescaler",
    "measure_unit",
    "read_corpus",
    "read_measurements",
    "run_yosys",
    "synthesize",
    "yosys_available",
]
