"""Linear algebra and Fourier transforms, by the algorithms of LAPACK and the radix-2 transform; batches multiply."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library import factorizations as lapack
from nncost.ir.library.counts import added, in_complex, scaled
from nncost.ir.library.fourier import transforms


def _sizes(x: Tensor) -> tuple[int, int]:
    """Rows and columns."""
    return cast("tuple[int, int]", x.shape[-2:])


def _emit(call: Call, matrix: Tensor, *parts: lapack.Counts, estimated: bool = False) -> list[Tensor]:
    """The amounts for one matrix, for every matrix of the batch."""
    counts = in_complex(added(*parts), matrix.dtype)
    return algorithm(call, scaled(counts, product(matrix.shape[:-2])), estimated=estimated)


def _direct(name: str, argument: str, counts: Callable[[int, int], lapack.Counts], estimated: bool = False) -> None:
    """Register an operator whose amounts follow from one matrix."""

    def lower(call: Call) -> Lowered:
        matrix = call.tensor(argument)
        return _emit(call, matrix, counts(*_sizes(matrix)), estimated=estimated)

    lowers(f"aten::{name}")(lower)


for _name in ("linalg_lu_factor_ex", "linalg_lu"):
    _direct(_name, "A", lapack.lu)
for _name in ("linalg_cholesky_ex", "cholesky"):
    _direct(_name, "self", lambda n, _: lapack.cholesky(n))
_direct("linalg_inv_ex", "A", lambda n, _: added(lapack.lu(n, n), lapack.inverse_from_lu(n)))
_direct("cholesky_inverse", "self", lambda n, _: lapack.inverse_from_cholesky(n))
_direct("linalg_ldl_factor_ex", "self", lambda n, _: lapack.ldl(n))
_direct("geqrf", "self", lapack.qr)
_direct("_linalg_det", "A", lambda n, _: added(lapack.lu(n, n), {"mul": max(n - 1, 0)}))
_direct("_linalg_slogdet", "A", lambda n, _: added(lapack.lu(n, n), {"log": n, "add": max(n - 1, 0)}))
_direct("linalg_eig", "self", lambda n, _: lapack.general_eigen(n, vectors=True), estimated=True)
for _name in ("linalg_eigvals", "_linalg_eigvals"):
    _direct(_name, "self", lambda n, _: lapack.general_eigen(n, vectors=False), estimated=True)
_direct("linalg_matrix_exp", "self", lambda n, _: lapack.exponential(n), estimated=True)


@lowers("aten::_linalg_solve_ex")
def _solve(call: Call) -> Lowered:
    """LU, then two substitutions per column; the lower factor's diagonal is ones."""
    matrix, given = call.tensor("A"), call.tensor("B")
    n, columns = _sizes(matrix)[0], _columns(matrix, given, left=bool(call.get("left", True)))
    both = lapack.triangular(n, columns, unit=True), lapack.triangular(n, columns)
    return _emit(call, matrix, lapack.lu(n, n), *both)


def _columns(matrix: Tensor, given: Tensor, *, left: bool) -> int:
    """The right-hand sides of one matrix; a vector per matrix is one."""
    if given.rank == matrix.rank - 1:
        return 1
    return _sizes(given)[1] if left else _sizes(given)[0]


def _substitution(name: str, matrix: str, given: str, *, times: int, unit: bool) -> None:
    """Register a solver with triangular factors at hand; ``unit``: the first factor's diagonal is ones."""

    def lower(call: Call) -> Lowered:
        factor, right = call.tensor(matrix), call.tensor(given)
        n, columns = _sizes(factor)[0], _columns(factor, right, left=bool(call.get("left", True)))
        ones = unit or bool(call.get("unitriangular", False))
        parts = [lapack.triangular(n, columns, unit=ones), *[lapack.triangular(n, columns)] * (times - 1)]
        batch = max((factor, right), key=lambda x: x.rank)
        return _emit(call, batch, *parts)

    lowers(f"aten::{name}")(lower)


_substitution("linalg_solve_triangular", "self", "B", times=1, unit=False)
_substitution("triangular_solve", "A", "self", times=1, unit=False)
_substitution("cholesky_solve", "input2", "self", times=2, unit=False)
_substitution("_cholesky_solve_helper", "A", "self", times=2, unit=False)
_substitution("linalg_lu_solve", "LU", "B", times=2, unit=True)
_substitution("linalg_ldl_solve", "LD", "B", times=2, unit=True)


