"""One design, layer by layer, in lines of text."""

from collections import defaultdict
from collections.abc import Sequence

from dse import formats
from dse.verdict import Choice


def layer_lines(rescalers: Sequence[str], choice: Choice) -> list[str]:
    """Returns a line for every different choice of a design, with the names of all rescalers that have it.

    Args:
        rescalers: names of the rescalers, in order of execution.
        choice: the design.

    Returns:
        Lines such as ``1 bit, absorb, shifts of 2 bits (2): conv_0, conv_2``, the most frequent choice first; one line
        without names if all rescalers are alike.
    """
    names: defaultdict[str, list[str]] = defaultdict(list)
    words = map(_in_words, choice.multiplier_bits, choice.methods, choice.shift_bits)
    for name, chosen in zip(rescalers, words, strict=True):
        names[chosen].append(name)
    if len(names) == 1 and len(rescalers) > 1:
        return [f"all {len(rescalers)} rescalers: {next(iter(names))}"]
    ordered = sorted(names.items(), key=lambda item: -len(item[1]))
    return [f"{words} ({len(each)}): {', '.join(each)}" for words, each in ordered]


def _in_words(bits: int, method: str, shift_bits: int | None) -> str:
    window = {None: "", 0: "one constant shift"}.get(shift_bits, f"shifts of {formats.count(shift_bits or 0, 'bit')}")
    return ", ".join(part for part in (formats.count(bits, "bit"), method, window) if part)
