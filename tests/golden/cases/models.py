"""PyTorch modules whose reports are kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

WIDTH = 8


class Classifier(nn.Sequential):
    """A small image network."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, groups=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        )  # fmt: skip


class Language(nn.Module):
    """An embedding, one causal attention block and a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.into = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids)
        query, key, value = self.into(self.norm(x)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x @ self.table.weight.T


class Attention(nn.Module):
    """``nn.MultiheadAttention`` of a sequence with itself, its weights as a second output."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.attention(x, x, x)


class WrittenOut(nn.Module):
    """Causal attention in plain products, with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / WIDTH**0.5
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return scores.masked_fill(mask, float("-inf")).softmax(-1) @ self.value(x)


class Block(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 16), nn.Linear(16, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(functional.gelu(self.up(self.norm(x))))


class Stack(nn.Module):
    """Equal blocks one after another, computed again in backward where ``again`` is set."""

    def __init__(self, depth: int, *, again: bool = False) -> None:
        super().__init__()
        self.again = again
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.again else block(x)
        return self.head(x)


class Adapted(nn.Module):
    """A frozen layer and a trained product of two thin ones."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(64, 64, bias=False).requires_grad_(requires_grad=False)
        self.down, self.up = nn.Linear(64, 4, bias=False), nn.Linear(4, 64, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


class Twice(nn.Module):
    """One layer, applied twice."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.dense(x).relu())


class Autocast(nn.Module):
    """Two layers in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.body(x)


class Product(torch.autograd.Function):
    """relu(x·W) with a gradient written by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.relu(x @ weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return gradient @ weight.T, x.T @ gradient


class OwnFunction(nn.Module):
    """A function with a backward of its own behind a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.weight = nn.Linear(WIDTH, WIDTH), nn.Parameter(torch.zeros(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return Product.apply(self.layer(x), self.weight)


class Spectral(nn.Module):
    """Complex weights on the lowest frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4, 5, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.einsum("bim,iom->bom", torch.fft.rfft(x)[..., :5], self.weight), n=x.shape[-1])


class Rounded(nn.Module):
    """Weights and activations that a quantizer rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, 4)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.fake_quantize_per_tensor_affine(self.dense.weight, 0.1, 0, -128, 127)
        return functional.linear(torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), weight, self.dense.bias)


class Routed(nn.Module):
    """Each row goes to its two best experts."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, 3)
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        weights, chosen = self.router(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            row, place = torch.where(chosen == number)
            out = out.index_add(0, row, expert(x[row]) * weights[row, place, None])
        return out


class Branching(nn.Module):
    """The data choose between a wide and a narrow way."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(WIDTH, 16), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(x) if x.sum() > 0 else self.narrow(x)


class Scanned(nn.Module):
    """h ← tanh(W·h + U·x) over time, in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = x.new_zeros(x.shape[1], 5)
        for step in x:
            h = self.cell(step, h)
        return {"last": h}


class Several(nn.Module):
    """Two inputs, one of them by name, and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.vector, self.joint = nn.Conv2d(3, 4, 3), nn.Linear(10, 4), nn.Bilinear(4, 4, 3)

    def forward(self, image: Tensor, *, vector: Tensor, scale: float = 1.0) -> Tensor:
        return self.joint(self.image(image).mean((2, 3)), self.vector(vector)) * scale


class Labelled(nn.Module):
    """A model that computes its own loss where it is given labels."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        logits = self.dense(x)
        return {"logits": logits} | ({} if labels is None else {"loss": functional.cross_entropy(logits, labels)})


class Solved(nn.Module):
    """Linear algebra: closed forms and estimates."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(4))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.linalg.solve(self.matrix, x)
        return torch.linalg.svd(y, full_matrices=False)[1]


class Recurrent(nn.Module):
    """Two recurrent layers and their last outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True, dropout=0.1)
        self.gru = nn.GRU(10, 3, batch_first=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.gru(self.lstm(self.table(tokens))[0])[0][-1]
