"""The layers of the spec language: one decorated function each, from arguments to composite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from nncost.dims import Dim, ceil_divide, is_symbolic, product, shape_text
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.grammar import Layer, Word
from nncost.frontends.spec.sizes import Sizes, number_or_none
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import activations, conv, dense, norm, pool, recurrent, sequence

MAX_LAYERS, MAX_SYMBOLIC_LAYERS = 2_000, 400
"""Layers one spec may write out, without and with symbols; a block repeated with ``*N`` counts once."""
MAX_RECURRENT_LAYERS = 64
"""Layers of one recurrent network, each of which is written out; far above any real one."""
MAX_SIZE_OPERATIONS = 32
"""Operations in the formula of a size: ten convolutions with a stride, one after another, on a symbol."""

Build = Callable[["Context", Tensor, Arguments], Tensor]


@dataclass(slots=True)
class Context:
    """What every layer needs: the builder, the readers of sizes, notes for the reader."""

    builder: Builder
    sizes: Sizes
    notes: list[str]
    layers: int = 0

    def begin_layer(self, word: Word) -> None:
        """Note that a layer is written out. Raises SpecError where there are too many for a quick answer."""
        self.layers += 1
        limit = MAX_SYMBOLIC_LAYERS if self.sizes.open_names else MAX_LAYERS
        if self.layers > limit:
            kind = "layers of symbolic sizes" if self.sizes.open_names else "layers"
            raise self.sizes.error(f"a spec may write out {limit:,} {kind}", word, hint="Repeat equal ones with *N.")

    def check_size(self, x: Tensor, word: Word) -> None:
        """Raise SpecError where the formula of a size has grown too long to work with."""
        for dim in x.shape:
            if not isinstance(dim, int) and dim.count_ops() > MAX_SIZE_OPERATIONS:
                raise self.sizes.error(
                    "the formula of the output's size is too long", word, hint="Write a number for the input's size."
                )

    def scratch(self) -> Context:
        """A context for trying a block out, whose graph is thrown away."""
        b = Builder(dtype=self.builder.dtype, training=self.builder.training)
        return Context(b, self.sizes, [], self.layers)


@dataclass(frozen=True, slots=True)
class LayerKind:
    """A layer's signature and builder."""

    name: str
    positional: Sequence[str]
    options: Sequence[str]
    flags: Sequence[str]
    build: Build
    summary: str


LAYERS: dict[str, LayerKind] = {}


def layer(
    name: str, positional: Sequence[str] = (), options: Sequence[str] = (), flags: Sequence[str] = ()
) -> Callable[[Build], Build]:
    """Register a layer of the spec language."""

    def register(build: Build) -> Build:
        LAYERS[name] = LayerKind(name, positional, options, flags, build, (build.__doc__ or "").split("\n")[0])
        return build

    return register


def build_layer(context: Context, x: Tensor, node: Layer) -> Tensor:
    """Emit one layer. Raises SpecError under the layer's name for what does not fit."""
    kind = _kind(context, node)
    context.begin_layer(node.name)
    arguments = Arguments(context.sizes, node, kind.positional, kind.options, kind.flags)
    with context.builder.layer(kind.name):
        y = kind.build(context, x, arguments)
    context.check_size(y, node.name)
    return y


