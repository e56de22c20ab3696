"""A diffusion network and a Fourier neural operator, small, written as such networks are."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class _Residual(nn.Module):
    def __init__(self, enters: int, leaves: int, times: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(enters, leaves, 3, padding=1), nn.Conv2d(leaves, leaves, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, enters), nn.GroupNorm(4, leaves)])
        self.time = nn.Linear(times, leaves)
        self.short = nn.Conv2d(enters, leaves, 1) if enters != leaves else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        y = self.first(functional.silu(self.norms[0](x))) + self.time(functional.silu(time))[:, :, None, None]
        return self.short(x) + self.second(functional.silu(self.norms[1](y)))


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.into, self.out = (
            nn.GroupNorm(4, width),
            nn.Conv2d(width, 3 * width, 1),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, width, height, length = x.shape
        query, key, value = self.into(self.norm(x)).reshape(batch, 3, width, height * length).unbind(1)
        scores = torch.einsum("bct,bcs->bts", query * width**-0.5, key).softmax(-1)
        return x + self.out(torch.einsum("bts,bcs->bct", scores, value).reshape(x.shape))


class Diffusion(nn.Module):
    """An embedding of the time, a level down and up, attention between."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.into, self.out = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.down, self.up = nn.Conv2d(width, 2 * width, 3, 2, 1), nn.Conv2d(2 * width, width, 3, padding=1)
        self.before, self.after = _Residual(width, width, width), _Residual(2 * width, width, width)
        self.inside, self.attention = _Residual(2 * width, 2 * width, width), _Attention(2 * width)

    def forward(self, x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        angles = steps.float()[:, None] * torch.exp(-torch.arange(self.width // 2).float())[None]
        time = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        first = self.before(self.into(x), time)
        inner = self.attention(self.inside(self.down(first), time))
        back = self.up(functional.interpolate(inner, scale_factor=2.0, mode="nearest"))
        return self.out(self.after(torch.cat([back, first], 1), time))


class _Spectral(nn.Module):
    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weights = nn.ParameterList(torch.randn(width, width, modes, modes, dtype=torch.cfloat) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, width, height, length = x.shape
        spectrum, low = torch.fft.rfft2(x), self.modes
        mixed = torch.zeros(batch, width, height, length // 2 + 1, dtype=torch.cfloat)
        for rows, weight in zip((slice(None, low), slice(-low, None)), self.weights, strict=True):
            mixed[:, :, rows, :low] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, rows, :low], weight)
        return torch.fft.irfft2(mixed, s=(height, length))


class Operator(nn.Module):
    """A Fourier neural operator on a grid of points."""

    def __init__(self, width: int = 8, modes: int = 4) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(3, width), nn.Linear(width, 1)
        self.spectral = nn.ModuleList(_Spectral(width, modes) for _ in range(2))
        self.local = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = (torch.linspace(0, 1, size) for size in x.shape[1:3])
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).expand(x.shape[0], -1, -1, -1)
        y = self.into(torch.cat([x, grid], -1)).permute(0, 3, 1, 2)
        for spectral, local in zip(self.spectral, self.local, strict=True):
            y = functional.gelu(spectral(y) + local(y))
        return self.out(y.permute(0, 2, 3, 1))
