"""Calibration: fits a technology table to a Liberty file by synthesis."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwmodels.errors import HardwareError
from hwmodels.synthesis.calibration import FITTED, ErrorSummary, error_table, fit
from hwmodels.synthesis.delays import fit_delays
from hwmodels.synthesis.liberty import Library, load_liberty
from hwmodels.synthesis.sweep import Measurement, read_measurements, run_sweep
from hwmodels.synthesis.table import technology_text
from hwmodels.synthesis.typical_gate import time_scale
from hwmodels.technologies import Technology, parse_technology
from hwmodels.traces import Recording, load_recording


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted technology, its TOML text, its errors on points left out of the fit, and the measured designs."""

    technology: Technology
    text: str
    errors: tuple[ErrorSummary, ...]
    measurements: tuple[Measurement, ...]


def calibrate(
    liberty: Path,
    name: str,
    *,
    node_nm: float,
    trace: Path | None = None,
    dataset: Path | None = None,
    multiplier_bits: Sequence[int] | None = None,
    progress: Callable[[Measurement], None] | None = None,
) -> Calibration:
    """Synthesizes the component and rescaler sweeps on a library, and fits a technology table to them.

    Args:
        liberty: the cell library.
        name: short name of the table.
        node_nm: feature size in nanometres, which Liberty does not state.
        trace: accumulators that the energies hold for (default: the bundled keyword-spotting trace).
        dataset: CSV file of earlier measurements, to which new ones are appended, so that a sweep can be stopped and
            resumed.
        multiplier_bits: values of ``k`` to synthesize (default: 1 to 32; about 20 minutes).
        progress: called with each new measurement.

    Raises:
        HardwareError: if the library or trace is not valid, or yosys is not installed.
    """
    if not name.isidentifier():
        raise HardwareError(f"technology name {name!r} must be letters, digits and underscores")
    library, stimulus = load_liberty(liberty), load_recording(trace)
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        path = dataset or Path(folder) / "dataset.csv"
        for measurement in run_sweep(path, library, stimulus, multiplier_bits):
            if progress is not None:
                progress(measurement)
        measurements = [m for m in read_measurements(path) if m.library == library.name]
    return fit_technology(name, library, node_nm, measurements, stimulus)


def fit_technology(
    name: str, library: Library, node_nm: float, measurements: Sequence[Measurement], recording: Recording
) -> Calibration:
    """Fits a technology table to measurements."""
    fits = {metric: fit(measurements, metric) for metric in FITTED}
    errors = error_table(measurements, fits.values())
    slew = f"inertial delays of the library at a slew of {time_scale(library).slew_ns:g} ns"
    activity = f"trace {recording.name}, gate simulation with {slew}, glitches counted"
    delays = fit_delays(measurements)
    text = technology_text(name, library, node_nm, measurements, fits, errors, activity, delays)
    return Calibration(parse_technology(text, f"{name}.toml"), text, tuple(errors), tuple(measurements))
