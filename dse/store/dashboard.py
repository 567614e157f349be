"""What optuna-dashboard shows of a study besides its trials: a note of the study, and one of the recommended trial."""

from collections.abc import Mapping

from optuna.storages import BaseStorage

MOST_CHARACTERS = 2000  # of a note: what a database keeps in one attribute
_NOTE = {"ver": "note_ver", "text": "note_str:0"}


def read_note(attributes: Mapping[str, object], trial_id: int | None = None) -> str:
    """Returns the note of a study, or of one of its trials, from the study's system attributes."""
    return str(attributes.get(_key("text", trial_id), ""))


def write_note(storage: BaseStorage, study_id: int, text: str, trial_id: int | None = None) -> None:
    """Writes the note of a study, or of one of its trials, as optuna-dashboard reads it; nothing if it stands already.

    The keys are those of ``optuna_dashboard.save_note``, which takes no trial that is finished. Notes of trials are
    attributes of the study, so a finished trial can have one.
    """
    attributes = storage.get_study_system_attrs(study_id)
    if read_note(attributes, trial_id) == text[:MOST_CHARACTERS]:
        return
    version = attributes.get(_key("ver", trial_id), 0)
    storage.set_study_system_attr(study_id, _key("text", trial_id), text[:MOST_CHARACTERS])
    storage.set_study_system_attr(study_id, _key("ver", trial_id), int(version) + 1)


def _key(part: str, trial_id: int | None) -> str:
    return f"dashboard:{_NOTE[part]}" if trial_id is None else f"dashboard:{trial_id}:{_NOTE[part]}"
