"""A second witness: the trickiest forms as loops over numbers that count every product, forward and backward.

Nothing here uses a formula or a tensor library's contraction. The loops return their numbers too, so that the test can
compare them with PyTorch's outputs and gradients: what is counted is the computation that is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import exp, tanh
from typing import Any

import numpy as np
from torch import Tensor, nn

from tests.torch.cases.attention import Heads
from tests.torch.cases.case import Behind

Array = np.ndarray[Any, Any]
PAD_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}


@dataclass
class Counter:
    """Products inside sums."""

    products: int = 0

    def matmul(self, a: Array, b: Array) -> Array:
        """Rows of ``a`` by columns of ``b``, one product at a time."""
        y = np.zeros((a.shape[0], b.shape[1]))
        for i, j, k in product(range(a.shape[0]), range(b.shape[1]), range(a.shape[1])):
            y[i, j] += a[i, k] * b[k, j]
            self.products += 1
        return y


@dataclass
class Run:
    """What a witness saw: products forward and backward, the output, and gradients by parameter name."""

    forward: int
    backward: int
    output: Array
    gradients: dict[str, Array] = field(default_factory=dict)


def numbers(x: Tensor) -> Array:
    return x.detach().double().numpy()


# Convolutions.


def meetings(
    size: Sequence[int], kernel: Sequence[int], conv: Any, positions: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """Every position with every tap, and where in the padded large side they meet."""
    for position in product(*map(range, positions)):
        for tap in product(*map(range, kernel)):
            large = tuple(p * s + t * d for p, s, t, d in zip(position, conv.stride, tap, conv.dilation, strict=True))
            yield position, tap, large


def convolve(module: nn.Module, x: Tensor) -> Run:
    """nn.Conv1d, 2d, 3d with all options, alone or behind a factor; a loss that sums all outputs."""
    conv, factor = (module.module, module.factor.item()) if isinstance(module, Behind) else (module, 1.0)
    pads = list(conv._reversed_padding_repeated_twice)[::-1]
    if conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
        pads = [p for p in conv.padding for _ in range(2)]
    elif isinstance(conv.padding, str):
        pads = [n for low, high in zip(pads[1::2], pads[::2], strict=True) for n in (low, high)]
    widths = [(0, 0), (0, 0), *zip(pads[::2], pads[1::2], strict=True)]
    padded = np.pad(numbers(x) * factor, widths, mode=PAD_MODES[conv.padding_mode])
    where = np.pad(np.arange(x.numel()).reshape(x.shape), widths, mode=PAD_MODES[conv.padding_mode],
                   **({"constant_values": -1} if conv.padding_mode == "zeros" else {}))  # fmt: skip
    w, kernel = numbers(conv.weight), conv.weight.shape[2:]
    positions = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(padded.shape[2:], kernel, conv.stride, conv.dilation, strict=True)]  # fmt: skip
    m, c = w.shape[:2]
    y = np.zeros((x.shape[0], m, *positions))
    dw, dx = np.zeros(w.shape), np.zeros(x.numel())
    forward = weight_products = input_products = 0
    for position, tap, large in meetings(padded.shape[2:], kernel, conv, positions):
        for b, o, i in product(range(x.shape[0]), range(m), range(c)):
            source = (b, (o // (m // conv.groups)) * c + i, *large)
            y[b, o, *position] += padded[source] * w[o, i, *tap]
            forward += 1
            dw[o, i, *tap] += padded[source] * 1.0
            weight_products += 1
            if isinstance(module, Behind):
                given = 1.0 * w[o, i, *tap]
                input_products += 1
                if where[source] >= 0:
                    dx[where[source]] += given
    if conv.bias is not None:
        y += numbers(conv.bias).reshape(1, m, *[1] * len(positions))
    gradients = {"module.weight" if isinstance(module, Behind) else "weight": dw}
    if isinstance(module, Behind):
        gradients["factor"] = np.array((dx * numbers(x).ravel()).sum())
    return Run(forward, weight_products + input_products, y, gradients)


def convolve_transposed(module: nn.Module, x: Tensor) -> Run:
    """nn.ConvTranspose1d, 2d, 3d: every input position spreads over all taps; padding crops what came out."""
    conv, factor = (module.module, module.factor.item()) if isinstance(module, Behind) else (module, 1.0)
    given, w, kernel = numbers(x) * factor, numbers(conv.weight), conv.weight.shape[2:]
    c, group_out = w.shape[:2]
    m, group_in = group_out * conv.groups, c // conv.groups
    size = [(n - 1) * s + d * (k - 1) + 1 + extra for n, s, d, k, extra in
            zip(x.shape[2:], conv.stride, conv.dilation, kernel, conv.output_padding, strict=True)]  # fmt: skip
    crop = tuple(slice(p, n - p) for n, p in zip(size, conv.padding, strict=True))
    kept = np.zeros(size)
    kept[crop] = 1.0  # the gradient of the sum: ones where something was kept
    y = np.zeros((x.shape[0], m, *size))
    dw, dx = np.zeros(w.shape), np.zeros(x.shape)
    forward = weight_products = input_products = 0
    for position, tap, large in meetings(size, kernel, conv, x.shape[2:]):
        for b, i, o in product(range(x.shape[0]), range(c), range(group_out)):
            y[b, (i // group_in) * group_out + o, *large] += given[b, i, *position] * w[i, o, *tap]
            forward += 1
            dw[i, o, *tap] += given[b, i, *position] * kept[large]
            weight_products += 1
            if isinstance(module, Behind):
                dx[b, i, *position] += w[i, o, *tap] * kept[large]
                input_products += 1
    y = y[:, :, *crop]
    if conv.bias is not None:
        y = y + numbers(conv.bias).reshape(1, m, *[1] * len(size))
    gradients = {"module.weight" if isinstance(module, Behind) else "weight": dw}
    if isinstance(module, Behind):
        gradients["factor"] = np.array((dx * numbers(x)).sum())
    return Run(forward, weight_products + input_products, y, gradients)


# Recurrent layers: one layer, one direction; the loss sums all outputs and the final states.


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(module: nn.LSTM, x: Tensor) -> Run:
    count, back = Counter(), Counter()
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    b = numbers(module.bias_ih_l0) + numbers(module.bias_hh_l0)
    r = numbers(module.weight_hr_l0) if module.proj_size else None
    steps, batch, hidden = x.shape[0], x.shape[1], module.hidden_size
    h, c = np.zeros((batch, module.proj_size or hidden)), np.zeros((batch, hidden))
    tape, outputs = [], []
    for row in numbers(x):
        z = count.matmul(row, w.T) + count.matmul(h, u.T) + b
        i, f, g, o = sigmoid(z[:, :hidden]), sigmoid(z[:, hidden : 2 * hidden]), np.tanh(z[:, 2 * hidden : 3 * hidden]), sigmoid(z[:, 3 * hidden :])  # fmt: skip
        before, c_before = h, c
        c = f * c + i * g
        s = o * np.tanh(c)
        h = s if r is None else count.matmul(s, r.T)
        tape.append((row, before, c_before, i, f, g, o, c, s))
        outputs.append(h)
    dw, du, dr = np.zeros(w.shape), np.zeros(u.shape), None if r is None else np.zeros(r.shape)
    dh, dc = np.ones(h.shape), np.ones(c.shape)  # the final states are outputs too
    for step in reversed(range(steps)):
        row, before, c_before, i, f, g, o, c, s = tape[step]
        dh = dh + 1.0
        ds = dh
        if r is not None:
            dr += back.matmul(dh.T, s)
            ds = back.matmul(dh, r)
        dc = dc + ds * o * (1 - np.tanh(c) ** 2)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g**2),
                             ds * np.tanh(c) * o * (1 - o)], axis=1)  # fmt: skip
        dw += back.matmul(dz.T, row)
        du += back.matmul(dz.T, before)
        if step:  # nobody asks for the gradient of the initial state
            dh = back.matmul(dz, u)
        dc = dc * f
    gradients = {"weight_ih_l0": dw, "weight_hh_l0": du} | ({} if dr is None else {"weight_hr_l0": dr})
    return Run(count.products, back.products, np.stack(outputs), gradients)


def gru(module: nn.GRU, x: Tensor) -> Run:
    count, back = Counter(), Counter()
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    bw, bu = numbers(module.bias_ih_l0), numbers(module.bias_hh_l0)
    n = module.hidden_size
    h, tape, outputs = np.zeros((x.shape[1], n)), [], []
    for row in numbers(x):
        a, q = count.matmul(row, w.T) + bw, count.matmul(h, u.T) + bu
        r, z = sigmoid(a[:, :n] + q[:, :n]), sigmoid(a[:, n : 2 * n] + q[:, n : 2 * n])
        new = np.tanh(a[:, 2 * n :] + r * q[:, 2 * n :])
        tape.append((row, h, r, z, new, q[:, 2 * n :]))
        h = (1 - z) * new + z * h
        outputs.append(h)
    dw, du, dh = np.zeros(w.shape), np.zeros(u.shape), np.ones(h.shape)
    for step in reversed(range(x.shape[0])):
        row, before, r, z, new, q = tape[step]
        dh = dh + 1.0
        dnew = dh * (1 - z) * (1 - new**2)
        dz = dh * (before - new) * z * (1 - z)
        dr = dnew * q * r * (1 - r)
        da, dq = np.concatenate([dr, dz, dnew], axis=1), np.concatenate([dr, dz, dnew * r], axis=1)
        dw += back.matmul(da.T, row)
        du += back.matmul(dq.T, before)
        if step:
            dh = dh * z + back.matmul(dq, u)
    return Run(count.products, back.products, np.stack(outputs), {"weight_ih_l0": dw, "weight_hh_l0": du})


def rnn(module: nn.RNN, x: Tensor) -> Run:
    count, back = Counter(), Counter()
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    b = numbers(module.bias_ih_l0) + numbers(module.bias_hh_l0)
    states = [np.zeros((x.shape[1], module.hidden_size))]
    for row in numbers(x):
        z = count.matmul(row, w.T) + count.matmul(states[-1], u.T) + b
        states.append(np.vectorize(tanh)(z))
    dw, du, dh = np.zeros(w.shape), np.zeros(u.shape), np.ones(states[0].shape)
    for step in reversed(range(x.shape[0])):
        dz = (dh + 1.0) * (1 - states[step + 1] ** 2)
        dw += back.matmul(dz.T, numbers(x)[step])
        du += back.matmul(dz.T, states[step])
        if step:
            dh = back.matmul(dz, u)
    return Run(count.products, back.products, np.stack(states[1:]), {"weight_ih_l0": dw, "weight_hh_l0": du})


# Attention.


def attention(module: Heads, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Run:
    """Projections, then head by head; a causal or given mask hides scores after they were multiplied."""
    count, back = Counter(), Counter()
    wq, wk, wv = numbers(module.q.weight), numbers(module.k.weight), numbers(module.v.weight)
    d, dv = wq.shape[0] // module.q_heads, wv.shape[0] // module.kv_heads
    share = module.q_heads // module.kv_heads
    xs, ms = (numbers(t).reshape(-1, *t.shape[-2:]) for t in (x, memory))
    visible = np.ones((xs.shape[1], ms.shape[1]), dtype=bool) if mask is None else mask.numpy()
    if module.options.get("is_causal"):
        visible = np.tril(visible)
    gq, gk, gv = np.zeros(wq.shape), np.zeros(wk.shape), np.zeros(wv.shape)
    outputs = np.zeros((len(xs), module.q_heads, xs.shape[1], dv))
    for n, (row, keys) in enumerate(zip(xs, ms, strict=True)):
        q, k, v = count.matmul(row, wq.T), count.matmul(keys, wk.T), count.matmul(keys, wv.T)
        dq, dk, dvalue = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
        for head in range(module.q_heads):
            one, key, value = slice(head * d, head * d + d), slice(head // share * d, head // share * d + d), slice(head // share * dv, head // share * dv + dv)  # fmt: skip
            scores = count.matmul(q[:, one], k[:, key].T) / d**0.5
            p = np.where(visible, np.vectorize(exp)(scores), 0.0)
            p /= p.sum(axis=1, keepdims=True)
            outputs[n, head] = count.matmul(p, v[:, value])
            g = np.ones((len(row), dv))
            dvalue[:, value] += back.matmul(p.T, g)
            dp = back.matmul(g, v[:, value].T)
            ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / d**0.5
            dq[:, one] += back.matmul(ds, k[:, key])
            dk[:, key] += back.matmul(ds.T, q[:, one])
        gq += back.matmul(dq.T, row)
        gk += back.matmul(dk.T, keys)
        gv += back.matmul(dvalue.T, keys)
    output = outputs if x.dim() > 2 else outputs[0]
    return Run(count.products, back.products, output, {"q.weight": gq, "k.weight": gk, "v.weight": gv})


def witness(module: nn.Module, inputs: tuple[Any, ...]) -> Run:
    """The loops for this module."""
    inner = module.module if isinstance(module, Behind) else module
    for kind, run in WITNESSES:
        if isinstance(inner, kind):
            return run(module, *inputs)
    raise ValueError(f"no witness for {type(inner).__name__}")


WITNESSES: tuple[tuple[Any, Any], ...] = (
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), convolve_transposed),
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), convolve),
    (nn.LSTM, lstm),
    (nn.GRU, gru),
    (nn.RNN, rnn),
    (Heads, attention),
)
WITNESSED: tuple[str, ...] = (
    "conv1d", "conv1d_stride_padding_dilation_behind", "conv1d_same", "conv1d_causal_width", "conv2d_no_bias_strided",
    "conv2d_same_dilated", "conv2d_groups", "conv2d_groups_behind", "conv2d_depthwise_multiplier", "conv2d_pointwise",
    "conv2d_asymmetric_kernel_and_padding", "conv2d_circular", "conv2d_reflect_behind", "conv2d_replicate", "conv3d",
    "conv3d_strided_groups_behind", "conv_transpose1d", "conv_transpose1d_behind", "conv_transpose2d",
    "conv_transpose2d_groups_behind", "conv_transpose3d_no_bias_behind",
    "lstm", "lstm_projection", "gru", "rnn_tanh",
    "sdpa", "sdpa_causal", "sdpa_mask", "sdpa_lengths_differ", "sdpa_grouped", "sdpa_value_width", "sdpa_unbatched",
    "sdpa_one_query",
)  # fmt: skip
