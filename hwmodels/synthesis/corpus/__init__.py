"""Designs that are not rescalers, to fit and validate the cost of anyone's RTL: single operators, random datapaths."""

from hwmodels.synthesis.corpus.fitting import corpus_points, fit_gates
from hwmodels.synthesis.corpus.sweep import (
    CorpusMeasurement,
    append_corpus,
    corpus,
    measure_module,
    read_corpus,
    run_corpus,
)
from hwmodels.synthesis.corpus.table import calibrate_gates, with_gates

__all__ = [
    "CorpusMeasurement",
    "append_corpus",
    "calibrate_gates",
    "corpus",
    "corpus_points",
    "fit_gates",
    "measure_module",
    "read_corpus",
    "run_corpus",
    "with_gates",
]
