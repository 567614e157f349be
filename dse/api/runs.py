"""Studies from Python: launch one, read its tables, export and prove its designs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse import html
from dse.errors import StudyError
from dse.report import Recommendation, complete_trial, front_text, recommendation
from dse.store import EvaluationCache, RunFolder, StudyResults, default_cache_path, results_of
from dse.study import Study, load_study, study_of, with_overrides
from dse.verdict import Verdict

if TYPE_CHECKING:  # imported where they are used: a stored table must not wait for torch
    from dse.search import Progress


@dataclass(frozen=True)
class Run:
    """A run with its results; a notebook shows its front and its verdict.

    Attributes:
        folder: the run's folder.
        results: everything that was stored when this object was made.
        storage: URL of the run's database, if it was given; it may hold a password.
    """

    folder: Path
    results: StudyResults = field(repr=False)
    storage: str = field(default="", repr=False)

    @property
    def trials(self) -> pd.DataFrame:
        """A row for each trial, with the columns of ``trials.parquet``."""
        return self.results.trials.copy()

    @property
    def front(self) -> pd.DataFrame:
        """The rows of the non-dominated designs, cheapest first."""
        return self.results.front.copy()

    @property
    def layers(self) -> pd.DataFrame:
        """A row for each complete trial and rescaler: widths, shifts, areas and energies."""
        return self.results.layers.copy()

    @cached_property
    def recommendation(self) -> Recommendation:
        """The verdict with the designs that it is compared with."""
        return recommendation(self.results)

    @property
    def verdict(self) -> Verdict:
        """What the run shows: ``headline`` and ``text`` say it in words."""
        return self.recommendation.verdict

    @property
    def recommended(self) -> int | None:
        """Number of the recommended trial; None if there is none."""
        return None if self.verdict.recommended is None else self.verdict.recommended.trial

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return RunFolder(self.folder).report_path

    def export(self, out: Path | str, trial: int | None = None, *, member: str = "") -> Path:
        """Writes a design as Verilog, test bench, parameters, C header and model files, and returns its README.md.

        Args:
            out: a new or empty folder.
            trial: number of a complete trial; None for the recommended one.
            member: name of the network in a portfolio.

        Raises:
            StudyError: no such trial or member, or the folder is not empty.
        """
        from dse.export import export_design

        return export_design(self.folder, self._trial(trial), Path(out), member=member, storage=self.storage)

    def prove(self, trial: int | None = None, *, member: str = "", time_limit: float = 60.0) -> pd.DataFrame:
        """Tries to prove for all inputs that every rescaler of a design, as it is exported, equals its contract.

        Args:
            trial: number of a complete trial; None for the recommended one.
            member: name of the network in a portfolio.
            time_limit: seconds for every rescaler.

        Returns:
            A row for each unit: ``module``, ``layer``, ``channels``, ``operands``, ``outcome``, and more.

        Raises:
            StudyError: no such trial or member.
            HardwareError: yosys or the solver is not installed.
        """
        from dse.export import load_design, prove_design

        design = load_design(RunFolder(self.folder), self._trial(trial), 1, member, storage=self.storage)
        return pd.DataFrame([proof.document() for proof in prove_design(design, time_limit)])

    def _trial(self, trial: int | None) -> int:
        if trial is not None:
            return complete_trial(self.results, trial).trial
        if self.recommended is None:
            raise StudyError(f"{self.folder}: the run recommends no design; give the number of a trial")
        return self.recommended

    def _repr_html_(self) -> str:
        """Returns front and verdict for a notebook."""
        text = front_text(self.results, self.recommendation)
        rows = [*text.front, *text.baselines]
        cells = [row.cells for row in rows]
        return html.table(text.title, text.headings, cells) + html.paragraphs([text.caption, self.verdict.text])


def launch(
    study: Study | Mapping[str, Any] | Path | str,
    out: Path | str | None = None,
    *,
    trials: int | None = None,
    mirror: Path | str | None = None,
    fresh: bool = False,
    accept_changes: bool = False,
    ray_address: str | None = None,
    storage: str = "",
    reuse: bool = True,
    on_progress: "Callable[[Progress], None]" = lambda _: None,
) -> Run:
    """Runs a study, or resumes the one in its folder, and returns the run.

    Args:
        study: a study, the path of a study file, or the tables of one, whose paths are then relative to the working
            directory.
        out: the run's folder; None for ``runs/<name>``.
        trials: total number of completed trials, those of earlier calls included; None for the study's. With fewer
            than the study's, the test split is not read yet.
        mirror: folder with the public files that the study names as ``fetch:NAME``; None for their addresses.
        fresh: whether to start over; the run in the folder is kept inside of it.
        accept_changes: whether to go on although files or program changed since the run began: in a new front.
        ray_address: address of a running Ray cluster; None for a local one.
        storage: URL of a database for the trials; empty for a journal in the folder.
        reuse: whether evaluations are read from and written to the user's cache.
        on_progress: called after every recorded trial.

    Raises:
        StudyError: bad input; no file was made or changed.
        StorageFailedError: disk or database failed during the study; recorded trials are kept.
        KeyboardInterrupt: the run was interrupted; the same call resumes it.
    """
    written = _written(study, mirror)
    spec = with_overrides(written, trials=trials)
    from dse.run import default_folder, run_study  # imports torch: a study that cannot run is refused before

    folder = RunFolder(default_folder(spec) if out is None else Path(out))
    results = run_study(
        spec,
        folder,
        fresh=fresh,
        accept_changes=accept_changes,
        ray_address=ray_address,
        storage=storage,
        cache=EvaluationCache(default_cache_path()) if reuse else None,
        read_test=spec.search.trials >= written.search.trials,
        on_progress=on_progress,
    )
    return Run(folder.path, results, storage)


def _written(study: Study | Mapping[str, Any] | Path | str, mirror: Path | str | None) -> Study:
    from dse.fetch import Fetcher

    fetcher = Fetcher(None if mirror is None else Path(mirror))
    if isinstance(study, Study):
        return study
    if isinstance(study, Mapping):
        return study_of(dict(study), Path.cwd(), "study", fetcher)
    return load_study(Path(study), fetcher)


def open_run(folder: Path | str, storage: str = "") -> Run:
    """Returns the run in a folder, with what is stored of it now, even while it is running.

    Args:
        folder: the run's folder.
        storage: URL of the run's database, needed for its password or if the run was not made by this user here.

    Raises:
        StudyError: the folder holds no run, or it cannot be read.
    """
    path = Path(folder)
    return Run(path, results_of(RunFolder(path), storage), storage)
