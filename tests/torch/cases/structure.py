"""How modules are put together: sharing, freezing, checkpointing, own gradients, control flow, sizes beyond int64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from tests.torch.cases.case import Case, Learned, random

B, D, F, T = 3, 6, 10, 4
DD, DF = B * D * D, B * D * F


def dense(n: int, m: int, *, trained: bool = True, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(n, m, bias=bias)
    return layer if trained else layer.requires_grad_(False)


def case(
    name: str,
    build: Any,
    parameters: tuple[int, int] | tuple[int, int, int],
    forward: int,
    backward: int | None,
    note: str,
    *,
    inputs: Any = None,
    **more: Any,
) -> Case:
    """``parameters`` are weights, biases and other."""
    return Case(
        name=name,
        build=build,
        inputs=inputs or random((B, D)),
        parameters=sum(parameters),
        weights=parameters[0],
        biases=parameters[1],
        forward_macs=forward,
        backward_macs=backward,
        note=note,
        **more,
    )


class Tied(nn.Module):
    """Embedding and head share one table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, D)
        self.head = nn.Linear(D, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.table(ids).tanh())


class Twice(nn.Module):
    """One layer, applied twice."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = dense(D, D)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.dense(x).relu())


class TwoNames(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.left = self.right = dense(D, D)

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) + self.right(-x)


class TiedAutoencoder(nn.Module):
    """Decoding with the transposed encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = dense(D, F, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x).relu() @ self.encoder.weight


class Unused(nn.Module):
    """A layer and a loose parameter that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = dense(D, F), dense(F, F)
        self.loose = nn.Parameter(torch.zeros(7))

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class Lora(nn.Module):
    """A frozen layer and a trained product of two thin ones."""

    def __init__(self, n: int, m: int, rank: int) -> None:
        super().__init__()
        self.base = dense(n, m, trained=False)
        self.a, self.b = nn.Parameter(torch.randn(rank, n)), nn.Parameter(torch.zeros(m, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.a.T) @ self.b.T * 0.5


class Checkpointed(nn.Module):
    """A dense layer, then two blocks that are computed again in backward."""

    def __init__(self, *, ends_in_activation: bool) -> None:
        super().__init__()
        self.first = dense(D, D)
        self.blocks = nn.ModuleList(
            nn.Sequential(dense(D, F), nn.Tanh(), dense(F, D), *([nn.Tanh()] if ends_in_activation else []))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return x


class Product(torch.autograd.Function):
    """x·W with a gradient written by hand that makes what is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        return g @ w.T if ctx.needs_input_grad[0] else None, x.T @ g if ctx.needs_input_grad[1] else None


class Recomputing(torch.autograd.Function):
    """tanh(x·W) whose gradient computes the product again and always makes both gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return (x @ w).tanh()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        g = g * (1 - (x @ w).tanh() ** 2)
        return g @ w.T, x.T @ g


class StraightThrough(torch.autograd.Function):
    """Rounding that passes the gradient on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g


class QuantizedAware(nn.Module):
    """Weights rounded on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(F, D))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, StraightThrough.apply(self.weight * 8) / 8)


class Autocast(nn.Module):
    """Two layers in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(dense(D, F), nn.ReLU(), dense(F, D))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.body(x)


class Branching(nn.Module):
    """The data choose between a wide and a narrow way."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = dense(D, F), dense(D, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(x) if x.sum() > 0 else self.narrow(x)


class Iterated(nn.Module):
    """Repeats until a number read from the input has been reached."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = dense(D, D)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        for _ in range(int(times.item())):
            x = self.dense(x).tanh()
        return x


class Selected(nn.Module):
    """Only the rows that a mask selects are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = dense(D, F)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x[x[:, 0] > 0])


class Detached(nn.Module):
    """A target network without gradient and a trained one on top of it."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.stopped, self.student = dense(D, F), dense(F, F), dense(F, D)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.teacher(x)
        return self.student(self.stopped(x).detach())


class Buffered(nn.Module):
    """A fixed matrix, and a counter that every call changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.randn(D, F))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.dense = dense(F, D)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.dense(x @ self.matrix)


class Scanned(nn.Module):
    """h ← tanh(W·h + U·x) over time, by slices and stack."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.input = dense(F, F, bias=False), dense(D, F)

    def forward(self, x: Tensor) -> dict[str, Any]:
        h = x.new_zeros(x.shape[1], F)
        outputs = []
        for step in range(x.shape[0]):
            h = torch.tanh(self.state(h) + self.input(x[step]))
            outputs.append(h)
        return {"all": torch.stack(outputs), "last": [h]}


