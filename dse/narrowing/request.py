"""What is asked for: one choice for all rescalers of a model, and the samples to calibrate and test with."""

from dataclasses import dataclass
from pathlib import Path

from dse.design import MOST_SHIFT_BITS
from dse.errors import StudyError
from hwmodels import PresetName
from nets.network import FULL_MULTIPLIER_BITS, Method

WRITTEN = (".tflite", ".tosa")  # suffixes of the formats that designs are written in
DEFAULT_CALIBRATION = 64  # samples; with more of them, hardly any network gets better


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowRequest:
    """One design of a model.

    Attributes:
        model: quantized .tflite, .onnx or .tosa file.
        out: the .tflite or .tosa file to write; of an .onnx model also an .onnx file.
        cut: tensors of the file, by name or index, at which the network ends; none for its logits.
        data: .npz file of samples, with labels or without; None for synthetic inputs.
        input_offset: added to the inputs of ``data``.
        multiplier_bits: width ``k`` of every multiplier, in bits.
        shift_bits: width of every layer's shift, in bits; None for natural shifts.
        method: how the widths are reached.
        calibrate: number of calibration samples; None for the method's own default.
        contract: name of the rounding contract.
        technology: name of a shipped technology table, or path of one.
        output_order: order in which a lane rescales outputs, ``channel_innermost`` or ``channel_outermost``; None for
            that of the accelerator.
        accelerator: shape of the accelerator for the rescalers' shares; None for 16 MACs a rescaler in every layer.
        seed: seed of the choice of samples.
        force: whether an existing ``out`` is replaced.
    """

    model: Path
    out: Path
    cut: tuple[str, ...] = ()
    data: Path | None = None
    input_offset: int = 0
    multiplier_bits: int = 1
    shift_bits: int | None = None
    method: Method = Method.ABSORB
    calibrate: int | None = None
    contract: str = "half_up"
    technology: str = "aladdin40"
    output_order: str | None = None
    accelerator: PresetName | None = None
    seed: int = 0
    force: bool = False

    @property
    def calibration(self) -> int:
        """Number of calibration samples; 0 for none."""
        if self.calibrate is not None:
            return self.calibrate
        return DEFAULT_CALIBRATION if self.method is Method.ABSORB else 0

    def check(self) -> None:
        """Checks all that can be checked without reading a file's content.

        Raises:
            StudyError: one line that names option and value and what would be right.
        """
        if not 1 <= self.multiplier_bits <= FULL_MULTIPLIER_BITS:
            raise StudyError(
                f"--multiplier-bits is {self.multiplier_bits}; use 1 (a pure shift) to {FULL_MULTIPLIER_BITS} (int32)"
            )
        if self.shift_bits is not None and not 0 <= self.shift_bits <= MOST_SHIFT_BITS:
            raise StudyError(
                f"--shift-bits is {self.shift_bits}; use 0 (one constant shift) to {MOST_SHIFT_BITS}, or natural"
            )
        if self.calibration and self.method is Method.ROUND:
            raise StudyError(
                f"--calibrate is {self.calibrate}, but method round freezes weights and biases; use --method absorb"
            )
        if self.calibration < 0:
            raise StudyError(f"--calibrate is {self.calibration}; use 0 (none) or a number of samples")
        self._check_files()

    def _check_files(self) -> None:
        able = (*WRITTEN, ".onnx") if self.model.suffix.lower() == ".onnx" else WRITTEN
        if self.out.suffix not in able:
            raise StudyError(f"--out is {self.out}; give a file whose name ends in {' or '.join(able)}")
        if self.out.is_dir():
            raise StudyError(f"--out {self.out} is a folder; give the name of a file")
        if self.out.exists() and self.model.exists() and self.out.samefile(self.model):
            raise StudyError(f"--out {self.out} is the model itself; give another file")
        if self.out.exists() and not self.force:
            raise StudyError(f"--out {self.out} exists; give another file, or --force to replace it")
