"""The shipped rescaler architectures: their RTL, contract, parameters, latency and throughput."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwmodels.errors import HardwareError

RTL_FOLDER: Final = Path(__file__).parents[1] / "rtl"
_OUTPUT: Final = "rescaler_output.v"
FRACTURED_WIDTHS: Final = (8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a rescaler is built for.

    Attributes:
        multiplier_bits: ``k``.
        acc_bits: width of the signed operand.
        shift_bits: width of the variable shift.
        shift_min: smallest right shift.
        out_bits: width of the output.
        constant: the multiplier itself, for the constant architecture.
    """

    multiplier_bits: int
    acc_bits: int
    shift_bits: int
    shift_min: int
    out_bits: int = 8
    constant: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One way to build a rescaler.

    Attributes:
        name: short name.
        top: module.
        files: sources of the module and of those it instantiates.
        contract: rounding contract that it obeys.
        multipliers: smallest and largest ``k``.
        parameters: gives the module's parameters for a shape.
        latency: gives the clock cycles from operand to output register for ``k``.
        interval: gives the clock cycles between two operands for ``k``.
        lanes: gives the results per interval for ``k``.
    """

    name: str
    top: str
    files: tuple[Path, ...]
    contract: str
    multipliers: tuple[int, int]
    parameters: Callable[[Shape], Mapping[str, int]]
    latency: Callable[[int], int] = lambda _: 1
    interval: Callable[[int], int] = lambda _: 1
    lanes: Callable[[int], int] = lambda _: 1

    def check(self, shape: Shape) -> None:
        """Raise HardwareError if the architecture cannot be built for a shape."""
        low, high = self.multipliers
        if not low <= shape.multiplier_bits <= high:
            raise HardwareError(
                f"architecture {self.name}: multiplier_bits is {shape.multiplier_bits}; {low} to {high} can be built"
            )


def fractured_width(multiplier_bits: int) -> int:
    """Return the mode of the fractured unit that holds a multiplier: 8, 16 or 32 bits."""
    return next(width for width in FRACTURED_WIDTHS if multiplier_bits <= width)


def _array(shape: Shape) -> dict[str, int]:
    return {
        "ACC_WIDTH": shape.acc_bits,
        "MULT_WIDTH": shape.multiplier_bits,
        "SHIFT_WIDTH": shape.shift_bits,
        "SHIFT_MIN": shape.shift_min,
        "OUT_WIDTH": shape.out_bits,
    }


def _double(shape: Shape) -> dict[str, int]:
    return {
        "ACC_WIDTH": shape.acc_bits,
        "MULT_WIDTH": shape.multiplier_bits,
        "EXPONENT_WIDTH": shape.shift_bits,
        "EXPONENT_MIN": shape.shift_min - shape.multiplier_bits,
        "OUT_WIDTH": shape.out_bits,
    }


def _fractured(shape: Shape) -> dict[str, int]:
    """One unit serves every width: its shifts reach from the 8-bit mode's smallest to the 32-bit mode's largest."""
    low = shape.shift_min - shape.multiplier_bits + FRACTURED_WIDTHS[0]
    span = FRACTURED_WIDTHS[-1] - FRACTURED_WIDTHS[0] + (1 << shape.shift_bits) - 1
    return {
        "ACC_WIDTH": shape.acc_bits,
        "SHIFT_WIDTH": span.bit_length(),
        "SHIFT_MIN": low,
        "OUT_WIDTH": shape.out_bits,
    }


def _constant(shape: Shape) -> dict[str, int]:
    return {
        "ACC_WIDTH": shape.acc_bits,
        "MULTIPLIER": shape.constant,
        "SHIFT": shape.shift_min,
        "OUT_WIDTH": shape.out_bits,
    }


def _add(shape: Shape) -> dict[str, int]:
    """ADD of two int8 inputs, the common scale's left shift of 20 (TFLite), one shift per layer."""
    k = shape.multiplier_bits
    return {
        "IN_WIDTH": 8,
        "LEFT_SHIFT": 20,
        "MULT_IN_WIDTH": k,
        "SHIFT_IN_WIDTH": 0,
        "SHIFT_IN_MIN": k - 19,
        "SUM_WIDTH": 30,
        "MULT_OUT_WIDTH": k,
        "SHIFT_OUT_WIDTH": 0,
        "SHIFT_OUT_MIN": k + 19,
        "OUT_WIDTH": shape.out_bits,
    }


def _files(*names: str) -> tuple[Path, ...]:
    return tuple(RTL_FOLDER / name for name in names)


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="array", top="rescaler", files=_files("rescaler.v"), contract="half_up", multipliers=(1, 64),
            parameters=_array,
        ),
        Architecture(
            name="floor", top="rescaler_floor", files=_files("rescaler_floor.v", _OUTPUT), contract="floor",
            multipliers=(1, 64), parameters=_array,
        ),
        Architecture(
            name="half_away", top="rescaler_half_away", files=_files("rescaler_half_away.v", _OUTPUT),
            contract="half_away", multipliers=(1, 64), parameters=_array,
        ),
        Architecture(
            name="tflite_double", top="rescaler_tflite_double", files=_files("rescaler_tflite_double.v", _OUTPUT),
            contract="tflite_double", multipliers=(2, 31), parameters=_double,
        ),
        Architecture(
            name="serial", top="rescaler_serial", files=_files("rescaler_serial.v", _OUTPUT), contract="half_up",
            multipliers=(2, 64), parameters=_array, latency=lambda k: k + 2, interval=lambda k: k + 1,
        ),
        Architecture(
            name="fractured", top="rescaler_fractured", files=_files("rescaler_fractured.v", _OUTPUT),
            contract="half_up", multipliers=(1, 32), parameters=_fractured,
            lanes=lambda k: FRACTURED_WIDTHS[-1] // fractured_width(k),
        ),
        Architecture(
            name="constant", top="rescaler_constant", files=_files("rescaler_constant.v", _OUTPUT),
            contract="half_up", multipliers=(1, 31), parameters=_constant,
        ),
        Architecture(
            name="add", top="rescaler_add", files=_files("rescaler_add.v", "rescaler.v"), contract="half_up",
            multipliers=(1, 64), parameters=_add,
        ),
    )
}  # fmt: skip