def _kind(context: Context, node: Layer) -> LayerKind:
    from difflib import get_close_matches

    name = ALIASES.get(node.name.text, node.name.text)
    if name not in LAYERS:
        close = get_close_matches(name, [*LAYERS, *ALIASES], 1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise context.sizes.error(
            f"unknown layer {name!r}", node.name, hint=f"{hint}Layers: {', '.join(LAYERS)}, residual[…]."
        )
    return LAYERS[name]


ALIASES = {"linear": "dense", "fc": "dense", "conv2d": "conv", "swish": "silu", "bn": "batchnorm"}


# ------------------------------------------------------------------- checks
def _needs(a: Arguments, x: Tensor, rank: Sequence[int], form: str, context: Context) -> None:
    if x.rank not in rank:
        raise context.sizes.error(
            f"{a.layer.name.text} needs an input of the form {form}, received {shape_text(x.shape[1:])}", a.layer.name
        )


_IMAGE = "CxL, CxHxW or CxDxHxW"


def _image(a: Arguments, x: Tensor, context: Context) -> int:
    _needs(a, x, (3, 4, 5), _IMAGE, context)
    return x.rank - 2


def _kernel(a: Arguments, axes: int, example: str) -> list[Dim]:
    word = a.required("kernel", example)
    sizes = list(a.sizes.shape(word, "KERNEL"))
    if len(sizes) == 1:
        return sizes * axes
    if len(sizes) != axes:
        raise a.sizes.error(f"the kernel has {len(sizes)} sizes for {axes} spatial axes", word)
    return sizes


def _padding(
    a: Arguments, x: Tensor, kernel: Sequence[Dim], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[Dim, Dim]]:
    """``pad=1``, ``pad=1x2`` or ``pad=same`` (output = ⌈input/stride⌉, the odd element behind)."""
    axes = len(kernel)
    word = a.word("pad")
    if word is None or word.text != "same":
        return [(width, width) for width in a.per_axis("pad", axes, 0, minimum=0)]
    widths: list[tuple[Dim, Dim]] = []
    for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        reach = d * (k - 1) + 1
        total = (ceil_divide(n, s) - 1) * s + reach - n if s > 1 else reach - 1
        if is_symbolic(total) and s > 1:
            raise a.sizes.error("pad=same with a symbolic size and a stride above 1 has no closed form", word)
        total = total if is_symbolic(total) else max(0, total)
        widths.append((total // 2, total - total // 2))
    return widths


# ------------------------------------------------------------------- layers
@layer("dense", ["n"], ["bias"])
def _dense(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """N outputs from the last axis."""
    width = a.size("n", "dense 10")
    if x.rank > 3 or (x.rank == 3 and any("conv" in str(p.path) for p in c.builder.parameters)):
        c.notes.append(
            f"{c.builder.path} works on the last axis of {shape_text(x.shape[1:])}; "
            f"write flatten before it to use all {shape_text((product(x.shape[1:]),))} values."
        )
    return affine(c.builder, x, width, bias=a.yes_or_no("bias", True))


def affine(b: Builder, x: Tensor, width: Dim, *, bias: bool) -> Tensor:
    """A dense layer with new parameters at the builder's path."""
    weight = b.parameter((width, x.shape[-1]), "weight", "weight")
    return dense.dense(b, x, weight, b.parameter((width,), "bias", "bias") if bias else None)


@layer("conv", ["out", "kernel"], ["stride", "pad", "dilation", "groups", "bias"])
def _conv(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """OUT feature maps by kernels of K, KxK or KxKxK."""
    example = "conv 16 3x3 pad=1"
    axes, out = _image(a, x, c), a.size("out", example)
    kernel, groups = _kernel(a, axes, example), a.integer("groups", 1)
    stride, dilation = a.per_axis("stride", axes, 1), a.per_axis("dilation", axes, 1)
    _check_groups(c, a, groups, x.shape[1], out)
    channels = x.shape[1] if groups == 1 else _divided(x.shape[1], groups)
    weight = c.builder.parameter((out, channels, *kernel), "weight", "weight")
    bias = c.builder.parameter((out,), "bias", "bias") if a.yes_or_no("bias", True) else None
    padding = _padding(a, x, kernel, stride, dilation)
    return conv.conv(c.builder, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _divided(dim: Dim, by: int) -> Dim:
    from nncost.dims import exact_divide

    return exact_divide(dim, by)


def _check_groups(c: Context, a: Arguments, groups: int, *channels: Dim) -> None:
    for count in channels:
        number = number_or_none(count)
        if number is not None and number % groups:
            raise c.sizes.error(f"groups={groups} does not divide {number} channels", a.word("groups") or a.layer.name)


@layer("conv_transpose", ["out", "kernel"], ["stride", "pad", "output_pad", "dilation", "groups", "bias"])
def _conv_transpose(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """A transposed convolution: OUT larger feature maps."""
    example = "conv_transpose 16 2x2 stride=2"
    axes, out = _image(a, x, c), a.size("out", example)
    kernel, groups = _kernel(a, axes, example), a.integer("groups", 1)
    stride, dilation = a.per_axis("stride", axes, 1), a.per_axis("dilation", axes, 1)
    _check_groups(c, a, groups, x.shape[1], out)
    weight = c.builder.parameter((x.shape[1], _divided(out, groups), *kernel), "weight", "weight")
    bias = c.builder.parameter((out,), "bias", "bias") if a.yes_or_no("bias", True) else None
    padding: list[tuple[Dim, Dim]] = [(w, w) for w in a.per_axis("pad", axes, 0, minimum=0)]
    extra = a.per_axis("output_pad", axes, 0, minimum=0)
    y = conv.conv_transpose(
        c.builder, x, weight, bias,
        stride=stride, padding=padding, dilation=dilation, output_padding=extra, groups=groups,
    )  # fmt: skip
    if any(not is_symbolic(n) and n < 1 for n in y.shape):
        raise c.sizes.error(
            f"pad= leaves nothing of the output: {shape_text(y.shape[1:])}", a.word("pad") or a.layer.name
        )
    return y


@layer("maxpool", ["kernel"], ["stride", "pad", "dilation"])
def _maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The maximum of each window of K (stride K)."""
    axes = _image(a, x, c)
    kernel = _kernel(a, axes, "maxpool 2")
    stride = _pool_stride(a, kernel)
    dilation = a.per_axis("dilation", axes, 1)
    padding = _padding(a, x, kernel, stride, dilation)
    return pool.max_pool(c.builder, x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@layer("avgpool", ["kernel"], ["stride", "pad"])
def _avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The mean of each window of K (stride K)."""
    axes = _image(a, x, c)
    kernel = _kernel(a, axes, "avgpool 2")
    stride = _pool_stride(a, kernel)
    padding = _padding(a, x, kernel, stride, [1] * axes)
    return pool.average_pool(c.builder, x, kernel=kernel, stride=stride, padding=padding)


def _pool_stride(a: Arguments, kernel: Sequence[Dim]) -> list[int]:
    if a.word("stride") is not None:
        return a.per_axis("stride", len(kernel), 1)
    numbers = [number_or_none(size) for size in kernel]
    if None in numbers:
        raise a.sizes.error("a symbolic kernel needs stride=", a.layer.name, hint="For example:  maxpool k stride=2")
    return [number for number in numbers if number is not None]


@layer("global_avgpool")
def _global_avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The mean of each channel: a vector of C."""
    _image(a, x, c)
    return pool.global_average_pool(c.builder, x)


@layer("global_maxpool")
def _global_maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The maximum of each channel: a vector of C."""
    _image(a, x, c)
    return pool.global_max_pool(c.builder, x)


@layer("adaptive_avgpool", ["out"])
def _adaptive_avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Means over windows chosen so that OUT (or OUTxOUT) remain."""
    return _adaptive(c, x, a, "average")


@layer("adaptive_maxpool", ["out"])
def _adaptive_maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Maxima over windows chosen so that OUT (or OUTxOUT) remain."""
    return _adaptive(c, x, a, "max")


def _adaptive(c: Context, x: Tensor, a: Arguments, function: str) -> Tensor:
    axes = _image(a, x, c)
    a.required("out", f"{a.layer.name.text} 7x7")
    output = a.per_axis("out", axes, 1)
    for dim, size in zip(x.shape[2:], output, strict=True):
        number = number_or_none(dim)
        if number is None or number < size or product(output) > MAX_ADAPTIVE_WINDOWS:
            raise c.sizes.error(
                f"cannot pool {shape_text(x.shape[2:])} to {shape_text(tuple(output))}: sizes must be numbers, "
                f"no larger than the input, and at most {MAX_ADAPTIVE_WINDOWS:,} windows",
                a.layer.name,
            )
    return pool.adaptive_pool(c.builder, x, output, function=function)


MAX_ADAPTIVE_WINDOWS = 2_500
"""Each window of an adaptive pooling is a reduction of its own."""


@layer("flatten")
def _flatten(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """All values of one example in a vector; changes nothing on a vector."""
    return c.builder.reshape(x, (x.shape[0], product(x.shape[1:])))


@layer("softmax")
def _softmax(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Probabilities over the last axis."""
    return activations.softmax(c.builder, x, layer=True)


@layer("log_softmax")
def _log_softmax(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Logarithms of probabilities over the last axis."""
    return activations.softmax(c.builder, x, layer=True, logarithm=True)


@layer("dropout", ["p"])
def _dropout(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Zeroes a share P of its input in training."""
    a.required("p", "dropout 0.5")
    return sequence.dropout(c.builder, x, a.probability("p", 0.5))


def _affine_pair(b: Builder, shape: tuple[Dim, ...]) -> tuple[Tensor, Tensor]:
    return b.parameter(shape, "weight", "weight"), b.parameter(shape, "bias", "bias")


@layer("batchnorm")
def _batchnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Batch normalisation of each channel."""
    _needs(a, x, (2, 3, 4, 5), f"N, {_IMAGE}", c)
    scale, shift = _affine_pair(c.builder, (x.shape[1],))
    mean = c.builder.parameter((x.shape[1],), "buffer", "running_mean")
    variance = c.builder.parameter((x.shape[1],), "buffer", "running_var")
    return norm.batch_norm(c.builder, x, scale, shift, mean, variance)


@layer("layernorm")
def _layernorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Layer normalisation of the last axis."""
    scale, shift = _affine_pair(c.builder, (x.shape[-1],))
    return norm.layer_norm(c.builder, x, scale, shift)


@layer("rmsnorm")
def _rmsnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Root-mean-square normalisation of the last axis."""
    return norm.rms_norm(c.builder, x, c.builder.parameter((x.shape[-1],), "weight", "weight"))


@layer("groupnorm", ["g"])
def _groupnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Normalisation over G groups of channels."""
    _image(a, x, c)
    groups = c.sizes.integer(a.required("g", "groupnorm 8"), "G")
    number = number_or_none(x.shape[1])
    if number is not None and number % groups:
        raise c.sizes.error(f"groupnorm {groups} does not divide {number} channels", a.layer.name)
    scale, shift = _affine_pair(c.builder, (x.shape[1],))
    return norm.group_norm(c.builder, x, groups, scale, shift)


@layer("instancenorm", flags=["affine"])
def _instancenorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Normalisation of each channel of each example; without parameters unless affine."""
    _image(a, x, c)
    scale, shift = _affine_pair(c.builder, (x.shape[1],)) if a.flag("affine") else (None, None)
    return norm.instance_norm(c.builder, x, scale, shift)


@layer("lrn", ["size"])
def _lrn(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Local response normalisation over SIZE neighbouring channels."""
    _image(a, x, c)
    return norm.local_response_norm(c.builder, x, size=a.integer("size", 5))


@layer("embedding", ["v", "d"])
def _embedding(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Rows of a table of V vectors of D; the input shape is the sequence length."""
    rows, width = a.size("v", "embedding 50257 768"), a.size("d", "embedding 50257 768")
    if x.dtype != "int64":
        raise c.sizes.error("embedding takes indices, so it must be the first layer", a.layer.name)
    return sequence.embedding(c.builder, x, c.builder.parameter((rows, width), "weight", "weight"))


@layer("attention", [], ["heads", "kv_heads", "bias"], ["causal"])
def _attention(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Self-attention with its query, key, value and output projections."""
    _needs(a, x, (3,), "sequence x width", c)
    b, width = c.builder, x.shape[-1]
    heads = c.sizes.integer(a.required("heads", "attention heads=12 causal"), "heads")
    groups, bias = a.integer("kv_heads", heads), a.yes_or_no("bias", True)
    number = number_or_none(width)
    if number is not None and number % heads:
        raise c.sizes.error(f"heads={heads} does not divide the width {number}", a.required("heads", ""))
    if heads % groups:
        raise c.sizes.error(f"kv_heads={groups} does not divide heads={heads}", a.required("kv_heads", ""))
    shared_width = _divided(width, heads) * groups
    projected: list[Tensor] = []
    for name, size, count in (("query", width, heads), ("key", shared_width, groups), ("value", shared_width, groups)):
        with b.scope(name):
            projected.append(sequence.split_heads(b, affine(b, x, size, bias=bias), count))
    y = sequence.merge_heads(b, sequence.attention(b, *projected, causal=a.flag("causal")))
    with b.scope("output"):
        return affine(b, y, width, bias=bias)


def _recurrent(kind: str) -> Build:
    def build(c: Context, x: Tensor, a: Arguments) -> Tensor:
        _needs(a, x, (3,), "sequence x features", c)
        hidden, biases = a.size("h", f"{kind} 128"), a.integer("biases", 2)
        if biases > 2:
            raise c.sizes.error("biases is 1 or 2", a.required("biases", ""))
        directions = 2 if a.flag("bidirectional") else 1
        layers = a.integer("layers", 1)
        if layers > MAX_RECURRENT_LAYERS:
            raise c.sizes.error(f"layers is at most {MAX_RECURRENT_LAYERS}", a.required("layers", ""))
        neurons = hidden * directions
        last: list[Tensor] = []
        for number in range(1, layers + 1):
            with (
                c.builder.scope(f"layer.{number}") if layers > 1 else nullcontext(),
                c.builder.region(kind, x, neurons=neurons) as region,
            ):
                x, last = _directions(c.builder, kind, x, hidden, biases, directions)
                region.returns(x, *last)
        if not a.flag("last"):
            return x
        return last[0] if directions == 1 else _joined(c.builder, last)

    build.__doc__ = f"{kind.upper()} layers of H units over a sequence."
    return build


def _directions(
    b: Builder, kind: str, x: Tensor, hidden: Dim, biases: int, directions: int
) -> tuple[Tensor, list[Tensor]]:
    """All directions of one recurrent layer: the joined outputs, and each direction's final state."""
    outputs, finals = [], []
    for direction in range(directions):
        rows = recurrent.CELLS[kind].gates * hidden
        weights = recurrent.CellWeights(
            b.parameter((rows, x.shape[-1]), "weight", "weight_ih"),
            b.parameter((rows, hidden), "weight", "weight_hh"),
            b.parameter((rows,), "bias", "bias_ih"),
            b.parameter((rows,), "bias", "bias_hh") if biases == 2 else None,
        )
        y, states = recurrent.recurrent(b, kind, x, weights, reverse=direction == 1)
        outputs.append(y)
        finals.append(states[0])
    return outputs[0] if directions == 1 else _joined(b, outputs), finals


def _joined(b: Builder, tensors: Sequence[Tensor]) -> Tensor:
    from nncost.ir.ops import Concat

    return b.emit(Concat(tensors[0].rank - 1), *tensors)


for _kind_name in recurrent.CELLS:
    layer(_kind_name, ["h"], ["biases", "layers"], ["bidirectional", "last"])(_recurrent(_kind_name))


def _activation(name: str) -> Build:
    def build(c: Context, x: Tensor, a: Arguments) -> Tensor:
        return activations.activation(c.builder, name, x)

    build.__doc__ = f"The activation {name} on every value."
    return build


for _name in activations.ACTIVATIONS:
    layer(_name)(_activation(_name))


def layer_table() -> Mapping[str, LayerKind]:
    """All layers, for help texts and documentation."""
    return LAYERS


def activation_names() -> list[str]:
    """Names accepted behind a colon in the widths form."""
    return [*activations.ACTIVATIONS, "softmax", "log_softmax", "none"]