class HigherOrderScan(nn.Module):
    """As Scanned, with torch's scan operator."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.input = nn.Parameter(torch.randn(F, F)), nn.Parameter(torch.randn(D, F))

    def forward(self, x: Tensor) -> Tensor:
        from torch._higher_order_ops.scan import scan

        def step(h: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(h @ self.state + row @ self.input)
            return h, h.clone()

        return scan(step, x.new_zeros(x.shape[1], F), x, dim=0)[1]


class Forces(nn.Module):
    """The gradient of an energy with respect to the positions is the output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.energy = dense(D, F), dense(F, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = self.energy(self.hidden(x).tanh())
            return torch.autograd.grad(energy.sum(), x, create_graph=True)[0]


class InPlace(nn.Module):
    """Slices written in place."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = dense(D, D, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, :] = self.dense(x)
        y += 1
        y[:, 0].mul_(2)
        return y


class Options(nn.Module):
    """Numbers, None, a nested list and a keyword as inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = dense(D, F)

    def forward(
        self, pair: list[Tensor], scale: float, mask: Tensor | None = None, *, times: int = 1
    ) -> tuple[Any, ...]:
        outputs = [self.dense(x) * scale for x in pair for _ in range(times)]
        return outputs, mask, "text"


class Tree(nn.Module):
    """A recursive module: a binary tree of depth n is one product for each inner node."""

    def __init__(self) -> None:
        super().__init__()
        self.join = dense(2 * D, D, bias=False)

    def forward(self, leaves: Tensor) -> Tensor:
        if len(leaves) == 1:
            return leaves[0]
        half = len(leaves) // 2
        return self.join(torch.cat([self(leaves[:half]), self(leaves[half:])]))


class Vectorized(nn.Module):
    """vmap over rows."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(F, D))

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda row: self.weight @ row)(x)


class NoInputs(nn.Module):
    """A network of nothing but its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Parameter(torch.randn(D, F)), nn.Parameter(torch.randn(F, T))

    def forward(self) -> Tensor:
        return self.left @ self.right


class BiasesOnly(nn.Sequential):
    """Only the biases are trained."""

    def __init__(self) -> None:
        super().__init__(dense(D, F), nn.ReLU(), dense(F, D))
        self[0].weight.requires_grad_(False)
        self[2].weight.requires_grad_(False)


def frozen_backbone() -> nn.Module:
    return nn.Sequential(
        dense(D, F, trained=False),
        nn.ReLU(),
        dense(F, F, trained=False),
        nn.ReLU(),
        dense(F, D),
        nn.ReLU(),
        dense(D, 2),
    )


def frozen_middle() -> nn.Module:
    return nn.Sequential(dense(D, F), nn.ReLU(), dense(F, F, trained=False), nn.ReLU(), dense(F, D))


def compiled() -> nn.Module:
    return torch.compile(nn.Sequential(dense(D, F), nn.ReLU(), dense(F, D)), backend="eager")


def jit_scripted_shape() -> nn.Module:
    return nn.Sequential(nn.Flatten(), dense(T * D, F), nn.Unflatten(1, (2, F // 2)), dense(F // 2, D))


RANK, TIMES, LEAVES, HUGE = 2, 3, 4, 2**22
MIXED = torch.tensor([1.0, -1.0, 1.0])

CASES: tuple[Case, ...] = (
    case("tied_embedding_and_head", Tied, (20 * D, 0), B * 20 * D, 2 * B * 20 * D,
         "One table, counted once; the head's weight gradient and, for the table, its input gradient.",
         inputs=lambda: (torch.randint(20, (B,)),)),
    case("layer_used_twice", Twice, (D * D, D), 2 * DD, 3 * DD, "Two uses; two weight gradients, one input gradient."),
    case("layer_under_two_names", TwoNames, (D * D, D), 2 * DD, 2 * DD, "Both uses read the model's input: weights only."),
    case("tied_autoencoder", TiedAutoencoder, (D * F, 0), 2 * DF, 3 * DF, "W and Wᵀ: two weight gradients, one input gradient."),
    case("unused_parameters", Unused, (D * F + F * F, F + F, 7), DF, DF, "What is not called is a parameter, with no gradient.",
         ),
    case("frozen_backbone", frozen_backbone, (D * F + F * F + F * D + D * 2, F + F + D + 2), DF + B * F * F + DF + B * D * 2,
         DF + 2 * B * D * 2,
         "The first two layers are frozen: no gradient there at all; then weights, and one input gradient between the last two."),
    case("frozen_middle", frozen_middle, (D * F + F * F + F * D, F + F + D), DF + B * F * F + DF, DF + B * F * F + 2 * DF,
         "The frozen layer passes a gradient on (B·F·F) and has none itself."),
    case("frozen_all", lambda: dense(D, F, trained=False), (D * F, F), DF, 0, "Frozen parameters are parameters."),
    case("biases_only", BiasesOnly, (2 * D * F, F + D), 2 * DF, DF,
         "No weight gradient; the first bias needs the second layer's input gradient."),
    case("lora_first", lambda: Lora(D, F, RANK), (D * F + RANK * (D + F), F), DF + B * RANK * (D + F),
         B * RANK * F + B * RANK * F + B * RANK * D,
         "Base D·F, A rank·D, B rank·F; backward dB, d(xAᵀ), dA; nothing for the frozen base at the input."),
    case("lora_two_layers", lambda: nn.Sequential(Lora(D, F, RANK), nn.ReLU(), Lora(F, D, RANK)),
         (2 * D * F + 2 * RANK * (D + F), F + D), 2 * (DF + B * RANK * (D + F)),
         (2 * B * RANK * F + B * RANK * D) + (2 * B * RANK * D + B * RANK * F) + (DF + B * RANK * F),
         "The second layer passes gradients through its frozen base (B·F·D) and through A (B·rank·F)."),
    case("checkpointed", lambda: Checkpointed(ends_in_activation=True), (D * D + 4 * D * F, D + 2 * (F + D)), DD + 4 * DF,
         (DD + 4 * DF) + 4 * DF + 4 * DF,
         "Backward: weights D² + 4·D·F, inputs 4·D·F, and both blocks once more: 4·D·F (all times B).",
         backward_readings=((DD + 4 * DF) + 4 * DF,)),
    case("checkpointed_early_stop", lambda: Checkpointed(ends_in_activation=False), (D * D + 4 * D * F, D + 2 * (F + D)),
         DD + 4 * DF, (DD + 4 * DF) + 4 * DF + 2 * DF,
         "PyTorch stops computing again once the last saved tensor is there, so the last product of each block is not"
         " repeated: 2·D·F; repeated in full it is the first reading, without recomputation the second.",
         backward_readings=((DD + 4 * DF) + 4 * DF + 4 * DF, (DD + 4 * DF) + 4 * DF)),
    case("custom_function", lambda: Learned(lambda w, v, x: Product.apply(Product.apply(x, w).relu(), v), (D, F), (F, D)),
         (2 * D * F, 0), 2 * DF, 3 * DF, "Two weight gradients, one input gradient, as the hand-written backward asks."),
    case("custom_function_recomputes", lambda: Learned(lambda w, x: Recomputing.apply(x, w), (D, F)), (D * F, 0), DF, 3 * DF,
         "The hand-written backward multiplies three times: the product again, and both gradients though one is not asked"
         " for. The mathematics needs one: the reading.", backward_readings=(DF, 2 * DF)),
    case("straight_through", QuantizedAware, (D * F, 0), DF, DF, "Rounding is elementwise."),
    case("autocast_bfloat16", Autocast, (2 * D * F, F + D), 2 * DF, 3 * DF, "The type of number changes no count."),
    case("branch_on_data_taken", Branching, (D * F + D * 2, F + 2), DF, DF, "The inputs sum to more than 0: the wide way.",
         inputs=lambda: (torch.ones(B, D),), needs_values=True),
    case("branch_on_data_not_taken", Branching, (D * F + D * 2, F + 2), B * D * 2, B * D * 2, "The narrow way.",
         inputs=lambda: (-torch.ones(B, D),), needs_values=True),
    case("repeated_as_the_data_say", Iterated, (D * D, D), TIMES * DD, (2 * TIMES - 1) * DD,
         "Three rounds: three weight gradients, two input gradients.",
         inputs=lambda: (torch.randn(B, D), torch.tensor(TIMES)), needs_values=True),
    case("rows_selected_by_data", Selected, (D * F, F), 2 * D * F, 2 * D * F, "Two of three rows are positive.",
         inputs=lambda: (MIXED[:, None].repeat(1, D),), needs_values=True),
    case("no_grad_and_detach", Detached, (D * F + F * F + F * D, F + F + D), DF + B * F * F + DF, DF,
         "No gradient passes the detached output: only the student's weight."),
    case("buffers", Buffered, (F * D, D), 2 * DF, DF, "A fixed matrix multiplies but is no parameter; a call changes a buffer."),
    case("loop_over_time", Scanned, (F * F + D * F, F), T * B * F * (F + D), T * B * F * (F + D) + (T - 1) * B * F * F,
         "T steps from a state of zeros, which is multiplied; weights at T steps, the state's gradient at T−1.",
         inputs=random((T, B, D))),
    case("higher_order_scan", HigherOrderScan, (F * F + D * F, 0), T * B * F * (F + D),
         T * B * F * (F + D) + (T - 1) * B * F * F, "As the loop; torch's scan may make the initial state's gradient too (B·F·F)"
         " and the inputs' (T·B·D·F): the readings.", inputs=random((T, B, D)),
         backward_readings=(T * B * F * (F + D) + T * B * F * F, 2 * T * B * F * (F + D))),
    case("gradient_inside_forward", Forces, (D * F + F, F + 1), (DF + B * F) + (B * F + DF), 4 * DF + B * F,
         "Forward: x·W, h·v, then g·vᵀ (B·F, one-term sums) and (g·vᵀ∘tanh')·W. Backward of that: dW and d(g·v) from the last"
         " product, dv, and dW through tanh'; and the positions' gradient (B·D·F), which the model has asked for.",
         forward_readings=(2 * DF + B * F,), backward_readings=(3 * DF + B * F,)),
    case("written_in_place", InPlace, (D * D, 0), DD, DD, "Writing into slices moves."),
    case("numbers_none_and_lists", Options, (D * F, F), 4 * DF, 4 * DF, "Two tensors, twice each.",
         inputs=lambda: {"pair": [torch.randn(B, D), torch.randn(B, D)], "scale": 2.0, "mask": None, "times": 2}),
    case("recursive_tree", Tree, (2 * D * D, 0), (LEAVES - 1) * 2 * D * D, (LEAVES - 1) * 2 * D * D + 2 * D * D,
         "Four leaves: three joins of 2·D·D; only the root's input gradient is needed.", inputs=random((LEAVES, D))),
    case("vmap_matrix_vector", Vectorized, (F * D, 0), DF, DF, "vmap of W·x over B rows is B·F·D."),
    case("no_inputs", NoInputs, (D * F + F * T, 0), D * F * T, 2 * D * F * T, "Only parameters.", inputs=lambda: ()),
    case("reshapes_between_layers", jit_scripted_shape, (T * D * F + (F // 2) * D, F + D),
         B * T * D * F + B * 2 * (F // 2) * D, B * T * D * F + 2 * B * 2 * (F // 2) * D, "Flatten, dense, unflatten, dense.",
         inputs=random((B, T, D))),
    case("weight_norm", lambda: parametrizations.weight_norm(dense(D, F)), (D * F + F, F), DF, DF,
         "g·v/‖v‖: one factor for each output, elementwise; two parameters make the weight."),
    case("spectral_norm_train", lambda: parametrizations.spectral_norm(dense(D, F)), (D * F, F), DF + 3 * D * F + F,
         DF + D * F + F,
         "One power iteration W·v, Wᵀ·u without gradient, then σ = u·(W·v): 3·D·F + F; backward of σ: d(Wv) F and dW D·F, both"
         " with one-term sums (without them the reading).", backward_readings=(DF,)),
    case("spectral_norm_eval", lambda: parametrizations.spectral_norm(dense(D, F)).eval(), (D * F, F), DF + D * F + F,
         DF + D * F + F, "No power iteration: σ = u·(W·v) only.", backward_readings=(DF,)),
    case("compiled", compiled, (2 * D * F, F + D), 2 * DF, 3 * DF, "torch.compile changes no count."),
    case("beyond_int64", lambda: nn.Linear(HUGE, HUGE, bias=False, device="meta"), (HUGE**2, 0), HUGE**3, HUGE**3,
         "2²² rows · 2²² · 2²² = 2⁶⁶ > 2⁶³, on the meta device.", inputs=lambda: (torch.empty(HUGE, HUGE, device="meta"),)),
    case("beyond_int64_two_layers",
         lambda: nn.Sequential(nn.Linear(HUGE, HUGE, bias=False, device="meta"), nn.ReLU(),
                               nn.Linear(HUGE, HUGE, bias=False, device="meta")),
         (2 * HUGE**2, 0), 2 * HUGE**3, 3 * HUGE**3, "Twice that; backward three times.",
         inputs=lambda: (torch.empty(HUGE, HUGE, device="meta"),)),
)  # fmt: skip
