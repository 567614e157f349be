"""How tensors lie in memory: transposes become views, and explicit padding becomes the convolution's own.

Networks that were born channels first wrap each convolution in PAD and TRANSPOSE. The integers stay where their maker
put them; operators whose result does not depend on the order of axes follow them there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from nets.network import (
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    Lookup,
    Mean,
    Operator,
    Pad,
    QuantizedNetwork,
    Requantize,
    Reshape,
    TensorSpec,
    Transpose,
)

Axes = tuple[int, ...]
ELEMENTWISE = (ElementwiseSum, ElementwiseProduct, Extremum, Requantize, Lookup)


@dataclass(frozen=True)
class View:
    """A tensor as another one with its axes in another order: ``tensor = stored.permute(axes)``, batch left out."""

    stored: int
    axes: Axes

    @property
    def is_stored(self) -> bool:
        """Whether the order of axes is the stored one."""
        return self.axes == tuple(range(len(self.axes)))


@dataclass
class StoredLayout:
    """Operators on tensors as they lie in memory, built by :func:`stored_layout`.

    Attributes:
        name: the network's name.
        specs: the network's tensors with their stored shapes, and after them those that the layout adds.
        operators: the operators that compute or move something; transposes and reshapes are views if they can be.
        views: how the network's tensors are seen, by their index.
        memory: the tensor whose memory a stored tensor is, if it is not its own.
        copies: stored tensors in the order of the network's, by its index, if that is stored in another one.
    """

    name: str
    specs: list[TensorSpec]
    operators: list[Operator] = field(default_factory=list)
    views: dict[int, View] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    copies: dict[int, int] = field(default_factory=dict)

    @property
    def network(self) -> QuantizedNetwork:
        """The stored tensors, as kernels are prepared for them; without operators."""
        return QuantizedNetwork(self.name, tuple(self.specs), (), (), ())

    def view(self, index: int) -> View:
        """Returns how a tensor is seen; inputs and constants are stored as they are."""
        return self.views.get(index, View(index, tuple(range(len(self.specs[index].shape)))))

    def owner(self, index: int) -> int:
        """Returns the tensor whose memory a stored tensor is."""
        return self.memory.get(index, index)

    def seen(self, index: int, stored: Tensor) -> Tensor:
        """Returns one of the network's tensors, given the memory that it is a view of."""
        view = self.view(index)
        shaped = stored.reshape(len(stored), *self.specs[view.stored].shape)
        return shaped if view.is_stored else shaped.permute(0, *(axis + 1 for axis in view.axes))


def written_layout(operators: Sequence[Operator], network: QuantizedNetwork) -> StoredLayout:
    """Returns the operators and tensors as the network has them."""
    return StoredLayout(network.name, list(network.tensors), list(operators))


def stored_layout(operators: Sequence[Operator], network: QuantizedNetwork) -> StoredLayout:
    """Decides how tensors lie in memory, so that few integers are moved.

    Args:
        operators: in order of execution; tensors that none of them makes are stored as they are.
        network: the network that they belong to.
    """
    layout = StoredLayout(network.name, list(network.tensors))
    pads: dict[int, Pad] = {}
    for operator in operators:
        match operator:
            case Transpose():
                view = layout.view(operator.inputs[0])
                axes = tuple(view.axes[axis] for axis in operator.permutation)
                layout.views[operator.output] = View(view.stored, axes)
            case Reshape():
                layout.memory[operator.output] = layout.owner(_as_seen(layout, operator.inputs[0], network))
            case Pad():
                pads[operator.output] = _padded(layout, operator)
            case Convolution():
                _convolved(layout, operator, network, pads)
            case Concatenation() | Mean() if _followed(layout, operator):
                pass
            case _ if isinstance(operator, ELEMENTWISE) and _elementwise(layout, operator, network):
                pass
            case _:
                _as_is(layout, operator, network)
    return layout


def _as_is(layout: StoredLayout, operator: Operator, network: QuantizedNetwork) -> None:
    inputs = tuple(_as_seen(layout, index, network) for index in operator.inputs)
    layout.operators.append(replace(operator, inputs=inputs))


