"""Colours and shapes of all pictures: Okabe and Ito's colour-blind safe set; shape and dash carry it in greyscale."""

from dse.report.designs import Evidence

INK = "#1b1f24"
FAINT = "#b3b8bf"
GRID = "#e4e7eb"
BLUE = "#0072b2"
ORANGE = "#d55e00"
SKY = "#56b4e9"
YELLOW = "#e69f00"
SEQUENTIAL = "cividis"  # even in lightness, so it survives a grey printer

# (plotly symbol, matplotlib marker, filled)
SHAPES: dict[Evidence, tuple[str, str, bool]] = {
    Evidence.NON_INFERIOR: ("circle", "o", True),
    Evidence.UNDECIDED: ("circle-open", "o", False),
    Evidence.WORSE: ("x-thin-open", "x", True),
    Evidence.UNTESTED: ("diamond-open", "D", False),
}
EVIDENCE_LABELS: dict[Evidence, str] = {
    Evidence.NON_INFERIOR: "front, non-inferior on test",
    Evidence.UNDECIDED: "front, test cannot tell",
    Evidence.WORSE: "front, worse than the margin",
    Evidence.UNTESTED: "front, not scored on test",
}
EVIDENCE_COLOURS: dict[Evidence, str] = {
    Evidence.NON_INFERIOR: BLUE,
    Evidence.UNDECIDED: BLUE,
    Evidence.WORSE: ORANGE,
    Evidence.UNTESTED: INK,
}
