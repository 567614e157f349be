"""The study file, and the networks, data and search space prepared from it."""

from dse.study.loading import describe_errors, load_study, validated
from dse.study.members import MemberSpec
from dse.study.prepared import (
    BoolArray,
    PreparedMember,
    PreparedStudy,
    correct_answers,
    fingerprint_of,
    outputs_of,
    prepare,
    right_answers,
    train_on_one_thread,
)
from dse.study.space import space_over
from dse.study.spec import (
    Constraint,
    FidelitySpec,
    HardwareSpec,
    SearchSpec,
    Study,
    StudyDocument,
    WorkersSpec,
)
from dse.study.tasks import beats_chance
from dse.study.values import Sampler

__all__ = [
    "BoolArray",
    "Constraint",
    "FidelitySpec",
    "HardwareSpec",
    "MemberSpec",
    "PreparedMember",
    "PreparedStudy",
    "Sampler",
    "SearchSpec",
    "Study",
    "StudyDocument",
    "WorkersSpec",
    "beats_chance",
    "correct_answers",
    "describe_errors",
    "fingerprint_of",
    "load_study",
    "outputs_of",
    "prepare",
    "right_answers",
    "space_over",
    "train_on_one_thread",
    "validated",
]