def _as_seen(layout: StoredLayout, index: int, network: QuantizedNetwork) -> int:
    """Returns a stored tensor with the shape and order of the network's tensor; adds a copy only if one is needed."""
    view = layout.view(index)
    if view.is_stored:
        return view.stored
    if index in layout.copies:
        return layout.copies[index]
    spec = network.tensors[index] if index < len(network.tensors) else layout.specs[index]
    layout.specs.append(spec)
    made = len(layout.specs) - 1
    stored = layout.specs[view.stored].shape
    long = [axis for axis in view.axes if stored[axis] > 1]
    if long == sorted(long):
        layout.memory[made] = layout.owner(view.stored)
    else:
        name = f"{spec.name}/{made}"
        layout.operators.append(Transpose(name=name, inputs=(view.stored,), output=made, permutation=view.axes))
    layout.copies[index] = made
    return made


def _made(layout: StoredLayout, operator: Operator, shape: Sequence[int], axes: Axes) -> None:
    """Appends an operator whose output is stored in an order of its own."""
    layout.specs[operator.output] = replace(layout.specs[operator.output], shape=tuple(shape))
    layout.views[operator.output] = View(operator.output, axes)
    layout.operators.append(operator)


def _padded(layout: StoredLayout, operator: Pad) -> Pad:
    view = layout.view(operator.inputs[0])
    amounts = dict(zip(view.axes, operator.padding, strict=True))
    stored = replace(operator, inputs=(view.stored,), padding=tuple(amounts[axis] for axis in range(len(view.axes))))
    before = layout.specs[view.stored].shape
    shape = [size + sum(pair) for size, pair in zip(before, stored.padding, strict=True)]
    _made(layout, stored, shape, view.axes)
    return stored


def _convolved(layout: StoredLayout, operator: Convolution, network: QuantizedNetwork, pads: dict[int, Pad]) -> None:
    """Takes explicit padding with the zero point into the convolution; the padded tensor may stay unused."""
    view = layout.view(operator.inputs[0])
    pad = pads.get(view.stored)
    zero = network.tensors[operator.inputs[0]].zero_point
    if pad is None or not view.is_stored or pad.padding[2] != (0, 0):
        return _as_is(layout, operator, network)
    if layout.specs[pad.inputs[0]].zero_point != zero or min(map(min, pad.padding)) < 0:
        return _as_is(layout, operator, network)
    (top, bottom), (left, right) = (
        (before + outer[0], after + outer[1])
        for (before, after), outer in zip(operator.padding, pad.padding[:2], strict=True)
    )
    layout.operators.append(replace(operator, inputs=pad.inputs, padding=((top, bottom), (left, right))))
    return None


def _elementwise(layout: StoredLayout, operator: Operator, network: QuantizedNetwork) -> bool:
    """Lets an operator that takes its inputs element by element follow their common order of axes."""
    views = [layout.view(index) for index in operator.inputs]
    shapes = {layout.specs[view.stored].shape for view in views}
    seen = {network.tensors[index].shape for index in (*operator.inputs, operator.output)}
    if len({view.axes for view in views}) > 1 or len(shapes) > 1 or len(seen) > 1:
        return False
    _made(layout, replace(operator, inputs=tuple(view.stored for view in views)), shapes.pop(), views[0].axes)
    return True


def _followed(layout: StoredLayout, operator: Concatenation | Mean) -> bool:
    """Lets an operator along some axes follow its inputs' common order of axes."""
    views = [layout.view(index) for index in operator.inputs]
    axes = views[0].axes
    if any(view.axes != axes for view in views) or views[0].is_stored:
        return False
    stored = tuple(view.stored for view in views)
    if isinstance(operator, Concatenation):
        axis = axes[operator.axis]
        shapes = [layout.specs[index].shape for index in stored]
        shape = [sum(part[at] for part in shapes) if at == axis else size for at, size in enumerate(shapes[0])]
        _made(layout, replace(operator, inputs=stored, axis=axis), shape, axes)
        return True
    kept = [axis for at, axis in enumerate(axes) if at not in operator.axes]
    if kept != sorted(kept):
        return False
    layout.operators.append(replace(operator, inputs=stored, axes=tuple(sorted(axes[at] for at in operator.axes))))
    return True
