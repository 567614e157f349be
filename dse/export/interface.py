"""How an exported unit is driven: flow control, reset, and where its parameters come from."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from dse.errors import StudyError
from dse.export.units import Unit

Handshake = Literal["none", "enable", "valid", "valid_ready"]
Reset = Literal["none", "sync", "sync_low", "async", "async_low"]
Parameters = Literal["rom", "load"]
_RESETS: Final = get_args(Reset)  # in the order of RESET in rtl/rescaler_register.v


@dataclass(frozen=True, slots=True)
class Interface:
    """Options of an export, the same for all of its units.

    Attributes:
        handshake: ``none`` takes an operand at every clock edge, ``enable`` only while a port is high; ``valid`` flags
            operands and results, ``valid_ready`` can also be stalled by what takes the results.
        reset: kind and active level of the reset. It clears the valid flags; without these, the data registers.
        parameters: ``rom`` wires the parameters of all channels into a case statement, ``load`` stores them in a memory
            with a write port.
    """

    handshake: Handshake = "none"
    reset: Reset = "none"
    parameters: Parameters = "rom"

    @property
    def flags(self) -> bool:
        """Whether valid flags come with operands and results."""
        return self.handshake in ("valid", "valid_ready")

    @property
    def stalls(self) -> bool:
        """Whether the registers of a unit can be held."""
        return self.handshake in ("enable", "valid_ready")

    @property
    def reset_kind(self) -> int:
        """Value of the parameter RESET of ``rtl/rescaler_register.v``."""
        return _RESETS.index(self.reset)

    @property
    def reset_port(self) -> str:
        """Name of the reset port, which ends in ``_n`` if it is active low; empty if there is none."""
        if self.reset == "none":
            return ""
        return "reset_n" if self.reset_low else "reset"

    @property
    def reset_low(self) -> bool:
        """Whether the reset is active low."""
        return self.reset.endswith("_low")

    def core_parameters(self, unit: Unit) -> dict[str, int]:
        """Returns the parameters of the module that a unit instantiates: those that were costed, and the controls."""
        if unit.serial:
            return {**unit.parameters, "ENABLE": 1, "RESET": self.reset_kind}
        reset = 0 if self.flags else self.reset_kind
        return {**unit.parameters, "ENABLE": int(self.stalls), "RESET": reset}


def interface_for(
    units: tuple[Unit, ...], handshake: Handshake | None, reset: Reset | None, parameters: Parameters
) -> Interface:
    """Returns the interface of units, with the defaults of what was not chosen.

    Units that take several cycles need ``valid_ready``. Valid flags have a synchronous reset unless another is chosen.

    Raises:
        StudyError: the options do not fit together, or not the units.
    """
    serial = next((unit for unit in units if unit.serial), None)
    if handshake is None:
        handshake = "none" if serial is None else "valid_ready"
    if serial is not None and handshake != "valid_ready":
        raise StudyError(
            f"--handshake is {handshake}, but rescaler {serial.name!r} takes {serial.interval} cycles; use valid_ready"
        )
    flags = handshake in ("valid", "valid_ready")
    if not flags and any(unit.layers and unit.latency > 1 for unit in units):
        raise StudyError(
            f"--handshake is {handshake}, but the shared bank has a pipeline, which has to be empty before another "
            "layer; use valid or valid_ready"
        )
    if reset is None:
        reset = "sync" if flags else "none"
    if flags and reset == "none":
        raise StudyError(f"--reset is none, but --handshake {handshake} has flags to reset; use sync or async")
    return Interface(handshake, reset, parameters)
