"""One model, one Verilog file, one cell library at a time, as their commands do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported by the functions: each needs another heavy library
    from dse.narrowing import NarrowDocument
    from dse.narrowing import Progress as NarrowProgress
    from hwmodels import OutputOrder, PresetName, VerilogCost
    from hwmodels.proof import Answer
    from hwmodels.synthesis import Calibration, Measurement


def narrow(
    model: Path | str,
    out: Path | str,
    *,
    data: Path | str | None = None,
    input_offset: int = 0,
    multiplier_bits: int = 1,
    shift_bits: int | None = None,
    method: str = "absorb",
    calibrate: int | None = None,
    contract: str = "half_up",
    technology: str = "aladdin40",
    output_order: str | None = None,
    accelerator: PresetName | None = None,
    cut: Sequence[str] = (),
    seed: int = 0,
    force: bool = False,
    on_progress: NarrowProgress | None = None,
) -> NarrowDocument:
    """Narrows every rescaler of a model alike, calibrates it, writes it, and returns what became of it.

    Args:
        model: quantized .tflite, .onnx or .tosa file.
        out: .tflite or .tosa file to write; of an .onnx model also .onnx.
        data: .npz file with samples ``x``, and labels ``y`` if there are any; None for synthetic inputs.
        input_offset: added to the inputs of ``data``: -128 for uint8 pixels.
        multiplier_bits: width of every multiplier: 1 (a pure shift) to 31 (int32).
        shift_bits: width of every layer's shift: 0 (one constant shift) to 5; None for natural shifts.
        method: ``absorb`` (weights take what the multipliers lose) or ``round`` (weights stay).
        calibrate: number of calibration samples, whose labels are not used; None for 64 under ``absorb``.
        contract: rounding contract of the hardware.
        technology: name of a shipped table, or path of one.
        output_order: order in which a lane rescales outputs, ``channel_innermost`` or ``channel_outermost``; None for
            the accelerator's.
        accelerator: published accelerator whose part the rescalers are; None for 16 MACs to a rescaler.
        cut: tensors at which the network ends; none for its logits.
        seed: seed of the choice of samples.
        force: whether an existing ``out`` is replaced.
        on_progress: called with a step, how much of it is done, and how much there is.

    Raises:
        StudyError: an option or the samples cannot be used.
        NetworkError: the model cannot be used.
        HardwareError: the technology, or the contract's hardware, is unknown.
    """
    from dse.errors import StudyError
    from dse.narrowing import NarrowRequest, narrow_model
    from nets.network import Method

    if method not in [each.value for each in Method]:
        raise StudyError(f"method is {method!r}; use absorb or round")
    request = NarrowRequest(
        model=Path(model),
        out=Path(out),
        cut=tuple(cut),
        data=None if data is None else Path(data),
        input_offset=input_offset,
        multiplier_bits=multiplier_bits,
        shift_bits=shift_bits,
        method=Method(method),
        calibrate=calibrate,
        contract=contract,
        technology=technology,
        output_order=output_order,
        accelerator=accelerator,
        seed=seed,
        force=force,
    )
    return narrow_model(request) if on_progress is None else narrow_model(request, on_progress)


def cost(
    files: Path | str | Sequence[Path | str],
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    technology: str = "osu018",
    output_order: OutputOrder = "channel_innermost",
    defines: Mapping[str, str] | None = None,
    include_folders: Sequence[Path | str] = (),
) -> VerilogCost:
    """Returns operators, area, energy and delay of parsed Verilog.

    It runs without the limits of time and memory that the command keeps.

    Args:
        files: Verilog files that hold all modules.
        top: top module.
        parameters: overrides of its parameters.
        technology: name of a shipped table, or path of one.
        output_order: order in which the module rescales outputs; with gates, energies are of random inputs.
        defines: macros.
        include_folders: folders of included files, besides each file's own.

    Raises:
        HardwareError: the files cannot be read, parsed or resolved, or the technology is unknown.
    """
    from hwmodels import cost_verilog, load_technology

    return cost_verilog(
        _paths(files),
        top,
        parameters or {},
        load_technology(technology).in_order(output_order),
        defines=defines,
        include_folders=_paths(include_folders),
    )


def prove(
    files: Path | str | Sequence[Path | str],
    top: str,
    contract: str = "half_up",
    parameters: Mapping[str, int] | None = None,
    *,
    ports: Mapping[str, str] | None = None,
    values: Mapping[str, int] | None = None,
    ties: Mapping[str, int] | None = None,
    ranges: Mapping[str, tuple[int, int]] | None = None,
    latency: int | None = None,
    shift_offset: int = 0,
    time_limit: float = 60.0,
) -> Answer:
    """Tries to prove that a Verilog module computes a rounding contract for all inputs.

    Args:
        files: Verilog files that hold all modules.
        top: the module.
        contract: name of the contract that it is to compute.
        parameters: overrides of its parameters.
        ports: port of a role, or bits of one as in ``mult[7:0]``; by default found by usual names.
        values: integers that are built into the module, by role.
        ties: values of other input ports.
        ranges: the smallest and the largest value of a role.
        latency: clock edges from the operands to the output; None is 1 with registers, 0 without.
        shift_offset: what is added to the shift's port to make the right shift.
        time_limit: seconds for every contract.

    Raises:
        HardwareError: the files or the roles cannot be used, or yosys or the solver is not installed.
    """
    from hwmodels.proof import PortBits, Question, Source, prove_module

    question = Question(
        source=Source(files=tuple(_paths(files)), top=top, parameters=parameters or {}),
        contract=contract,
        ports={role: PortBits.parse(text) for role, text in (ports or {}).items()},
        values=values or {},
        ties=ties or {},
        ranges=ranges or {},
        latency=latency,
        shift_offset=shift_offset,
        time_limit=time_limit,
    )
    return prove_module(question)


def calibrate(
    liberty: Path | str,
    name: str,
    *,
    node_nm: float,
    out: Path | str | None = None,
    traces: Path | str | None = None,
    dataset: Path | str | None = None,
    multiplier_bits: Sequence[int] | None = None,
    on_progress: Callable[[Measurement], None] | None = None,
) -> Calibration:
    """Fits a technology table to a cell library by synthesis, writes it, and returns it with its errors.

    Args:
        liberty: cell library in Liberty format.
        name: name of the table.
        node_nm: feature size in nm, which Liberty does not state.
        out: file of the table; None for ``<name>.toml``.
        traces: trace file of accumulators that energies are measured with; None for the bundled one.
        dataset: CSV file of synthesis results, from which a sweep resumes.
        multiplier_bits: widths to synthesize; None for 1 to 32, which takes about 20 minutes.
        on_progress: called with each new measurement.

    Raises:
        HardwareError: the library or the trace cannot be used, or yosys is not installed.
    """
    from hwmodels.synthesis import calibrate as calibrate_technology
    from nets.files import write_text

    result = calibrate_technology(
        Path(liberty),
        name,
        node_nm=node_nm,
        trace=None if traces is None else Path(traces),
        dataset=None if dataset is None else Path(dataset),
        multiplier_bits=multiplier_bits,
        progress=on_progress,
    )
    write_text(Path(f"{name}.toml") if out is None else Path(out), result.text)
    return result


def fetch_file(name: str, mirror: Path | str | None = None) -> Path:
    """Returns the path of a public model or sample file, verified; it is brought into the user's cache if needed.

    Args:
        name: its name in the catalogue.
        mirror: folder that holds some of the files; None for their addresses.

    Raises:
        StudyError: there is no such file, or it cannot be brought; the message says what to do by hand.
    """
    from dse.fetch import Fetcher

    return Fetcher(None if mirror is None else Path(mirror)).bring(name)


def _paths(files: Path | str | Sequence[Path | str]) -> list[Path]:
    return [Path(files)] if isinstance(files, Path | str) else [Path(file) for file in files]
