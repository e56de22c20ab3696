"""Linear algebra and Fourier transforms, by the algorithms of LAPACK and the radix-2 transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import cast

from nncost.dims import Dim, ceil_log2, is_symbolic, product
from nncost.frontends.torch.lowerings.operands import added_counts, algorithm, in_complex, scaled_counts
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor

Counts = dict[str, int]


def lu(m: int, n: int) -> Counts:
    """Partial pivoting: at step j, m−j comparisons, one reciprocal, m−j products by it, (m−j)(n−j) updates."""
    k = min(m, n)
    updates = k * m * n - (m + n) * _sum(k) + _squares(k)
    below = k * m - _sum(k)
    return {"mul": updates + below, "add": updates, "div": min(k, max(m - 1, 0)), "cmp": below}


def cholesky(n: int) -> Counts:
    """(n³−n)/6 updates, n roots, and below the diagonal a product by the reciprocal of each root but the last."""
    updates = (n**3 - n) // 6
    return {"mul": updates + n * (n - 1) // 2, "add": updates, "sqrt": n, "div": max(n - 1, 0)}


def triangular(n: int, columns: int, *, unit: bool = False) -> Counts:
    """Substitution: n(n−1)/2 updates and n divisions (none by a diagonal of ones) for each column."""
    updates = columns * n * (n - 1) // 2
    return {"mul": updates, "add": updates, "div": 0 if unit else columns * n}


def multiply(m: int, k: int, n: int) -> Counts:
    """A product of matrices inside an algorithm."""
    return {"mul": m * k * n, "add": m * n * max(k - 1, 0)}


def qr(m: int, n: int) -> Counts:
    """Householder QR without Q (geqrf)."""
    if m >= n:
        mul = n * (n * (_f(1, 2) - _f(n, 3) + m) + m + _f(23, 6))
        add = n * (n * (_f(1, 2) - _f(n, 3) + m) + _f(5, 6))
    else:
        mul = m * (m * (-_f(1, 2) - _f(m, 3) + n) + 2 * n + _f(23, 6))
        add = m * (m * (-_f(1, 2) - _f(m, 3) + n) + n + _f(5, 6))
    return {"mul": int(mul), "add": int(add)}


def q_formed(m: int, n: int, k: int) -> Counts:
    """The first n columns of Q from k reflectors (orgqr)."""
    mul = k * (2 * m * n + 2 * n - _f(5, 3) + k * (_f(2 * k, 3) - (m + n) - 1))
    add = k * (2 * m * n + n - m + _f(1, 3) + k * (_f(2 * k, 3) - (m + n)))
    return {"mul": int(mul), "add": int(add)}


def q_applied(m: int, n: int, k: int) -> Counts:
    """Q of k reflectors of length m times n columns (ormqr)."""
    return {"mul": 2 * n * m * k - n * k * k + 2 * n * k, "add": 2 * n * m * k - n * k * k + n * k}


def inverse_from_lu(n: int) -> Counts:
    """The inverse from its LU factors (getri): with lu, 2n³ flops to leading order."""
    return {
        "mul": int(n * (_f(5, 6) + n * (_f(2 * n, 3) + _f(1, 2)))),
        "add": int(n * (_f(5, 6) + n * (_f(2 * n, 3) - _f(3, 2)))),
    }


def inverse_from_cholesky(n: int) -> Counts:
    """The inverse from a Cholesky factor (potri)."""
    return {
        "mul": int(n * (_f(2, 3) + n * (_f(n, 3) + 1))),
        "add": int(n * (_f(1, 6) + n * (_f(n, 3) - _f(1, 2)))),
    }


def ldl(n: int) -> Counts:
    """A symmetric indefinite factorisation (sytrf)."""
    return {"mul": int(n * (_f(10, 3) + n * (_f(1, 2) + _f(n, 6)))), "add": (n**3 - n) // 6}


def svd(m: int, n: int, *, vectors: bool, full: bool = False) -> Counts:
    """Golub and Reinsch: 4mn² − 4n³/3 for the values, 14mn² + 8n³ with thin vectors, 4m²n + 8mn² + 9n³ with all."""
    m, n = max(m, n), min(m, n)
    if not vectors:
        return _halves(4 * m * n * n - 4 * n**3 // 3)
    return _halves(4 * m * m * n + 8 * m * n * n + 9 * n**3 if full else 14 * m * n * n + 8 * n**3)


def symmetric_eigen(n: int, *, vectors: bool) -> Counts:
    """Tridiagonal QR: 4n³/3 for the values, 9n³ with the vectors."""
    return _halves(9 * n**3 if vectors else 4 * n**3 // 3)


def general_eigen(n: int, *, vectors: bool) -> Counts:
    """Hessenberg QR: 10n³ for the values, 25n³ with the vectors."""
    return _halves(25 * n**3 if vectors else 10 * n**3)


def _halves(flops: int) -> Counts:
    return {"mul": flops // 2, "add": flops - flops // 2}


def _sum(k: int) -> int:
    return k * (k + 1) // 2


def _squares(k: int) -> int:
    return k * (k + 1) * (2 * k + 1) // 6


def _f(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


ESTIMATED = "estimated"
TAYLOR_PRODUCTS = 5
"""Products of the degree-18 polynomial of PyTorch's matrix exponential (Bader, Blanes and Casas 2019), no squaring."""


