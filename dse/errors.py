"""What can be wrong with a study."""


class StudyError(ValueError):
    """A study that cannot run; the message names file, key and value and what would be right."""
