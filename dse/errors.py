"""What can go wrong with a study.

Bad input is a ValueError of one of three classes, one for each package: :class:`StudyError`,
:class:`nets.errors.NetworkError` and :class:`hwmodels.errors.HardwareError`; see :func:`bad_input`. A study that could
run but failed is a RuntimeError or an OSError.
"""


class StudyError(ValueError):
    """A study that cannot run; the message names file, key and value and what would be right."""


class EvaluationsFailedError(RuntimeError):
    """Evaluations fail one after the other; the study cannot continue."""


class StorageFailedError(OSError):
    """A disk or a database failed during a study; all recorded trials are kept."""


def bad_input() -> tuple[type[ValueError], ...]:
    """Returns the classes of errors that stand for bad input: one line for the user, exit status 2."""
    # Imported here: `dse --help` does not wait for the two packages.
    from hwmodels.errors import HardwareError
    from nets.errors import NetworkError

    return StudyError, NetworkError, HardwareError