def _sizes(x: Tensor) -> tuple[int, int]:
    """Rows and columns."""
    return cast("tuple[int, int]", x.shape[-2:])


def _emit(call: Call, matrix: Tensor, *parts: Counts, note: str = "") -> list[Tensor]:
    """The amounts for one matrix, for every matrix of the batch."""
    counts = in_complex(added_counts(*parts), matrix.dtype)
    return algorithm(call, scaled_counts(counts, product(matrix.shape[:-2])), note=note)


def _direct(name: str, argument: str, counts: Callable[[int, int], Counts], note: str = "") -> None:
    """Register an operator whose amounts follow from one matrix."""

    def lower(call: Call) -> Lowered:
        matrix = call.tensor(argument)
        return _one_or_all(call, _emit(call, matrix, counts(*_sizes(matrix)), note=note))

    lowers(f"aten::{name}")(lower)


def _one_or_all(call: Call, outputs: list[Tensor]) -> Lowered:
    return outputs if len(call.outputs) > 1 else outputs[0]


for _name in ("linalg_lu_factor_ex", "linalg_lu"):
    _direct(_name, "A", lu)
for _name in ("linalg_cholesky_ex", "cholesky"):
    _direct(_name, "self", lambda n, _: cholesky(n))
_direct("linalg_inv_ex", "A", lambda n, _: added_counts(lu(n, n), inverse_from_lu(n)))
_direct("cholesky_inverse", "self", lambda n, _: inverse_from_cholesky(n))
_direct("linalg_ldl_factor_ex", "self", lambda n, _: ldl(n))
_direct("geqrf", "self", qr)
_direct("_linalg_det", "A", lambda n, _: added_counts(lu(n, n), {"mul": max(n - 1, 0)}))
_direct(
    "_linalg_slogdet", "A",
    lambda n, _: added_counts(lu(n, n), {"log": n, "add": max(n - 1, 0)}),
)  # fmt: skip
_direct("linalg_eig", "self", lambda n, _: general_eigen(n, vectors=True), ESTIMATED)
for _name in ("linalg_eigvals", "_linalg_eigvals"):
    _direct(_name, "self", lambda n, _: general_eigen(n, vectors=False), ESTIMATED)
_direct(
    "linalg_matrix_exp", "self",
    lambda n, _: cast("Counts", scaled_counts(multiply(n, n, n), TAYLOR_PRODUCTS)), ESTIMATED,
)  # fmt: skip


@lowers("aten::lu_unpack")
def _lu_unpack(call: Call) -> Lowered:
    """Triangles taken apart and a permutation written out: moves."""
    return algorithm(call, {})


@lowers("aten::_linalg_solve_ex")
def _solve(call: Call) -> Lowered:
    """LU, then two substitutions for each column; the lower factor's diagonal is ones."""
    matrix, given = call.tensor("A"), call.tensor("B")
    n, columns = _sizes(matrix)[0], _columns(matrix, given, left=bool(call.get("left", True)))
    both = triangular(n, columns, unit=True), triangular(n, columns)
    return _emit(call, matrix, lu(n, n), *both)


def _columns(matrix: Tensor, given: Tensor, *, left: bool) -> int:
    """The right-hand sides of one matrix; a vector for each matrix is one."""
    if given.rank == matrix.rank - 1:
        return 1
    return _sizes(given)[1] if left else _sizes(given)[0]


def _substitution(name: str, matrix: str, given: str, *, times: int, unit: bool) -> None:
    """Register a solver with triangular factors at hand; ``unit``: the first factor's diagonal is ones."""

    def lower(call: Call) -> Lowered:
        factor, right = call.tensor(matrix), call.tensor(given)
        n, columns = _sizes(factor)[0], _columns(factor, right, left=bool(call.get("left", True)))
        ones = unit or bool(call.get("unitriangular", False))
        parts = [triangular(n, columns, unit=ones), *[triangular(n, columns)] * (times - 1)]
        batch = max((factor, right), key=lambda x: x.rank)
        return _one_or_all(call, _emit(call, batch, *parts))

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
    formed = q_formed(m, columns, min(m, n)) if columns else {}
    return _emit(call, matrix, qr(m, n), formed)


@lowers("aten::linalg_householder_product")
def _householder(call: Call) -> Lowered:
    matrix = call.tensor("input")
    m, n = _sizes(matrix)
    return _emit(call, matrix, q_formed(m, n, cast("int", call.tensor("tau").shape[-1])))[0]


