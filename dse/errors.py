"""The errors of a study.

Bad input is a ValueError of one of three classes, one for each package: :class:`StudyError`,
:class:`nets.errors.NetworkError` and :class:`hwmodels.errors.HardwareError`; see :func:`bad_input`. A study that could
run but failed is a RuntimeError or an OSError.
"""


class StudyError(ValueError):
    """A study that cannot run; the message names file, key and value and what would be right."""


class EvaluationsFailedError(RuntimeError):
    """Too many evaluations failed in a row; the study cannot continue."""


class StorageFailedError(OSError):
    """A disk or a database failed during a study; all recorded trials are kept."""


def bad_input() -> tuple[type[ValueError], ...]:
    """Returns the error classes that mean bad input, which gets one line and exit status 2."""
    # Imported here: `dse --help` does not wait for the two packages.
    from hwmodels.errors import HardwareError
    from nets.errors import NetworkError

    return StudyError, NetworkError, HardwareError
