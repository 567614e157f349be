"""The study file, and the networks, data and search space prepared from it."""

from typing import TYPE_CHECKING

from dse.study.accelerator import AcceleratorSpec
from dse.study.inputs import input_files, with_input_files
from dse.study.loading import describe_errors, load_study, study_of, validated, with_overrides
from dse.study.members import MemberSpec
from dse.study.search import Constraint, SearchSpec
from dse.study.space import space_over
from dse.study.spec import FidelitySpec, HardwareSpec, Study, StudyDocument, WorkersSpec
from dse.study.values import Sampler
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.study.prepared import (
        BoolArray,
        PreparedMember,
        PreparedStudy,
        correct_answers,
        fingerprint_of,
        measured,
        outputs_of,
        prepare,
        right_answers,
        train_on_one_thread,
    )
    from dse.study.task_metrics import Measured, loss_interval
    from dse.study.tasks import beats_chance
else:
    __getattr__ = names_on_demand(__name__, "tasks", "task_metrics", "prepared")  # datasets; torch

__all__ = [
    "AcceleratorSpec",
    "BoolArray",
    "Constraint",
    "FidelitySpec",
    "HardwareSpec",
    "Measured",
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
    "input_files",
    "load_study",
    "loss_interval",
    "measured",
    "outputs_of",
    "prepare",
    "right_answers",
    "space_over",
    "study_of",
    "train_on_one_thread",
    "validated",
    "with_input_files",
    "with_overrides",
]
