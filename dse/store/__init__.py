"""What a run keeps: trials, records, run folder, cache."""

from dse.store.cache import EvaluationCache, default_cache_path
from dse.store.collection import collect, member_key, results_of
from dse.store.columns import design_table, for_people, heading, trial_columns
from dse.store.databases import database, reporting_storage_failures, without_password
from dse.store.front import contenders, front_of, is_feasible, violations
from dse.store.journal import own_journal
from dse.store.looks import Look
from dse.store.manifest import Manifest, git_revision, installed_versions, now_utc
from dse.store.records import LevelRecord, TrialRecord, record_of
from dse.store.results import StudyFacts, StudyResults
from dse.store.run_folder import RunFolder
from dse.store.trials import RememberingSampler, StudyStore, record_in, role_of, storage_of

__all__ = [
    "EvaluationCache",
    "LevelRecord",
    "Look",
    "Manifest",
    "RememberingSampler",
    "RunFolder",
    "StudyFacts",
    "StudyResults",
    "StudyStore",
    "TrialRecord",
    "collect",
    "contenders",
    "database",
    "default_cache_path",
    "design_table",
    "for_people",
    "front_of",
    "git_revision",
    "heading",
    "installed_versions",
    "is_feasible",
    "member_key",
    "now_utc",
    "own_journal",
    "record_in",
    "record_of",
    "reporting_storage_failures",
    "results_of",
    "role_of",
    "storage_of",
    "trial_columns",
    "violations",
    "without_password",
]
