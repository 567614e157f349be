"""A small CNN for the 8×8 digits: it has every kind of rescaler and can be searched in minutes."""

from torch import Tensor, nn


def _block(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class DigitsCnn(nn.Module):
    """``[batch, 1, 8, 8]`` in [0, 1] to 10 logits: convolutions, one depthwise, one residual ADD, one fully connected.

    Args:
        width: channels of the first stage; the second has twice as many.
    """

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = _block(1, width, 3)
        self.depthwise = _block(width, width, 3, groups=width)
        self.pointwise = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.join = nn.ReLU()
        self.down = _block(width, 2 * width, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(2 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits ``[batch, 10]`` of images ``[batch, 1, 8, 8]``."""
        stem = self.stem(images)
        joined = self.join(stem + self.pointwise(self.depthwise(stem)))
        return self.classifier(self.flatten(self.pool(self.down(joined))))  # type: ignore[no-any-return]
