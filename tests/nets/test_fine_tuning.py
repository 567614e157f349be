"""Fine-tuning recovers accuracy, reproducibly, and resumes from checkpoints."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_networks import digits_like, random_inputs

from nets.datasets import Samples, load_digits_dataset, split
from nets.errors import NetworkError
from nets.execute.executor import IntegerExecutor
from nets.importers.pytorch import QuantizedModule, quantize_input, quantize_module
from nets.importers.topologies import TOPOLOGIES, train_float
from nets.narrow.activations import with_activation_bits
from nets.narrow.calibration import Calibration
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.fingerprints import fingerprint
from nets.network.operators import Method, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.train import fine_tuning as fine_tuning_module
from nets.train.checkpoint import save_checkpoint
from nets.train.fine_tuning import FinetuneSettings, TrainingDivergedError, fine_tune

Trained = tuple[QuantizedModule, Samples, Samples]  # quantized, training and test samples

SETTINGS = FinetuneSettings(epochs=2, batch_size=32, learning_rate=2e-3, seed=5)


@pytest.fixture(scope="module")
def trained() -> Iterator[Trained]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    parts = split(load_digits_dataset(), finetune=0.4, validation=0.3, test=0.3, seed=0)
    images = torch.from_numpy(parts.finetune.inputs.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    module = train_float(TOPOLOGIES["digits_cnn"], images, torch.from_numpy(parts.finetune.labels), 0)
    quantized = quantize_module(module, images, name="digits", weight_bits=4)

    def as_inputs(samples: Samples) -> Samples:
        return Samples(quantize_input(samples.inputs, quantized.network.tensors[0]), samples.labels)

    yield quantized, as_inputs(parts.finetune), as_inputs(parts.test)
    torch.set_num_threads(threads)


def accuracy(network: QuantizedNetwork, samples: Samples) -> float:
    return float((IntegerExecutor(network).outputs(samples.inputs)[0].argmax(axis=1) == samples.labels).mean())


def test_wins_back_what_a_pure_shift_loses(trained: Trained) -> None:
    quantized, training, test = trained
    choices = {op.name: RescalerChoice(1) for op in quantized.network.narrowable_operators()}
    network = narrow(quantized.network, choices, quantized.originals)
    before = accuracy(network, test)
    outcome = fine_tune(network, training, SETTINGS, quantized.originals)
    after, int32 = accuracy(outcome.network, test), accuracy(quantized.network, test)
    assert before < int32 - 0.1
    assert after > int32 - 0.02
    assert outcome.losses[-1] < outcome.losses[0]
    rescalers = [op.rescaler for op in outcome.network.narrowable_operators()]
    assert all((rescaler.multiplier == 1).all() for rescaler in rescalers), "training leaves the hardware alone"


def test_wins_back_what_a_constant_shift_loses_and_keeps_it(trained: Trained) -> None:
    quantized, training, test = trained
    choices = {op.name: RescalerChoice(1, Method.ABSORB, 0) for op in quantized.network.narrowable_operators()}
    network = narrow(quantized.network, choices, quantized.originals)
    outcome = fine_tune(network, training, SETTINGS, quantized.originals)
    before, after, int32 = (accuracy(each, test) for each in (network, outcome.network, quantized.network))
    assert before < int32 - 0.02
    assert after > int32 - 0.02
    for narrowed, shipped in zip(network.narrowable_operators(), outcome.network.narrowable_operators(), strict=True):
        assert np.ptp(shipped.rescaler.right_shift) == 0
        assert (shipped.rescaler.right_shift == narrowed.rescaler.right_shift).all()
        assert (shipped.rescaler.multiplier == 1).all()


def test_training_with_originals_starts_where_calibration_ended(trained: Trained) -> None:
    quantized, training, _ = trained
    choices = {op.name: RescalerChoice(1, Method.ABSORB, 0) for op in quantized.network.narrowable_operators()}
    calibration = Calibration(quantized.network, training.inputs[:64], originals=quantized.originals)
    network = calibration.narrow(quantized.network, choices)
    still = FinetuneSettings(epochs=1, batch_size=32, learning_rate=1e-6, seed=5)
    outcome = fine_tune(network, training, still, quantized.originals)
    changed = [
        np.count_nonzero(before.weights != after.weights) / before.weights.size
        for before, after in zip(network.operators, outcome.network.operators, strict=True)
        if isinstance(before, Weighted) and isinstance(after, Weighted)
    ]
    assert max(changed) < 0.01, "steps of a millionth of full scale undo nothing"


def test_same_seed_gives_the_same_integers(trained: Trained) -> None:
    quantized, training, _ = trained
    runs = [fine_tune(quantized.network, training, SETTINGS, quantized.originals) for _ in range(2)]
    assert fingerprint(runs[0].network) == fingerprint(runs[1].network)
    other = fine_tune(quantized.network, training, FinetuneSettings(2, 32, 2e-3, seed=6), quantized.originals)
    assert fingerprint(other.network) != fingerprint(runs[0].network)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_on_cuda_gives_a_network_as_good(trained: Trained) -> None:
    """Not the same integers: sums of gradients differ in their last bits."""
    quantized, training, test = trained
    network = narrow(quantized.network, {op.name: RescalerChoice(1) for op in quantized.network.narrowable_operators()})
    networks = [fine_tune(network, training, SETTINGS, device=device).network for device in ("cpu", "cuda")]
    assert abs(accuracy(networks[0], test) - accuracy(networks[1], test)) < 0.03


def test_loss_that_is_not_finite_is_a_failure_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    module = digits_like()
    samples = Samples(random_inputs((8, 8, 1), 8), np.zeros(8, np.int64))
    monkeypatch.setattr(
        fine_tuning_module.functional, "cross_entropy", lambda logits, _labels: logits.sum() * float("nan")
    )
    with pytest.raises(TrainingDivergedError, match="loss became nan"):
        fine_tune(module.network, samples, SETTINGS)


def test_labels_without_an_output_are_refused() -> None:
    samples = Samples(random_inputs((8, 8, 1), 4), np.array([0, 1, 2, 10]))
    with pytest.raises(NetworkError, match="labels reach 10 but 'digits_like' has 10 outputs"):
        fine_tune(digits_like().network, samples, SETTINGS)


def test_scales_are_learned_and_multipliers_narrowed_anew(trained: Trained) -> None:
    quantized, training, test = trained
    choices = {op.name: RescalerChoice(2, Method.ABSORB) for op in quantized.network.narrowable_operators()}
    network = narrow(quantized.network, choices, quantized.originals)
    settings = replace(SETTINGS, learn_scales=True, scale_rate=5.0)
    outcome = fine_tune(network, training, settings, quantized.originals)
    moved = [
        index
        for index, (one, other) in enumerate(zip(network.tensors, outcome.network.tensors, strict=True))
        if one.scale != other.scale
    ]
    assert moved
    assert not set(moved) & {*network.inputs, *network.outputs}
    for operator in outcome.network.narrowable_operators():
        assert (operator.rescaler.multiplier < 4).all()
    for operator in outcome.network.operators:
        if isinstance(operator, Weighted):
            source, target = outcome.network.tensors[operator.inputs[0]], outcome.network.tensors[operator.output]
            product = source.scale * operator.weight_scale / target.scale
            assert np.allclose(product, operator.rescaler.scale, rtol=1e-12), "absorb stays exact"
    assert accuracy(outcome.network, test) > accuracy(quantized.network, test) - 0.03


def test_distillation_learns_from_the_teacher_alone(trained: Trained) -> None:
    quantized, training, test = trained
    choices = {op.name: RescalerChoice(1) for op in quantized.network.narrowable_operators()}
    network = narrow(quantized.network, choices, quantized.originals)
    unlabelled = Samples(training.inputs, np.zeros(len(training), np.int64))
    settings = replace(SETTINGS, distillation=1.0)
    outcome = fine_tune(network, unlabelled, settings, quantized.originals, teacher=quantized.network)
    assert accuracy(outcome.network, test) > accuracy(network, test) + 0.05
    with pytest.raises(NetworkError, match=r"distillation = 1\.0 needs a teacher"):
        fine_tune(network, unlabelled, settings, quantized.originals)


def test_best_epoch_is_kept_and_patience_ends_training(trained: Trained) -> None:
    quantized, training, test = trained
    wild = FinetuneSettings(epochs=8, batch_size=32, learning_rate=0.5, seed=1, patience=2)
    outcome = fine_tune(quantized.network, training, wild, quantized.originals, validation=test)
    assert accuracy(outcome.network, test) == max(outcome.accuracies)
    assert len(outcome.losses) == int(np.argmax(outcome.accuracies)) + 2
    assert len(outcome.losses) < 8


@pytest.mark.parametrize("learn_scales", [False, True])
def test_resumed_training_ends_at_the_same_integers(trained: Trained, tmp_path: Path, learn_scales: bool) -> None:
    quantized, training, test = trained
    settings = replace(SETTINGS, epochs=3, learn_scales=learn_scales)

    class Interrupted(Exception):  # noqa: N818
        pass

    def interrupt(*arguments: object) -> None:
        save_checkpoint(*arguments)
        raise Interrupted

    path = tmp_path / "training.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tuning_module, "save_checkpoint", interrupt)
        with pytest.raises(Interrupted):
            fine_tune(quantized.network, training, settings, quantized.originals, validation=test, checkpoint=path)
    resumed = fine_tune(quantized.network, training, settings, quantized.originals, validation=test, checkpoint=path)
    whole = fine_tune(quantized.network, training, settings, quantized.originals, validation=test)
    assert fingerprint(resumed.network) == fingerprint(whole.network)
    assert resumed.losses == whole.losses


def test_foreign_or_damaged_checkpoint_is_refused(trained: Trained, tmp_path: Path) -> None:
    quantized, training, _ = trained
    path = tmp_path / "training.safetensors"
    fine_tune(digits_like().network, training, SETTINGS, checkpoint=path)
    for content in (path.read_bytes(), b"", path.read_bytes()[:100], b"\x80\x04pickle"):
        path.write_bytes(content)
        with pytest.raises(NetworkError, match="not a checkpoint of this training") as caught:
            fine_tune(quantized.network, training, SETTINGS, checkpoint=path)
        assert "\n" not in str(caught.value)


def test_no_samples_is_a_clear_error() -> None:
    with pytest.raises(NetworkError, match="no samples to fine-tune"):
        fine_tune(digits_like().network, Samples(random_inputs((8, 8, 1), 0), np.zeros(0, np.int64)), SETTINGS)


@pytest.mark.parametrize("bits", [4, 6])
def test_narrow_activations_keep_the_range_and_train(trained: Trained, bits: int) -> None:
    quantized, training, test = trained
    network = with_activation_bits(quantized.network, dict.fromkeys(range(len(quantized.network.tensors)), bits))
    narrowed = [i for i, spec in enumerate(network.tensors) if spec.bits == bits]
    assert set(narrowed).isdisjoint({*network.inputs, *network.outputs})
    assert len(narrowed) == 7
    values = IntegerExecutor(network).tensors(test.inputs)
    for index in narrowed:
        old, new = quantized.network.tensors[index], network.tensors[index]
        assert new.scale * (2**bits - 1) == pytest.approx(old.scale * 255)
        assert new.q_min <= values[index].min()
        assert values[index].max() <= new.q_max
    before = accuracy(network, test)
    outcome = fine_tune(network, training, replace(SETTINGS, epochs=3), quantized.originals)
    assert accuracy(outcome.network, test) >= before
    assert accuracy(outcome.network, test) > 0.85


def test_activation_bits_out_of_range_are_refused() -> None:
    with pytest.raises(NetworkError, match="use 4 to 16"):
        with_activation_bits(digits_like().network, {1: 3})
