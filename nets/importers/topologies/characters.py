"""A small MobileNet for the printed characters: depthwise convolutions, linear bottlenecks, residual ADDs."""

from torch import Tensor, nn


def _convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear bottleneck (Sandler et al., MobileNetV2, CVPR 2018, figure 4)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = nn.Sequential(_convolution(inputs, inner, 1), nn.ReLU())
        self.depthwise = nn.Sequential(_convolution(inner, inner, 3, stride=stride, groups=inner), nn.ReLU())
        self.project = _convolution(inner, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, values: Tensor) -> Tensor:
        """Computes one block."""
        projected = self.project(self.depthwise(self.expand(values)))
        return values + projected if self.is_residual else projected  # type: ignore[no-any-return]


class CharactersCnn(nn.Module):
    """``[batch, 1, 16, 16]`` in [0, 1] to 33 logits: three inverted residual blocks, two of them with an ADD.

    Args:
        width: channels of the first stage; the second has twice as many.
        expansion: channels inside of a block for each channel before it.
    """

    def __init__(self, width: int = 12, expansion: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(1, width, 3, stride=2), nn.ReLU())
        self.blocks = nn.Sequential(
            _InvertedResidual(width, width, stride=1, expansion=expansion),
            _InvertedResidual(width, 2 * width, stride=2, expansion=expansion),
            _InvertedResidual(2 * width, 2 * width, stride=1, expansion=expansion),
        )
        self.head = nn.Sequential(_convolution(2 * width, 4 * width, 1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(4 * width, 33)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits ``[batch, 33]`` of images ``[batch, 1, 16, 16]``."""
        return self.classifier(self.flatten(self.pool(self.head(self.blocks(self.stem(images))))))  # type: ignore[no-any-return]
