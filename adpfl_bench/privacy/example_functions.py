"""Functions that ``vmap`` maps slowly, each with a rule of its own that runs once over all examples.

``vmap`` takes apart what it has no rule for, and where each example has weights of its own, it groups convolutions.
The rules below compute the same, and keep examples apart as strictly. Autograd has to run *below* ``vmap``, as in
``torch.autograd.grad(vmap(f)(weights, images).sum(), weights)`` with weights [V, ...] that were expanded from one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from adpfl_bench.privacy.conv_gradients import Convolution


class _Call(NamedTuple):
    """A call that has a rule: ``plain`` computes it for one element of ``vmap``, ``rule`` for all, [V, ...]."""

    plain: Callable[..., Tensor]
    rule: Callable[..., Tensor | None]
    tensors: tuple[Tensor | None, ...]


class ExampleFunctions(TorchFunctionMode):
    """Mode in which, inside ``vmap``, functions with a rule that covers their arguments follow it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call the function, by its rule if there is one."""
        kwargs = kwargs or {}
        call = _CALLS[func](*args, **kwargs) if func in _CALLS else None
        if call is None:
            return func(*args, **kwargs)
        return _Mapped.apply(call.plain, call.rule, *call.tensors)  # type: ignore[no-untyped-call]


class _Mapped(Function):
    """Function below ``vmap``: on tensors with all examples, on which autograd is at work."""

    @staticmethod
    def forward(plain: Callable[..., Tensor], rule: Any, *tensors: Tensor | None) -> Tensor:
        return plain(*tensors)  # nothing of it belongs to an example

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep nothing: whatever has a gradient belongs to examples."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], plain: Callable[..., Tensor], rule: Any, *tensors: Tensor | None
    ) -> tuple[Tensor, int]:
        mapped: list[Tensor | None] = []
        for tensor, dim in zip(tensors, in_dims[2:], strict=True):
            if tensor is not None:
                tensor = tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            mapped.append(tensor)
        result = rule(*mapped)
        if result is None:
            result = torch.vmap(plain, in_dims=tuple(None if tensor is None else 0 for tensor in mapped))(*mapped)
        return result, 0


def _same_for_all(*weights: Tensor | None) -> bool:
    """Whether each was expanded from one."""
    return all(weight is None or len(weight) == 1 or weight.stride(0) == 0 for weight in weights)


def _on_cpu(image: Tensor) -> bool:
    return image.device.type == "cpu"


class _PReLU(Function):
    """PReLU with one slope (He et al. 2015, arXiv 1502.01852, equations 1, 8 and 9); PyTorch's is slow backwards.

    The weight is that slope, or one copy of it for each of the examples that are mapped, which get gradients of their
    own.
    """

    @staticmethod
    def forward(image: Tensor, weight: Tensor) -> Tensor:
        return torch.prelu(image, weight.flatten()[:1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        image, weight = ctx.saved_tensors
        for_image = for_weight = None
        if ctx.needs_input_grad[0]:
            for_image = torch.ops.aten.leaky_relu_backward(gradient, image, weight.flatten()[0].item(), False)
        if ctx.needs_input_grad[1]:
            dims = list(range(int(len(weight) > 1), image.ndim))
            for_weight = (image.clamp(max=0) * gradient).sum(dims, dtype=weight.dtype).view(weight.shape)
        return for_image, for_weight

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], image: Tensor, weight: Tensor) -> tuple[Tensor, int]:
        call = _prelu(image, weight if in_dims[1] is None else weight.select(in_dims[1], 0))
        if call is None:
            return torch.vmap(torch.prelu, in_dims=in_dims)(image, weight), 0
        return _Mapped.vmap(info, (None, None, *in_dims), call.plain, call.rule, image, weight)


for _function in (_Mapped, _PReLU):  # whose apply asks for it at every call, where to find out takes longer than to run
    cast(Any, _function.forward).__signature__ = inspect.signature(_function.forward)


def one_slope_prelu(image: Tensor, weight: Tensor) -> Tensor:
    """PReLU with one slope, on a processor and with a gradient; inside ``vmap`` it follows the rule of PReLU.

    Args:
        image: Of any shape.
        weight: The slope, [1].
    """
    return cast(Tensor, _PReLU.apply(image, weight))  # type: ignore[no-untyped-call]


def _prelu(image: Tensor, weight: Tensor) -> _Call | None:
    def rule(image: Tensor, weight: Tensor) -> Tensor | None:
        return one_slope_prelu(image, weight) if _same_for_all(weight) else None

    return _Call(torch.prelu, rule, (image, weight)) if weight.numel() == 1 and _on_cpu(image) else None


def _group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> _Call | None:
    """The groups of all examples are groups of one image, whose channels have parameters of their own."""

    def plain(image: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return functional.group_norm(image, num_groups, weight, bias, eps)

    def rule(image: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        shape = image.shape[:3]
        weight, bias = (p if p is None else p[:, None].expand(shape).reshape(-1) for p in (weight, bias))
        flat = image.reshape(1, -1, *image.shape[3:])
        normed = functional.group_norm(flat, shape[0] * shape[1] * num_groups, weight, bias, eps)
        return normed.view(image.shape)

    if input.ndim < 3 or input.shape[2:].numel() == 1 or input.shape[1] % num_groups:
        return None  # PyTorch knows what to say to this
    return _Call(plain, rule, (input, weight, bias))


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Call | None:
    """Return a group for each channel; PyTorch's kernel for this is several times faster than its batch norm."""
    if running_mean is not None or running_var is not None or not use_input_stats or not _on_cpu(input):
        return None
    return _group_norm(input, input.shape[1], weight, bias, eps)


