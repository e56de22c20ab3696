"""Closed forms of dense linear algebra, as LAPACK does it.

Direct algorithms are counted by their loops: the unblocked forms of LAPACK (getf2, potf2, trsm) and, for
Householder reflectors, the polynomials of LAPACK working note 41 (Blackford and Dongarra 1999, appendix C),
whose products include divisions and roots. Those that iterate use Golub and Van Loan, Matrix Computations,
4th edition, sections 8.3 and 8.6 and 7.5, half products and half sums, and are *estimated*. Each function gives the amounts for one matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

Counts = Mapping[str, int]
TAYLOR_PRODUCTS = 5


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
    """Substitution: n(n−1)/2 updates and n divisions (none by a diagonal of ones) per column."""
    updates = columns * n * (n - 1) // 2
    return {"mul": updates, "add": updates, "div": 0 if unit else columns * n}


def multiply(m: int, k: int, n: int) -> Counts:
    """A product of matrices inside an algorithm."""
    return {"mul": m * k * n, "add": m * n * max(k - 1, 0)}


def exponential(n: int) -> Counts:
    """The degree-18 polynomial of Bader, Blanes and Casas 2019: 5 products, no squaring."""
    return {quantity: TAYLOR_PRODUCTS * amount for quantity, amount in multiply(n, n, n).items()}


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
