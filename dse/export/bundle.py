"""Writes a design as a folder of files: the whole folder or nothing."""

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from dse.design import RESCALER_AREA, RESCALER_ENERGY
from dse.errors import StudyError
from dse.evaluate import pipelines_of, unit_model
from dse.export import render
from dse.export.banks import banks_of
from dse.export.document import (
    AccuracyDocument,
    CostDocument,
    DesignDocument,
    InterfaceDocument,
    TfliteDocument,
    TosaDocument,
    rescaler_document,
)
from dse.export.interface import Handshake, Interface, Parameters, Reset, interface_for
from dse.export.scored_design import ScoredDesign, load_design
from dse.export.synthesis import synthesis_files, synthesis_report
from dse.export.tflite import write_models
from dse.export.tosa import write_tosa
from dse.export.units import Unit, layers_of, units_of
from dse.export.vectors import Vectors, vectors_of
from dse.store import RunFolder
from dse.study import Study
from dse.verdict import choices
from hwmodels.synthesis import Library, load_liberty
from nets.network import Weighted, fingerprint

DEFAULT_ROWS = 2000  # largest number of test vectors from each rescaler's inference
DEFAULT_SAMPLES = 32  # validation samples that are run for them


def export_design(
    run: Path,
    trial: int,
    out: Path,
    rows: int = DEFAULT_ROWS,
    samples: int = DEFAULT_SAMPLES,
    member: str = "",
    *,
    study: Study | None = None,
    storage: str = "",
    handshake: Handshake | None = None,
    reset: Reset | None = None,
    parameters: Parameters = "rom",
    liberty: Path | None = None,
) -> Path:
    """Writes the files of one design into ``out`` and returns the path of its README.md.

    Args:
        run: the run's folder.
        trial: number of a complete trial.
        out: a new or empty folder.
        rows: largest number of test vectors from each rescaler's inference.
        samples: number of validation samples to run for them.
        member: name of the network in a portfolio; empty for a study of one network.
        study: the same study with the paths of its files today; None if they did not move, or moved with the run.
        storage: URL of the run's database, needed if this user did not make the run here, or for its password.
        handshake: flow control of the units; None for ``none``, and ``valid_ready`` if units take several cycles.
        reset: their reset; None for none, and a synchronous one if there are valid flags.
        parameters: whether the parameters of channels are a ROM, or loaded.
        liberty: cell library with which the units are synthesized and compared with their costs; None to skip that.

    Raises:
        StudyError: no such trial or member, the folder is not empty, or the design has no RTL with these options.
        HardwareError: the library cannot be used, or yosys is absent.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"{out}: is not empty; give --out a new or empty folder")
    library = None if liberty is None else load_liberty(liberty)
    design = load_design(RunFolder(run), trial, samples, member, study=study, storage=storage)
    methods = {name: choice.method.value for name, choice in design.point.choices}
    choice, pipelined = design.hardware.architecture, pipelines_of(design.hardware)
    if design.style == "shared":
        units = banks_of(design.network, methods, choice, pipelined, design.lanes)
    else:
        units = units_of(design.network, methods, choice, pipelined)
    interface = interface_for(units, handshake, reset, parameters)
    vectors = vectors_of(design.network, tuple(layers_of(units)), design.samples, rows, design.seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        made = Path(temporary) / "design"
        _write(made, design, units, vectors, interface, library)
        if out.exists():
            out.rmdir()  # it is empty: checked above
        made.rename(out)
    return out / "README.md"


def _write(
    folder: Path,
    design: ScoredDesign,
    units: tuple[Unit, ...],
    vectors: dict[str, Vectors],
    interface: Interface,
    library: Library | None,
) -> None:
    title, count = design.title, len(design.samples)
    files = hardware_files(units, vectors, title, count, interface)
    clock = design.hardware.clock
    report = None
    if library is not None:
        report = synthesis_report(units, files, unit_model(design.hardware), library)
        files["synthesis/report.csv"] = report.table()
    files |= synthesis_files(units, interface, title, library, None if clock is None else clock.mhz)
    files["rescalers.h"] = render.c_header(tuple(layers_of(units)), title, design.contract)
    files["design.schema.json"] = _json(DesignDocument.model_json_schema())
    models = write_models(design.network, design.original, design.compared, folder, count)
    tosa = write_tosa(design.network, design.samples, folder)
    document = _document(design, units, interface, files, models, tosa)
    files["README.md"] = render.readme(document, units, title, count, interface, report, design.style)
    files["design.json"] = _json(document.model_dump(mode="json"))
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def hardware_files(
    units: tuple[Unit, ...],
    vectors: dict[str, Vectors],
    title: str,
    samples: int,
    interface: Interface = render.BARE,
) -> dict[str, str]:
    """Returns the Verilog of the units, their parameters, and a test bench with its vectors: text by path."""
    files = {f"rtl/unit_{unit.identifier}.v": render.unit_verilog(unit, title, interface) for unit in units}
    stored = [unit for unit in units if unit.fields]
    files |= {
        f"rtl/parameters_{each.identifier}.v": render.parameters_verilog(each, title, interface) for each in stored
    }
    if interface.parameters == "load":
        files |= {f"rtl/parameters_{each.identifier}.hex": render.memory_hex(each) for each in stored}
    files |= {f"rtl/{path.name}": path.read_text(encoding="utf-8") for unit in units for path in unit.files}
    tests = {
        unit.identifier: render.bank_vectors_hex(unit, vectors)
        if unit.layers
        else render.vectors_hex(unit, vectors[unit.name])
        for unit in units
    }
    files |= {f"test/{identifier}.hex": text for identifier, text in tests.items()}
    rows = {identifier: text.count("\n") for identifier, text in tests.items()}
    files["test/testbench.v"] = render.testbench(units, rows, title, samples, interface)
    return files


def _document(
    design: ScoredDesign,
    units: tuple[Unit, ...],
    interface: Interface,
    files: dict[str, str],
    models: tuple[TfliteDocument, ...],
    tosa: TosaDocument,
) -> DesignDocument:
    facts, row = design.results.facts, design.row
    written = [*((model.file, model.sha256) for model in models), (tosa.file, tosa.sha256)]
    return DesignDocument(
        study=facts.study,
        trial=int(row["trial"]),
        member=design.member,
        network=design.network.name,
        network_sha256=fingerprint(design.network),
        contract=design.contract,
        weight_bits={op.name: op.weight_bits for op in design.network.operators if isinstance(op, Weighted)},
        finetune=str(row["finetune"]),
        accuracy=AccuracyDocument.model_validate(
            {name: None if pd.isna(row[name]) else row[name] for name in AccuracyDocument.model_fields}
        ),
        cost=_cost(design),
        interface=InterfaceDocument.model_validate(asdict(interface)),
        rescalers=tuple(
            rescaler_document(layer, unit, interface) for unit in units for layer in unit.layers or (unit,)
        ),
        tflite=models,
        tosa=tosa,
        files={name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
        | {name: sha256 for name, sha256 in written if name and sha256},
    )


def _cost(design: ScoredDesign) -> CostDocument:
    facts, row = design.results.facts, design.row
    (choice,) = choices(design.results, design.results.trials[design.results.trials["trial"] == row["trial"]])
    return CostDocument(
        model=facts.objective_cost.model,
        technology=facts.objective_cost.technology,
        rescaler_area_um2=float(row[RESCALER_AREA.name]),
        rescaler_energy_nj=float(row[RESCALER_ENERGY.name]),
        accelerator=facts.accelerator,
        area_shares=choice.area_shares.in_words,
        energy_shares=choice.energy_shares.in_words,
    )


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
