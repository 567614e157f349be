"""Training checkpoints in safetensors files, which hold numbers and nothing that can run."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nets.errors import NetworkError
from nets.files import write_bytes

_MASTERS, _BEST, _OPTIMIZER = "masters.", "best.", "optimizer."


@dataclass(frozen=True, eq=False, slots=True)
class Checkpoint:
    """The state of a training between two epochs.

    Attributes:
        epoch: the number of completed epochs.
        losses: mean loss of each epoch.
        accuracies: validation accuracy (0 to 1) before training and after each epoch; empty without validation.
        best: master values of the best epoch.
    """

    epoch: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    best: dict[str, Tensor]


def save_checkpoint(path: Path, state: Checkpoint, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Writes master values, best master values and optimizer state in one step; see :mod:`nets.files`."""
    tensors = {f"{_MASTERS}{name}": value.detach().contiguous().clone() for name, value in module.state_dict().items()}
    tensors |= {f"{_BEST}{name}": value.contiguous() for name, value in state.best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}.{key}": value.contiguous() for key, value in moments.items()}
    counts = {"epoch": state.epoch, "losses": state.losses, "accuracies": state.accuracies}
    write_bytes(path, save(tensors, metadata={"training": json.dumps(counts)}))


def load_checkpoint(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> Checkpoint:
    """Restores master values and optimizer from a checkpoint.

    Raises:
        NetworkError: the file is damaged, or belongs to a training of another network or other settings.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 -- not a mapping
            counts = json.loads(stored.metadata()["training"])
        module.load_state_dict(_part(tensors, _MASTERS))
        state = optimizer.state_dict()
        state["state"] = _moments(_part(tensors, _OPTIMIZER))
        optimizer.load_state_dict(state)
        losses, accuracies = tuple(counts["losses"]), tuple(counts["accuracies"])
        return Checkpoint(int(counts["epoch"]), losses, accuracies, _part(tensors, _BEST))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(f"{path}: not a checkpoint of this training: {reason}") from None


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _moments(flat: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    return moments
