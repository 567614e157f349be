"""Memory tables: one macro of a process with its source, and what other sizes and processes make of it."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from hwmodels.errors import HardwareError
from hwmodels.memories.scaling import area_factor, energy_factor
from hwmodels.toml_files import parse_toml, read_text

_FOLDER: Final = Path(__file__).parent
_MOST_BYTES: Final = 100_000

Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Macro(_Record):
    """A memory macro: area in um2, energies of one access to a word in pJ, leakage in uW."""

    words: Count
    word_bits: Count
    area_um2: Positive
    read_pj: Positive
    write_pj: Positive
    leakage_uw: NotNegative

    @property
    def bits(self) -> int:
        """Bits that the macro stores."""
        return self.words * self.word_bits


class Depth(_Record):
    """How the energy of an access grows with the words of a macro, and between which numbers of words."""

    exponent: NotNegative
    fewest_words: Count
    most_words: Count
    source: Text

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.fewest_words > self.most_words:
            raise ValueError(f"fewest_words = {self.fewest_words} exceeds most_words = {self.most_words}")
        return self


@dataclass(frozen=True, slots=True)
class Scaled:
    """Figures of one bit of a memory of a size; an access is to whole words."""

    area_um2: float
    read_pj: float
    write_pj: float
    leakage_uw: float


class MemoryTable(_Record):
    """A memory macro at a feature size in nanometres and a supply in volts.

    Attributes:
        name: short name, as in a study file.
        conditions: ports, cells, temperature and the like.
        source: publication or tool run that the figures come from.
        error: relative error of every figure (1.0 is a factor of 2), by comparison with other sources.
        macro: the macro.
        depth: how energies scale with the number of words.
    """

    name: Text
    node_nm: Positive
    voltage_v: Positive
    conditions: Text
    source: Text
    error: NotNegative
    macro: Macro
    depth: Depth

    def scaled(self, words: int, node_nm: float, voltage_v: float) -> Scaled:
        """Returns the figures of a bit in a macro of so many words, in another process.

        Area and leakage grow with the bits, energies with a power of the words. Area and energies are scaled between
        processes after Stillmaker and Baas; leakage is not: it is that of the table's own process and cells.

        Raises:
            HardwareError: the table does not reach so far.
        """
        if not self.depth.fewest_words <= words <= self.depth.most_words:
            raise HardwareError(
                f"memory {self.name}: {words} words; possible are {self.depth.fewest_words} to {self.depth.most_words}"
            )
        area = self.macro.area_um2 * area_factor(self.node_nm, node_nm) / self.macro.bits
        energy = energy_factor(self.node_nm, self.voltage_v, node_nm, voltage_v) / self.macro.word_bits
        energy *= (words / self.macro.words) ** self.depth.exponent
        return Scaled(
            area_um2=area,
            read_pj=self.macro.read_pj * energy,
            write_pj=self.macro.write_pj * energy,
            leakage_uw=self.macro.leakage_uw / self.macro.bits,
        )


def memory_names() -> tuple[str, ...]:
    """Returns the names of the memory tables that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_memory(name_or_path: str | Path) -> MemoryTable:
    """Returns a memory table by the name of a shipped one, or reads one from a path that ends in ``.toml``.

    Raises:
        HardwareError: if there is no such table, or it is not valid; the message names file, key and value.
    """
    name = str(name_or_path)
    if name in memory_names():
        return _read(_FOLDER / f"{name}.toml")
    if Path(name).suffix != ".toml":
        raise HardwareError(
            f"unknown memory {name!r}; use one of {', '.join(memory_names())}, or the path of a .toml table"
        )
    return _read(Path(name).resolve())


def _read(path: Path) -> MemoryTable:
    try:
        text = read_text(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise HardwareError(f"{path}: cannot be read ({error})") from None
    return _parsed(text, str(path))


@functools.lru_cache(maxsize=32)
def _parsed(text: str, name: str) -> MemoryTable:
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise HardwareError(f"{name}: not valid TOML: {error}") from None
    try:
        return MemoryTable.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise HardwareError(f"{name}: {key}: {problem['msg'].removeprefix('Value error, ')}") from None
