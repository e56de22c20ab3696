"""Damaged and made-up headers: a report or one of our errors, soon, and nothing else.

``NNCOST_TRIALS`` asks for a multiple of them.
"""

from __future__ import annotations

import json
import struct
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nncost.errors import NncostError
from tests.trials import trials
from tests.weights.test_bad_files import GOOD
from tests.weights.writers import count, described, raw_gguf, raw_safetensors
from tests.weights.writers_of_others import message, packed, table

QUANTIZED = [
    "qweight", "qzeros", "scales", "g_idx", "weight", "weight_scale", "weight_packed", "weight_shape", "biases", "SCB", "W_q", "scale", "weight.absmax",
    "weight.quant_map", "codes", "codebooks", "trellis", "weight._data", "weight._scale", "_weight_qdata", "_weight_scale", "w_blocks", "w_scales", "B", "s",
]  # fmt: skip
EXAMPLES = trials(160)
"""Of each of some 18 tests: about 3,000 in all."""
SECONDS = 5
"""Of the processor, for the slowest: a file is read in far less than one."""
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def survives(path: Path) -> None:
    started = time.process_time()
    try:
        report = count(path)
    except NncostError as error:
        assert str(error)
        assert error.code in ("source", "missing-extra")
    else:
        assert report.parameters.total == report.storage.parameters
        json.dumps(report.to_dict())
    assert time.process_time() - started < SECONDS


def seed(form: str) -> tuple[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = GOOD[form](Path(folder))
        return path.name, path.read_bytes()


@pytest.mark.parametrize("form", GOOD)
def test_damaged_files(form: str, tmp_path: Path) -> None:
    name, good = seed(form)
    ends = 700  # where headers lie: in front, and behind in zip archives

    @thorough
    @given(choices=st.data())
    def damage(choices: st.DataObject) -> None:
        damaged = bytearray(good)
        place = (
            st.integers(0, min(len(good), ends) - 1)
            | st.integers(max(0, len(good) - ends), len(good) - 1)
            | st.integers(0, len(good) - 1)
        )
        for _ in range(choices.draw(st.integers(0, 8))):
            damaged[choices.draw(place)] = choices.draw(st.sampled_from([0, 1, 127, 255]) | st.integers(0, 255))
        if choices.draw(st.booleans()):
            del damaged[choices.draw(place) :]
        (tmp_path / name).write_bytes(damaged)
        survives(tmp_path / name)

    damage()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["F32", "F4", "BF16", 2**63, 10**30]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "a", "weight_map", "__metadata__"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
entries = st.fixed_dictionaries({
    "dtype": st.sampled_from(["F32", "U8", "F4", "BOOL", "F6_E2M3"]), "shape": st.lists(st.integers(-1, 9) | st.just(2**62), max_size=3),
    "data_offsets": st.lists(st.integers(-1, 99), min_size=1, max_size=3),
})  # fmt: skip


@thorough
@given(header=values | st.dictionaries(st.text(max_size=3), entries | values, max_size=3), data=st.integers(0, 99))
def test_headers_of_random_json(header: object, data: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        survives(raw_safetensors(Path(folder), header, data))
        index = Path(folder) / "a.safetensors.index.json"
        index.write_text(json.dumps(header))
        survives(index)
        index.write_text(json.dumps({"weight_map": header}))
        survives(index)


sizes = st.integers(0, 40) | st.sampled_from([2**31, 2**63, 2**64 - 1])
tensors = st.tuples(st.binary(max_size=3), st.lists(sizes, max_size=5).map(tuple), st.integers(0, 50), sizes)
fields = st.tuples(st.integers(0, 14), st.integers(0, 14), sizes, st.binary(max_size=20))


@thorough
@given(
    tensors=st.lists(tensors, max_size=3),
    data=st.integers(0, 999),
    fields=st.lists(fields, max_size=3),
    version=st.integers(1, 4),
    order=st.sampled_from("<>"),
)
def test_headers_of_random_numbers(
    tensors: list[tuple[bytes, tuple[int, ...], int, int]],
    data: int,
    fields: list[tuple[int, int, int, bytes]],
    version: int,
    order: str,
) -> None:
    content = b"".join(
        struct.pack(f"{order}Q", 1) + bytes([97 + number]) + struct.pack(f"{order}IIQ", kind, inner, length) + rest
        for number, (kind, inner, length, rest) in enumerate(fields)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = raw_gguf(
            Path(folder), tensors, data=data, fields=content, field_count=len(fields), version=version, order=order
        )
        survives(path)


@thorough
@given(
    content=st.lists(
        st.sampled_from(
            [bytes([n]) for n in range(256)]
            + [
                b"ctorch._utils\n_rebuild_tensor_v2\n",
                b"ctorch\nFloatStorage\n",
                b"Vstorage\n",
                b"K\x01",
                b"}(",
                b"R",
                b"Q",
                b"u.",
            ]
        ),
        max_size=40,
    )
)
def test_pickles_of_random_operations(content: list[bytes]) -> None:
    import zipfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", b"".join(content))
            archive.writestr("a/data/1", bytes(40))
        survives(path)


@thorough
@given(
    shapes=st.lists(st.tuples(st.sampled_from(["I32", "U8", "F16", "F8_E4M3", "U32", "I8"]), st.lists(st.integers(0, 9), max_size=3)), min_size=14, max_size=14),
    names=st.lists(st.sampled_from(QUANTIZED), min_size=1, max_size=14, unique=True),
    settings_beside=values | st.fixed_dictionaries({"quantization_config": values | st.dictionaries(st.sampled_from(["bits", "group_size", "quant_method", "a"]), values)}),
    stated=st.binary(max_size=16) | st.just(b'{"shape": [4, 4]}'),
)  # fmt: skip
def test_random_layers_of_quantizers(
    shapes: list[tuple[str, list[int]]], names: list[str], settings_beside: object, stated: bytes
) -> None:
    """Tensors of any type and shape under the names of quantizers, beside any configuration."""
    tensors = {f"a.{name}": (dtype, tuple(shape)) for name, (dtype, shape) in zip(names, shapes, strict=False)}
    tensors |= {"a.weight.quant_state.bitsandbytes__nf4": ("U8", (len(stated),), stated)}  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(settings_beside))
        survives(described(Path(folder), tensors))


varied = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.binary(max_size=9) | st.sampled_from(["float32", "shape", 2**40]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["__msgpack_chunked_array__", "shape", "chunks", "params", "a"]), inner, max_size=4), max_leaves=12)  # fmt: skip


@thorough
@given(value=varied, array=st.lists(varied, min_size=3, max_size=3), cut=st.integers(0, 99))
def test_random_message_packs(value: object, array: list[object], cut: int) -> None:
    inner = packed(tuple(array))
    extension = b"\x81\xa1a" + struct.pack(">BIb", 0xC9, len(inner), 1) + inner
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.msgpack"
        for content in (packed(value), extension, extension[:cut]):
            path.write_bytes(content)
            survives(path)


@thorough
@given(entries=st.dictionaries(st.binary(max_size=3), st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2**64 - 1) | st.binary(max_size=12)), max_size=6), max_size=8))  # fmt: skip
def test_random_tables(entries: dict[bytes, list[tuple[int, int | bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.index"
        path.write_bytes(table({b"": b"\x08\x01"} | {key: message(*fields) for key, fields in entries.items()}))
        survives(path)