@lowers("aten::ormqr")
def _q_applied(call: Call) -> Lowered:
    target = call.tensor("input3")
    rows, columns = _sizes(target)
    if not call.get("left", True):
        rows, columns = columns, rows
    return _emit(call, target, q_applied(rows, columns, cast("int", call.tensor("input2").shape[-1])))[0]


@lowers("aten::_linalg_svd")
def _svd(call: Call) -> Lowered:
    matrix = call.tensor("A")
    full, vectors = bool(call.get("full_matrices", False)), bool(call.get("compute_uv", True))
    return _emit(call, matrix, svd(*_sizes(matrix), vectors=vectors, full=full), note=ESTIMATED)


@lowers("aten::_linalg_eigh")
def _eigh(call: Call) -> Lowered:
    matrix = call.tensor("A")
    vectors = bool(call.get("compute_v", True))
    return _emit(call, matrix, symmetric_eigen(_sizes(matrix)[0], vectors=vectors), note=ESTIMATED)


@lowers("aten::linalg_lstsq")
def _lstsq(call: Call) -> Lowered:
    """QR of the larger side, Qᵀ times the right-hand sides, a substitution; drivers other than gels do more: estimated."""
    matrix, given = call.tensor("self"), call.tensor("b")
    m, n = max(_sizes(matrix)), min(_sizes(matrix))
    columns = _columns(matrix, given, left=True)
    parts = qr(m, n), q_applied(m, columns, n), triangular(n, columns)
    return _emit(call, matrix, *parts, note="" if call.get("driver") == "gels" else ESTIMATED)


@lowers("aten::linalg_pinv")
def _pinv(call: Call) -> Lowered:
    """Singular values, their reciprocals, V·S⁺ and its product with Uᵀ."""
    matrix = call.tensor("self")
    m, n = _sizes(matrix)
    k = min(m, n)
    parts = svd(m, n, vectors=True), {"div": k, "cmp": 2 * k, "mul": n * k}, multiply(n, k, m)
    return _emit(call, matrix, *parts, note=ESTIMATED)[0]


@lowers("aten::_compute_linear_combination")
def _combination(call: Call) -> Lowered:
    """Sums of the inputs' slices, each with its coefficient: a contraction of coefficients and slices."""
    x, coefficients = call.tensor("input"), call.tensor("coefficients")
    flat = call.builder.reshape(x, (x.shape[0], product(x.shape[1:])))
    y = call.builder.contract("ki,in->kn", coefficients, flat)
    return call.builder.reshape(y, call.outputs[0][0])


UNSCALED = 0
"""PyTorch's number for a transform without normalisation."""


def transform(length: Dim, times: Dim, *, real: bool) -> dict[str, Dim]:
    """``times`` transforms of ``length`` points; the products of a real one are n·log₂ n, its sums ⌊3n·log₂ n/2⌋."""
    stages = length * ceil_log2(length) * times
    return {"mul": stages, "add": 3 * stages // 2} if real else {"mul": 2 * stages, "add": 3 * stages}


def _is_power_of_two(length: Dim) -> bool:
    return not is_symbolic(length) and length & (length - 1) == 0


def _transforms(call: Call, shape: Sequence[Dim], dims: Sequence[int], real: int | None) -> Tensor:
    """Transforms along each of ``dims`` of a complex ``shape``; along the axis ``real``, of its true length, real ones."""
    parts = []
    lengths = []
    for dim in dims:
        axis = dim % len(shape)
        length = shape[axis]
        rest = product(size for place, size in enumerate(shape) if place != axis)
        lengths.append(length if real is None or dim != dims[-1] else real)
        parts.append(transform(lengths[-1], rest, real=real is not None and dim == dims[-1]))
    outputs = Tensor(*call.outputs[0])
    if call.get("normalization", UNSCALED) != UNSCALED:
        parts.append({"mul": outputs.elements * (2 if outputs.dtype.startswith("complex") else 1)})
    note = "" if all(_is_power_of_two(length) for length in lengths) else ESTIMATED
    return algorithm(call, added_counts(*parts), note=note, name="fft")[0]


@lowers("aten::_fft_c2c")
def _complex(call: Call) -> Tensor:
    return _transforms(call, call.tensor("self").shape, call["dim"], None)


@lowers("aten::_fft_r2c")
def _real_to_complex(call: Call) -> Tensor:
    """The last axis is real; the others are transformed for the half of it that is kept."""
    x, dims = call.tensor("self"), call["dim"]
    length = x.shape[dims[-1] % x.rank]
    half = list(x.shape)
    half[dims[-1] % x.rank] = length // 2 + 1
    return _transforms(call, half, dims, length)


@lowers("aten::_fft_c2r")
def _complex_to_real(call: Call) -> Tensor:
    return _transforms(call, call.tensor("self").shape, call["dim"], call["last_dim_size"])
