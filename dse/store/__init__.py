"""What a run keeps: trials, records, run folder, cache."""

from typing import TYPE_CHECKING

from dse.store.cache import EvaluationCache, default_cache_path
from dse.store.collection import collect, member_key, results_of
from dse.store.columns import design_table, for_people, heading, trial_columns
from dse.store.earlier_looks import looks_before
from dse.store.front import contenders, front_of, is_feasible, violations
from dse.store.journal import new_journal, own_journal
from dse.store.looks import Look
from dse.store.manifest import Manifest, git_revision, installed_versions, new_id, now_utc
from dse.store.opening import new_storage, storage_of, storage_to_drive
from dse.store.records import LevelRecord, TrialRecord, record_of
from dse.store.results import StudyFacts, StudyResults
from dse.store.run_folder import RunFolder
from dse.store.shrinkage import expected_drops
from dse.store.trials import RememberingSampler, StudyStore, observation_in, record_in, role_of
from dse.store.trust import seal
from dse.store.upkeep import Finding, check, repair, without_weights
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.store.databases import database, reporting_storage_failures, without_password
else:
    __getattr__ = names_on_demand(__name__, "databases")  # SQLAlchemy

__all__ = [
    "EvaluationCache",
    "Finding",
    "LevelRecord",
    "Look",
    "Manifest",
    "RememberingSampler",
    "RunFolder",
    "StudyFacts",
    "StudyResults",
    "StudyStore",
    "TrialRecord",
    "check",
    "collect",
    "contenders",
    "database",
    "default_cache_path",
    "design_table",
    "expected_drops",
    "for_people",
    "front_of",
    "git_revision",
    "heading",
    "installed_versions",
    "is_feasible",
    "looks_before",
    "member_key",
    "new_id",
    "new_journal",
    "new_storage",
    "now_utc",
    "observation_in",
    "own_journal",
    "record_in",
    "record_of",
    "repair",
    "reporting_storage_failures",
    "results_of",
    "role_of",
    "seal",
    "storage_of",
    "storage_to_drive",
    "trial_columns",
    "violations",
    "without_password",
    "without_weights",
]
