"""A convolution of several examples at a time, with gradients of the weights for each example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

_convolution_backward = torch.ops.aten.convolution_backward


class Convolution(Function):
    """``torch.convolution`` of images [V * n, C, *spatial] under weights [V, *weight] that are equal for all V.

    The gradients of weight and bias are summed over n only: [V, *weight] and [V, O]. Everything is computed in the
    images' precision, as under autocast.
    """

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
    ) -> Tensor:
        """Convolve; the geometry is that of ``torch.convolution``. Returns [V * n, O, *spatial]."""
        ctx.geometry = (stride, padding, dilation, transposed, output_padding, groups)
        ctx.save_for_backward(image, weight)
        one_bias = None if bias is None else bias[0].to(image.dtype)
        return torch.convolution(image, weight[0].to(image.dtype), one_bias, *ctx.geometry)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Gradients of image, weight and bias, where they are asked for."""
        image, weight = ctx.saved_tensors
        stride, padding, dilation, transposed, _, groups = ctx.geometry
        for_image = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            one_weight, asked = weight[0].to(image.dtype), [True, False, False]
            for_image = _convolution_backward(gradient, image, one_weight, None, *ctx.geometry, asked)[0]
        image, gradient = (tensor.unflatten(0, (len(weight), -1)) for tensor in (image, gradient))
        if ctx.needs_input_grad[1]:
            # A transposed convolution is the gradient of a convolution: image and gradient change places.
            read, written = (gradient, image) if transposed else (image, gradient)
            for_weight = weight_gradients(read, written, weight.shape[1:], stride, padding, dilation, groups)
        if ctx.needs_input_grad[2]:
            for_bias = gradient.sum((1, *range(3, gradient.ndim)))
        return for_image, for_weight, for_bias, None, None, None, None, None, None


def weight_gradients(
    image: Tensor,
    gradient: Tensor,
    shape: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute the gradient of a convolution's weight for each of V sets of images.

    As one grouped convolution, with the sets side by side as channels (Rochette et al. 2019, arXiv 1912.06015), it is
    as fast as the gradient of the whole batch where channels fill vector registers, and several times slower where
    they do not, as in a network's first and last layer; there the sets are taken one by one.

    Args:
        image: Input of the convolution, [V, n, C, *spatial].
        gradient: Gradient of its output, [V, n, O, *out].
        shape: Shape of the weight, (O, C / groups, *kernel).
        stride: For each spatial dimension, as ``padding`` and ``dilation``.
        padding: Zeros at either side.
        dilation: Distance of the kernel's elements.
        groups: Groups of channels.

    Returns:
        Gradients, [V, *shape].
    """

    def gradient_of(image: Tensor, gradient: Tensor, shape: Sequence[int], groups: int) -> Tensor:
        weight = image.new_empty(1).expand(shape)  # only its shape matters
        geometry = (stride, padding, dilation, False, [0] * len(stride), groups)
        result: Tensor = _convolution_backward(gradient, image, weight, None, *geometry, [False, True, False])[1]
        return result

    sets, (outputs, inputs, *kernel) = len(image), shape
    if image.device.type != "cpu" or (_fill_registers(outputs) and (_fill_registers(inputs) or inputs in (1, 4))):
        image, gradient = (tensor.movedim(0, 1).flatten(1, 2) for tensor in (image, gradient))
        return gradient_of(image, gradient, (sets * outputs, inputs, *kernel), sets * groups).view(sets, *shape)
    return torch.stack([gradient_of(x, g, shape, groups) for x, g in zip(image, gradient, strict=True)])


def _fill_registers(channels: int) -> bool:
    """Whether oneDNN's grouped convolutions are as fast as others for so many channels; measured with AVX-512."""
    return channels == 8 or channels % 16 == 0