@lowers("aten::linalg_qr")
def _qr(call: Call) -> Lowered:
    matrix = call.tensor("A")
    m, n = _sizes(matrix)
    mode = call.get("mode", "reduced")
    columns = {"r": 0, "complete": m}.get(mode, min(m, n))
    formed = lapack.q_formed(m, columns, min(m, n)) if columns else {}
    return _emit(call, matrix, lapack.qr(m, n), formed)


@lowers("aten::linalg_householder_product")
def _householder(call: Call) -> Lowered:
    matrix = call.tensor("input")
    m, n = _sizes(matrix)
    return _emit(call, matrix, lapack.q_formed(m, n, cast("int", call.tensor("tau").shape[-1])))


@lowers("aten::ormqr")
def _q_applied(call: Call) -> Lowered:
    target = call.tensor("input3")
    rows, columns = _sizes(target)
    if not call.get("left", True):
        rows, columns = columns, rows
    return _emit(call, target, lapack.q_applied(rows, columns, cast("int", call.tensor("input2").shape[-1])))


@lowers("aten::_linalg_svd")
def _svd(call: Call) -> Lowered:
    matrix = call.tensor("A")
    full, vectors = bool(call.get("full_matrices", False)), bool(call.get("compute_uv", True))
    return _emit(call, matrix, lapack.svd(*_sizes(matrix), vectors=vectors, full=full), estimated=True)


@lowers("aten::_linalg_eigh")
def _eigh(call: Call) -> Lowered:
    matrix = call.tensor("A")
    vectors = bool(call.get("compute_v", True))
    return _emit(call, matrix, lapack.symmetric_eigen(_sizes(matrix)[0], vectors=vectors), estimated=True)


@lowers("aten::linalg_lstsq")
def _lstsq(call: Call) -> Lowered:
    """QR of the larger side, Qᵀ times the right-hand sides, a substitution; drivers other than gels do more: estimated."""
    matrix, given = call.tensor("self"), call.tensor("b")
    m, n = max(_sizes(matrix)), min(_sizes(matrix))
    columns = _columns(matrix, given, left=True)
    parts = lapack.qr(m, n), lapack.q_applied(m, columns, n), lapack.triangular(n, columns)
    return _emit(call, matrix, *parts, estimated=call.get("driver") != "gels")


@lowers("aten::linalg_pinv")
def _pinv(call: Call) -> Lowered:
    """Singular values, their reciprocals, V·S⁺ and its product with Uᵀ."""
    matrix = call.tensor("self")
    m, n = _sizes(matrix)
    k = min(m, n)
    parts = lapack.svd(m, n, vectors=True), {"div": k, "cmp": 2 * k, "mul": n * k}, lapack.multiply(n, k, m)
    return _emit(call, matrix, *parts, estimated=True)


@lowers("aten::_compute_linear_combination")
def _combination(call: Call) -> Lowered:
    """Sums of the inputs' slices, each with its coefficient: a contraction of coefficients and slices."""
    x, coefficients = call.tensor("input"), call.tensor("coefficients")
    flat = call.builder.reshape(x, (x.shape[0], product(x.shape[1:])))
    y = call.builder.contract("ki,in->kn", coefficients, flat)
    return call.builder.reshape(y, call.shape)


UNSCALED = 0
"""PyTorch's number for a transform without normalisation."""


def _fourier(call: Call, shape: tuple[Dim, ...], last: Dim | None) -> Lowered:
    """Transforms of a complex ``shape``; along the last axis named, of true length ``last``, real ones."""
    axes = [dim % len(shape) for dim in call["dim"]]
    counts, exact = transforms(shape, axes, last)
    if call.get("normalization", UNSCALED) != UNSCALED:
        counts["mul"] += call.elements * (2 if call.dtype.startswith("complex") else 1)
    return algorithm(call, counts, estimated=not exact, name="fft")


@lowers("aten::_fft_c2c")
def _complex(call: Call) -> Lowered:
    return _fourier(call, call.tensor("self").shape, None)


@lowers("aten::_fft_r2c")
def _real_to_complex(call: Call) -> Lowered:
    """The last axis is real; the others are transformed for the half of it that is kept."""
    shape = list(call.tensor("self").shape)
    axis = call["dim"][-1] % len(shape)
    length, shape[axis] = shape[axis], shape[axis] // 2 + 1
    return _fourier(call, tuple(shape), length)


@lowers("aten::_fft_c2r")
def _complex_to_real(call: Call) -> Lowered:
    return _fourier(call, call.tensor("self").shape, call["last_dim_size"])
