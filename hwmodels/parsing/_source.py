"""The origin of each line of preprocessed Verilog, and errors that name it."""

from dataclasses import dataclass

from hwmodels.errors import HardwareError


@dataclass(frozen=True, slots=True)
class SourceText:
    """Preprocessed Verilog with the origin of every line.

    Attributes:
        text: Verilog without directives.
        origins: file name and line number of each line of ``text``.
    """

    text: str
    origins: tuple[tuple[str, int], ...]

    def where(self, line: int) -> str:
        """Returns ``file:line`` of a line (counted from 1) of the preprocessed text."""
        if not self.origins:
            return "<empty>:0"
        name, number = self.origins[min(max(line, 1), len(self.origins)) - 1]
        return f"{name}:{number}"

    def error(self, line: int, message: str) -> HardwareError:
        """Returns an error that names the place of ``line`` of the preprocessed text."""
        return HardwareError(f"{self.where(line)}: {message}")
