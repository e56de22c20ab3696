"""What an entry of a device file must be: every number finite and positive, every text there, nothing unknown."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nncost.timing.devices.device import Device, Kind, MeasuredMatmul

DType = Literal["float64", "float32", "tensorfloat32", "float16", "bfloat16", "float8", "float4", "int8"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0, strict=True)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MatmulEntry(_Entry):
    """A measured matrix product."""

    dtype: DType
    flops_per_second: Positive
    theory_flops_per_second: Positive
    source: Text


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

    def device(self) -> Device:
        """The same, as the rest of nncost uses it."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "measured_matmul"}
        measured = tuple(MeasuredMatmul(**entry.model_dump()) for entry in self.measured_matmul)
        return Device(**fields, measured_matmul=measured)
