"""What an entry of a device file must be: every number finite and positive, every text there, nothing unknown."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nncost.timing.devices.device import Device, Kind, MeasuredMatmul
from nncost.timing.kernels.constants import constants_from

DType = Literal["float64", "float32", "tensorfloat32", "float16", "bfloat16", "float8", "float4", "int8"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Tile = Literal["4096", "16384", "32768"]
_ROWS = ("norm", "activation", "rotary", "elementwise", "gather")
Bytes = Annotated[int, Field(gt=0, strict=True)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MatmulEntry(_Entry):
    """A measured matrix product."""

    dtype: DType
    flops_per_second: Positive
    theory_flops_per_second: Positive
    source: Text


class ProductsEntry(_Entry):
    """Constants of matrix products."""

    launch_seconds: Positive
    bandwidth_share: Positive
    wave_seconds: Positive
    split_seconds: Positive
    tile_shares: dict[Tile, Positive]


class RowsEntry(_Entry):
    """Constants of one kind of kernels over rows."""

    launch_seconds: Positive
    bandwidth_share: Positive
    cached_share: Positive
    column_seconds: Positive
    serial_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class KernelsEntry(_Entry):
    """Constants of kernels."""

    devices: tuple[Name, ...]
    dtypes: tuple[DType, ...]
    units: Bytes
    cache_bytes: Positive
    spread: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    rows_spread: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    like: str = ""
    source: Text
    products: ProductsEntry
    rows: dict[Literal["norm", "activation", "rotary", "elementwise", "gather"], RowsEntry]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if set(self.products.tile_shares) != {"4096", "16384", "32768"}:
            raise ValueError("tile_shares has those of 4096, 16384 and 32768 elements")
        if len(self.rows) < len(_ROWS):
            raise ValueError(f"rows has {', '.join(_ROWS)}")
        return self


class Accelerator(_Entry):
    """One device; the fields are those of :class:`nncost.timing.devices.device.Device`."""

    name: Name
    aliases: tuple[Name, ...] = ()
    title: Text
    vendor: Text
    kind: Kind
    memory_bytes: Bytes
    bandwidth_bytes_per_second: Positive
    tdp_watts: Positive | None = None
    link_bytes_per_second: Positive | None = None
    peaks: Annotated[dict[DType, Positive], Field(min_length=1)]
    reliability: Text
    note: str = ""
    source: Text
    date: date
    measured_matmul: tuple[MatmulEntry, ...] = ()
    kernels: KernelsEntry | None = None

    def device(self) -> Device:
        """The same, as the rest of nncost uses it."""
        own = ("measured_matmul", "kernels")
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in own}
        measured = tuple(MeasuredMatmul(**entry.model_dump()) for entry in self.measured_matmul)
        kernels = None if self.kernels is None else constants_from(self.kernels.model_dump())
        return Device(**fields, measured_matmul=measured, kernels=kernels)
