"""Whether what certificates prove of a network holds on samples."""

import numpy as np
import torch

from nets.execute.accumulation import accumulator
from nets.execute.executor import IntegerExecutor
from nets.narrow.certificates import certify
from nets.network.quantized_network import QuantizedNetwork
from nets.network.tensors import ActivationArray


def assert_certified(network: QuantizedNetwork, *samples: ActivationArray) -> None:
    certificate = certify(network)
    parts = [made for _, made in IntegerExecutor(network).every_tensor(*samples)]
    tensors = {index: np.concatenate([part[index] for part in parts]) for index in parts[0]}
    for operator in network.narrowable_operators():
        reached = accumulator(operator, network)([torch.from_numpy(tensors[index]) for index in operator.inputs])
        proven = certificate.accumulators[operator.name]
        assert (proven.low <= reached.numpy()).all()
        assert (reached.numpy() <= proven.high).all()
        inside = certificate.tensors[operator.output]
        assert (inside.low <= tensors[operator.output]).all()
        assert (tensors[operator.output] <= inside.high).all()
