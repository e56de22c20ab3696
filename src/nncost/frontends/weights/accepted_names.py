"""The names a pickle of tensors may hold; every other name is refused.

PyTorch's own restricted unpickler (``torch._weights_only_unpickler``) has the same idea; here the
calls are not made at all, so PyTorch is not needed.
"""

from __future__ import annotations

import re
import sys

STORAGES = {
    "Float": ("float32", 4), "Double": ("float64", 8), "Half": ("float16", 2), "BFloat16": ("bfloat16", 2),
    "Long": ("int64", 8), "Int": ("int32", 4), "Short": ("int16", 2), "Char": ("int8", 1), "Byte": ("uint8", 1),
    "Bool": ("bool", 1), "ComplexFloat": ("complex64", 8), "ComplexDouble": ("complex128", 16),
    "QInt8": ("qint8", 1), "QUInt8": ("quint8", 1), "QInt32": ("qint32", 4), "Untyped": ("bytes", 1),
}  # fmt: skip
"""Storage classes with the type and bytes of an element (`torch.storage`, PyTorch 2.13)."""
_NEWER = {
    "uint16": 2, "uint32": 4, "uint64": 8, "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1,
}  # fmt: skip
"""Types without a storage class: their tensors name the type themselves."""
TYPES = _NEWER | dict(STORAGES.values())
MAPPINGS = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict"})
REBUILDERS = {
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
}  # fmt: skip
QUANTIZED, META = "torch._utils._rebuild_qtensor", "torch._utils._rebuild_meta_tensor_no_storage"
WRAPPERS = {
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter",
    "torch._tensor._rebuild_from_type_v2",
}  # fmt: skip
SPARSE = "torch._utils._rebuild_sparse_tensor"
_HARMLESS = {
    "torch.Size", "torch.device", "torch.serialization._get_layout", "torch.Tensor", "torch._C._TensorBase",
    "torch.per_tensor_affine", "torch.per_channel_affine", "torch.strided", "torch.sparse_coo", "torch.storage.TypedStorage",
    "_codecs.encode", "builtins.set", "builtins.frozenset", "builtins.complex", "builtins.slice", "builtins.bytearray",
    "builtins.int", "builtins.float", "builtins.list", "builtins.tuple", "builtins.bool", "builtins.str", "datetime.datetime",
    "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._pickle.__generator_ctor", "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64", "numpy.random._philox.Philox", "numpy.random._sfc64.SFC64", "numpy.random.bit_generator.SeedSequence",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "copyreg._reconstructor", "copy_reg._reconstructor", "builtins.object",
    "argparse.Namespace", "types.SimpleNamespace", "collections.deque", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
    "pathlib.PosixPath", "pathlib.Path", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath",
    "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
}  # fmt: skip
"""Values of Python, PyTorch and NumPy beside the tensors. They are named, never made."""
_CLASS = re.compile(r"_*[A-Z]\w*\Z")
_CODE = frozenset({"__builtin__", "copy_reg", "torch", "torchvision", "torchaudio", "numpy"}) | sys.stdlib_module_names
"""Where a name that is not listed above is refused: these modules hold what an attack needs."""
WRAPPED = "torch._utils._rebuild_wrapper_subclass"
_TYPE = re.compile(r"(?:b?float|complex|u?int|qu?int|bool|bits)\d\w*\Z")
STORAGE_CLASS = re.compile(r"torch\.(?:storage\.|cuda\.)?(\w+)Storage\Z")


def is_accepted(module: str, name: str) -> bool:
    """Whether a pickle may name it."""
    full = f"{module}.{name.replace('.', '/')}".replace("__builtin__.", "builtins.")
    storage = STORAGE_CLASS.match(full)
    return (
        full in MAPPINGS or full in REBUILDERS or full in WRAPPERS or full in _HARMLESS or full in (SPARSE, WRAPPED, QUANTIZED, META)
        or (storage is not None and storage[1] in STORAGES)
        or (module == "torch" and (name in TYPES or _TYPE.match(name) is not None))
        or is_foreign(module, name)
    )  # fmt: skip


def is_foreign(module: str, name: str) -> bool:
    """Whether it is a class of another package, as settings and quantized tensors are: described, like all others."""
    return module.partition(".")[0] not in _CODE and all(map(_CLASS.match, name.split(".")))
