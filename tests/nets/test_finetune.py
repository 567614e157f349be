import numpy as np
import pytest
import torch
from small_networks import digits_like, random_inputs

from nets import finetune as finetune_module
from nets.datasets import Samples, load_digits_dataset, split
from nets.errors import NetworkError
from nets.executor import IntegerExecutor
from nets.finetune import FinetuneSettings, TrainingDivergedError, finetune
from nets.fingerprint import fingerprint, trained_arrays, with_trained_arrays
from nets.narrowing import RescalerChoice, narrow
from nets.network import QuantizedNetwork
from nets.quantize import quantize_input, quantize_module
from nets.topologies import TOPOLOGIES, train_float

SETTINGS = FinetuneSettings(epochs=2, batch_size=32, learning_rate=2e-3, seed=5)


@pytest.fixture(scope="module")
def trained():  # noqa: ANN201
    torch.set_num_threads(1)
    parts = split(load_digits_dataset(), finetune=0.4, validation=0.3, test=0.3, seed=0)
    images = torch.from_numpy(parts.finetune.inputs.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    module = train_float(TOPOLOGIES["digits_cnn"], images, torch.from_numpy(parts.finetune.labels), 0)
    quantized = quantize_module(module, images, name="digits", weight_bits=4)

    def as_inputs(samples: Samples) -> Samples:
        return Samples(quantize_input(samples.inputs, quantized.network.tensors[0]), samples.labels)

    return quantized, as_inputs(parts.finetune), as_inputs(parts.test)


def accuracy(network: QuantizedNetwork, samples: Samples) -> float:
    return float((IntegerExecutor(network).outputs(samples.inputs)[0].argmax(axis=1) == samples.labels).mean())


def test_wins_back_what_a_pure_shift_loses(trained) -> None:  # noqa: ANN001
    quantized, training, test = trained
    choices = {op.name: RescalerChoice(1) for op in quantized.network.rescaling_operators()}
    network = narrow(quantized.network, choices, quantized.originals)
    before = accuracy(network, test)
    outcome = finetune(network, training, SETTINGS, quantized.originals)
    after, int32 = accuracy(outcome.network, test), accuracy(quantized.network, test)
    assert before < int32 - 0.1
    assert after > int32 - 0.02
    assert outcome.losses[-1] < outcome.losses[0]
    rescalers = [op.rescaler for op in outcome.network.rescaling_operators()]
    assert all((rescaler.multiplier == 1).all() for rescaler in rescalers), "training leaves the hardware alone"


def test_same_seed_gives_the_same_integers(trained) -> None:  # noqa: ANN001
    quantized, training, _ = trained
    runs = [finetune(quantized.network, training, SETTINGS, quantized.originals) for _ in range(2)]
    assert fingerprint(runs[0].network) == fingerprint(runs[1].network)
    other = finetune(quantized.network, training, FinetuneSettings(2, 32, 2e-3, seed=6), quantized.originals)
    assert fingerprint(other.network) != fingerprint(runs[0].network)


def test_loss_that_is_not_finite_is_a_failure_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    module = digits_like()
    samples = Samples(random_inputs((8, 8, 1), 8), np.zeros(8, np.int64))
    monkeypatch.setattr(finetune_module.functional, "cross_entropy", lambda logits, labels: logits.sum() * float("nan"))
    with pytest.raises(TrainingDivergedError, match="loss became nan"):
        finetune(module.network, samples, SETTINGS)


def test_labels_without_an_output_are_refused() -> None:
    samples = Samples(random_inputs((8, 8, 1), 4), np.array([0, 1, 2, 10]))
    with pytest.raises(NetworkError, match="labels reach 10 but 'digits_like' has 10 outputs"):
        finetune(digits_like().network, samples, SETTINGS)


def test_trained_arrays_round_trip_and_are_checked() -> None:
    one, other = digits_like(0).network, digits_like(1).network
    assert fingerprint(with_trained_arrays(one, trained_arrays(other))) != fingerprint(one)
    assert fingerprint(with_trained_arrays(one, trained_arrays(one))) == fingerprint(one)
    assert all(array.flags.c_contiguous for array in trained_arrays(one).values())
    arrays = trained_arrays(one)
    del arrays["fc_7.bias"]
    with pytest.raises(NetworkError, match=r"lack 'fc_7\.bias'"):
        with_trained_arrays(one, arrays)
    with pytest.raises(NetworkError, match="'conv_0' have shape"):
        with_trained_arrays(one, trained_arrays(digits_like(width=8).network))
