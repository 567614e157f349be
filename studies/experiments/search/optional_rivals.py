"""Searches of libraries that rescale-dse does not need: ``pip install botorch smac``."""

from importlib.util import find_spec
from tempfile import mkdtemp

import numpy as np

from dse.design import non_dominated
from dse.search import Factors, Rows
from studies.experiments.search.problem import REFERENCE, History, Problem
from studies.experiments.search.rivals import Search

_RESTARTS, _RAW, _STEPS = 2, 64, 40  # of the acquisition function's optimization


class Qlognehvi(Search):
    """BoTorch's qLogNEHVI over independent Gaussian processes; factors are the scaled indices of their values."""

    def propose(self, history: History) -> Rows:
        """Returns the maximizer of the acquisition function, rounded to values."""
        import torch
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import ModelListGP, SingleTaskGP
        from botorch.optim import optimize_acqf
        from botorch.sampling import SobolQMCNormalSampler
        from gpytorch.mlls import SumMarginalLogLikelihood

        torch.manual_seed(self.seed * 1000 + len(history.rows))
        free = self.factors.free
        scale = self.factors.sizes[free] - 1
        inputs = torch.tensor(np.minimum(history.rows[:, free], scale) / scale, dtype=torch.double)
        values = history.values / REFERENCE
        values[:, 0] = np.minimum(values[:, 0], 3.0)  # what lies far beyond the reference point would spoil the fit
        outcomes = torch.tensor(-values, dtype=torch.double)
        spread = outcomes.std(dim=0)
        scaled = (outcomes - outcomes.mean(dim=0)) / spread
        models = [SingleTaskGP(inputs, scaled[:, at : at + 1]) for at in range(scaled.shape[1])]
        model = ModelListGP(*models)
        fit_gpytorch_mll(
            SumMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs={"options": {"maxiter": 60}}
        )
        reference = (torch.tensor(-np.ones(3)) - outcomes.mean(dim=0)) / spread
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model,
            ref_point=reference,
            X_baseline=inputs[torch.tensor(non_dominated(history.values))],
            sampler=SobolQMCNormalSampler(torch.Size([32]), seed=self.seed),
            prune_baseline=True,
        )
        best, _ = optimize_acqf(
            acquisition,
            bounds=torch.stack([torch.zeros(len(free)), torch.ones(len(free))]).double(),
            q=1,
            num_restarts=_RESTARTS,
            raw_samples=_RAW,
            options={"maxiter": _STEPS},
        )
        row = np.zeros(len(self.factors.factors), dtype=np.intp)
        row[free] = np.rint(best[0].detach().numpy() * scale).astype(np.intp)
        return row


class Smac(Search):
    """SMAC3 with ParEGO for several objectives; factors are the indices of their values."""

    def __init__(self, problem: Problem, factors: Factors, evaluations: int, seed: int) -> None:
        super().__init__(problem, factors, evaluations, seed)
        from pathlib import Path

        from ConfigSpace import ConfigurationSpace, Integer
        from smac import HyperparameterOptimizationFacade, Scenario

        self._space = ConfigurationSpace(seed=seed)
        self._space.add(Integer(f"f{at}", (0, int(factors.sizes[at]) - 1)) for at in factors.free)
        names = ["loss", "area", "energy"]
        scenario = Scenario(
            self._space, objectives=names, n_trials=evaluations, seed=seed, output_directory=Path(mkdtemp())
        )
        kind = HyperparameterOptimizationFacade
        self._smac = kind(
            scenario,
            lambda _configuration, seed=0: [0.0, 0.0, 0.0],  # noqa: ARG005 -- results are given to it, never asked for
            initial_design=kind.get_initial_design(scenario, n_configs=0, additional_configs=[]),
            multi_objective_algorithm=kind.get_multi_objective_algorithm(scenario),
            logging_level=False,
            overwrite=True,
        )
        self._names, self._known = names, 0

    def propose(self, history: History) -> Rows:
        """Returns the configuration that SMAC asks for."""
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        free = self.factors.free
        for row, values in zip(history.rows[self._known :], history.values[self._known :] / REFERENCE, strict=True):
            chosen = np.minimum(row, self.factors.sizes - 1)
            configuration = Configuration(self._space, values={f"f{at}": int(chosen[at]) for at in free})
            self._smac.tell(TrialInfo(configuration, seed=0), TrialValue(cost=values.tolist()))
        self._known = len(history.rows)
        asked = self._smac.ask()
        row = np.zeros(len(self.factors.factors), dtype=np.intp)
        row[free] = [asked.config[f"f{at}"] for at in free]
        return row


OPTIONAL: dict[str, tuple[type[Search], str]] = {"qlognehvi": (Qlognehvi, "botorch"), "smac": (Smac, "smac")}


def available() -> dict[str, type[Search]]:
    """Returns the searches whose libraries are installed."""
    return {name: kind for name, (kind, module) in OPTIONAL.items() if find_spec(module)}


def missing() -> list[str]:
    """Returns a line for every search whose library is not installed."""
    lacking = [(name, module) for name, (_, module) in OPTIONAL.items() if not find_spec(module)]
    return [f"{name}: not run, {module} is not installed (pip install botorch smac)" for name, module in lacking]
