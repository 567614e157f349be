"""A bound on the work that a design may cause: a few lines of Verilog can describe billions of operators."""

from typing import Final

from hwmodels.parsing._source import SourceText

# Seconds of work, and far beyond any design whose parts can be costed one by one: the largest rescaler that comes with
# the package needs less than a thousandth.
MAX_STEPS: Final = 2_000_000


class Work:
    """Counts the steps of one elaboration: expressions, passes of loops, instances and copied facts."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def spend(self, steps: int, source: SourceText, line: int) -> None:
        """Counts steps that the code at ``line`` causes.

        Raises:
            HardwareError: the design causes more than ``MAX_STEPS``.
        """
        self._left -= steps
        if self._left < 0:
            raise source.error(
                line,
                f"loops, functions or instances unfold to over {MAX_STEPS} steps; cost a smaller part of the design",
            )
