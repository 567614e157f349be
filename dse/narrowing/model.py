"""Narrows one model: from a file and samples to a file and what it does."""

from dse.design import INT16_MULTIPLIER_BITS
from dse.errors import StudyError
from dse.evaluate import lower
from dse.narrowing.comparison import accuracy_percent, score
from dse.narrowing.costing import Costing
from dse.narrowing.document import NarrowDocument, SamplesDocument
from dse.narrowing.file import write_file
from dse.narrowing.layers import layer_documents
from dse.narrowing.request import NarrowRequest
from dse.narrowing.samples import NarrowSamples, samples_for
from dse.narrowing.steps import Progress, Step, unseen
from dse.study import beats_chance
from nets.execute import IntegerExecutor
from nets.importers import load_network
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.network import ActivationArray, Method, Operator, QuantizedNetwork, fingerprint

_FILE_SAMPLES = 8  # on which the written file is compared with the design, tensor by tensor


def narrow_model(request: NarrowRequest, on_progress: Progress = unseen) -> NarrowDocument:
    """Narrows every rescaler of a model alike, writes the narrowed model, and returns what became of it.

    Nothing is written unless everything before it succeeded.

    Raises:
        StudyError: an option or the samples cannot be used.
        NetworkError: the model, the samples or the choice cannot be used.
        HardwareError: the technology, or the contract's hardware, is unknown.
    """
    request.check()
    int32 = load_network(request.model, contract=request.contract, cut=request.cut)
    choices = _choices(int32, request)
    costing = Costing(request.technology, request.accelerator, request.output_order)
    before = lower(int32)
    int32_cost = costing.of(before)
    plain = narrow(int32, choices)
    samples = samples_for(request, int32)
    design = _calibrated(int32, choices, samples, request.seed, on_progress) if request.calibration else plain
    compared = {"int32": int32, "uncalibrated": plain, "design": design}
    outputs = _outputs(compared if request.calibration else {"int32": int32, "design": design}, samples, on_progress)
    scores = {
        name: score((int32, compared[name]), (outputs["int32"], made), samples.labels)
        for name, made in outputs.items()
        if name != "int32"
    }
    workloads = lower(design)
    cost = costing.of(workloads)
    layers = layer_documents(int32, design, workloads, (int32_cost, cost))
    accuracy = None if samples.labels is None else accuracy_percent(outputs["int32"][0], samples.labels)
    on_progress(Step.WRITE, 0, 1)
    file = write_file(design, request.model, request.out, tuple(x[:_FILE_SAMPLES] for x in samples.test), request.cut)
    on_progress(Step.WRITE, 1, 1)
    return NarrowDocument(
        model=str(request.model),
        network_sha256=fingerprint(design),
        multiplier_bits=request.multiplier_bits,
        shift_bits=request.shift_bits,
        method=request.method.value,
        contract=request.contract,
        seed=request.seed,
        samples=SamplesDocument(
            source="synthetic" if samples.synthetic else "data",
            calibration=request.calibration,
            test=len(samples.test[0]),
            labelled=samples.labels is not None,
        ),
        int32_accuracy_percent=accuracy,
        uncalibrated=scores.get("uncalibrated"),
        design=scores["design"],
        layers=layers,
        cost=costing.document(before, lower(narrow(int32, _int16(int32))), workloads),
        file=file,
        notes=_notes(samples, accuracy),
    )


def _choices(network: QuantizedNetwork, request: NarrowRequest) -> dict[str, RescalerChoice]:
    choice = RescalerChoice(request.multiplier_bits, request.method, request.shift_bits)
    choices = {operator.name: choice for operator in network.narrowable_operators()}
    if not choices:
        raise StudyError(f"{request.model}: has no convolution, fully connected layer, ADD, SUB or MUL to narrow")
    return choices


def _int16(network: QuantizedNetwork) -> dict[str, RescalerChoice]:
    choice = RescalerChoice(INT16_MULTIPLIER_BITS, Method.ROUND)
    return {operator.name: choice for operator in network.narrowable_operators()}


def _calibrated(
    int32: QuantizedNetwork,
    choices: dict[str, RescalerChoice],
    samples: NarrowSamples,
    seed: int,
    on_progress: Progress,
) -> QuantizedNetwork:
    total = len(int32.operators)
    seen: list[str] = []

    def notice(operator: Operator) -> None:
        seen.append(operator.name)
        step = Step.OBSERVE if len(seen) <= total else Step.NARROW
        on_progress(step, (len(seen) - 1) % total + 1, total)

    calibration = Calibration(int32, *samples.calibration, seed=seed, on_operator=notice)
    return calibration.narrow(int32, choices)


def _outputs(
    networks: dict[str, QuantizedNetwork], samples: NarrowSamples, on_progress: Progress
) -> dict[str, list[ActivationArray]]:
    """Returns the outputs of each network on the test samples."""
    made: dict[str, list[ActivationArray]] = {}
    for name, network in networks.items():
        on_progress(Step.COMPARE, len(made), len(networks))
        made[name] = IntegerExecutor(network).outputs(*samples.test)
    on_progress(Step.COMPARE, len(made), len(networks))
    return made


def _notes(samples: NarrowSamples, accuracy: float | None) -> tuple[str, ...]:
    notes, labels = [samples.note] if samples.note else [], samples.labels
    if accuracy is not None and labels is not None and not beats_chance(round(accuracy * len(labels) / 100), labels):
        notes.append(
            f"int32 is right on {accuracy:.1f}% of the samples, no more than by chance; check that inputs, "
            "--input-offset and labels belong to this model"
        )
    return tuple(notes)