def _cross_entropy(input: Tensor, target: Tensor, *others: Any, reduction: str = "mean", **named: Any) -> _Call | None:
    weighted = any(value is not None for value in (*others, *named.values()))
    if weighted or reduction != "none" or input.shape != target.shape:
        return None
    function = partial(functional.binary_cross_entropy_with_logits, reduction="none")
    return _Call(function, function, (input, target))


def _convolution(transposed: bool, input: Tensor, weight: Tensor, *others: Any, **named: Any) -> _Call | None:
    last = ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
    given = {**dict(zip(("bias", "stride", "padding", *last), others, strict=False)), **named}
    dims = weight.ndim - 2
    if input.ndim != weight.ndim or isinstance(given.get("padding"), str):
        return None

    def per_dim(name: str, default: int) -> list[int]:
        value = given.get(name, default)
        values = [value] if isinstance(value, int) else list(value)
        return values * dims if len(values) == 1 else values

    geometry = (
        per_dim("stride", 1), per_dim("padding", 0), per_dim("dilation", 1),
        transposed, per_dim("output_padding", 0), given.get("groups", 1),
    )  # fmt: skip

    def plain(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.convolution(image, weight, bias, *geometry)

    def rule(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        if not _same_for_all(weight, bias):
            return None
        if torch.is_autocast_enabled(image.device.type) and image.dtype != torch.float64:
            image = image.to(torch.get_autocast_dtype(image.device.type))
        result: Tensor = Convolution.apply(image.flatten(0, 1), weight, bias, *geometry)  # type: ignore[no-untyped-call]
        return result.view(*image.shape[:2], *result.shape[1:])

    return _Call(plain, rule, (input, weight, given.get("bias")))


_CALLS: dict[Callable[..., Any], Callable[..., _Call | None]] = {
    torch.prelu: _prelu,
    functional.group_norm: _group_norm,
    functional.instance_norm: _instance_norm,
    functional.binary_cross_entropy_with_logits: _cross_entropy,
    torch.conv2d: partial(_convolution, False),
    torch.conv3d: partial(_convolution, False),
    torch.conv_transpose2d: partial(_convolution, True),
    torch.conv_transpose3d: partial(_convolution, True),
}
