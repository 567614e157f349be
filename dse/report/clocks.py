"""What a study's clock does to its designs, in a sentence."""

from dse.design import metrics
from dse.store import StudyResults


def clock_sentence(results: StudyResults) -> str:
    """Returns how many designs miss the target clock at any pipeline depth, and what int32 does; empty without one."""
    mhz = results.facts.clock_mhz
    if mhz is None:
        return ""
    period, complete = 1000.0 / mhz, results.complete
    missed = int((complete[metrics.PERIOD.name] > period).sum())
    verb = "misses" if missed == 1 else "miss"
    many = f"{missed} of {len(complete)} designs {verb} it at any pipeline depth" if missed else "all designs meet it"
    slow = results.int32[results.int32[metrics.PERIOD.name] > period]
    int32 = f"; int32 runs at {1000.0 / float(slow[metrics.PERIOD.name].iloc[0]):.4g} MHz at most" if len(slow) else ""
    infeasible = ", and infeasible designs join the front only if no design is feasible" if missed else ""
    return f"The clock has {mhz:g} MHz ({period:.3g} ns): {many}{infeasible}{int32}."
