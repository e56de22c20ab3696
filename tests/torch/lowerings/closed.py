"""Samples whose amounts are closed forms, random or as the data say: shapes, types and hand-derived counts.

These are not run: an algorithm is counted by its name, and a place that is data has no core operation
that puts without adding. Every amount here is worked out by hand, not by the code that is tested.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch

from tests.torch.lowerings.making import ints, positive, rand, sample, spd
from tests.torch.lowerings.running import Sample


@dataclass(frozen=True, eq=False)
class Closed:
    """A sample and what it must count; ``estimated`` where the algorithm iterates or the data decide."""

    sample: Sample
    counts: dict[str, int]
    estimated: bool = False

    def __str__(self) -> str:
        return str(self.sample)


def exact(one: Sample, **counts: int) -> Closed:
    return Closed(one, counts)


def about(one: Sample, **counts: int) -> Closed:
    return Closed(one, counts, estimated=True)


Z = torch.complex(rand(2, 8), rand(2, 8))
S, L = spd(4), torch.linalg.cholesky(spd(4))
LU, PIVOTS = torch.linalg.lu_factor(spd(4))
TALL, X, G = rand(6, 4), rand(3, 4), rand(3, 4)

FOURIER = (
    # 8 points: 3 stages of 4 butterflies, each 4 mul and 6 add: 48 and 72; two rows.
    exact(sample("_fft_c2c", Z, [1], 0, True), mul=96, add=144),
    exact(sample("_fft_c2c", Z, [1], 2, False), mul=96 + 2 * 16, add=144),
    exact(sample("_fft_r2c", rand(2, 8), [1], 0, True), mul=48, add=72),
    exact(sample("_fft_c2r", Z[:, :5].clone(), [1], 2, 8), mul=48 + 16, add=72),
    # Two axes, 2 by 8: 8-point ones twice, 2-point ones eight times with 2·2·1 = 4 mul and 6 add.
    exact(sample("_fft_c2c", Z, [0, 1], 0, True), mul=96 + 32, add=144 + 48),
    # 6 points are rounded up to 3 stages: 2·6·3 and 3·6·3.
    about(sample("_fft_c2c", Z[:, :6].clone(), [1], 0, True), mul=72, add=108),
)

# n = 4: updates 9 + 4 + 1, below the diagonal 3 + 2 + 1.
LU4 = {"mul": 14 + 6, "add": 14, "div": 3, "cmp": 6}
LINEAR = (
    exact(sample("linalg_lu_factor_ex", S), **LU4), exact(sample("linalg_lu", S), **LU4),
    # 6 by 4: updates 5·3 + 4·2 + 3·1, below 5 + 4 + 3 + 2.
    exact(sample("linalg_lu_factor_ex", TALL), mul=26 + 14, add=26, div=4, cmp=14),
    exact(sample("_linalg_det", S), mul=20 + 3, add=14, div=3, cmp=6),
    exact(sample("_linalg_slogdet", S), mul=20, add=14 + 3, div=3, cmp=6, log=4),
    # Column j has j−1 updates for itself and each below: (4³ − 4)/6 = 10; six scalings.
    exact(sample("linalg_cholesky_ex", S), mul=16, add=10, sqrt=4, div=3),
    exact(sample("cholesky", torch.stack([S, S])), mul=32, add=20, sqrt=8, div=6),
    # One right-hand side of n = 4: 6 updates, 4 divisions.
    exact(sample("linalg_solve_triangular", L, rand(4, 5), upper=False), mul=30, add=30, div=20),
    exact(sample("linalg_solve_triangular", L, rand(4, 5), upper=False, unitriangular=True), mul=30, add=30),
    exact(sample("triangular_solve", rand(4, 5), L, False), mul=30, add=30, div=20),
    exact(sample("cholesky_solve", rand(4, 5), L), mul=60, add=60, div=40),
    exact(sample("_cholesky_solve_helper", rand(4, 5), L, False), mul=60, add=60, div=40),
    exact(sample("_linalg_solve_ex", S, rand(4, 5)), mul=20 + 60, add=14 + 60, div=3 + 20, cmp=6),
    exact(sample("_linalg_solve_ex", S, rand(4)), mul=20 + 12, add=14 + 12, div=3 + 4, cmp=6),
    exact(sample("linalg_lu_solve", LU, PIVOTS, rand(4, 5)), mul=60, add=60, div=20),
    # getri, n = 4: 5n/6 + n²/2 + 2n³/3 = 54; 5n/6 − 3n²/2 + 2n³/3 = 22.
    exact(sample("linalg_inv_ex", S), mul=20 + 54, add=14 + 22, div=3, cmp=6),
    # potri: 2n/3 + n² + n³/3 = 40; n/6 − n²/2 + n³/3 = 14.
    exact(sample("cholesky_inverse", L), mul=40, add=14),
    # geqrf of 6 by 4: n²/2 − n³/3 + mn² + mn + 23n/6 = 8 − 64/3 + 96 + 24 + 46/3 = 122; adds 8 − 64/3 + 96 + 10/3 = 86.
    exact(sample("geqrf", TALL), mul=122, add=86), exact(sample("linalg_qr", TALL, "r"), mul=122, add=86),
    # orgqr, m = 6, n = k = 4: 4·(48 + 8 − 5/3 + 4·(8/3 − 11)) = 84; 4·(48 − 2 + 1/3 + 4·(8/3 − 10)) = 68.
    exact(sample("linalg_qr", TALL), mul=122 + 84, add=86 + 68),
    exact(sample("linalg_householder_product", TALL, rand(4)), mul=84, add=68),
    # ormqr: 2nmk − nk² + 2nk with m = 6, n = 5, k = 4: 240 − 80 + 40; 240 − 80 + 20.
    exact(sample("ormqr", TALL, rand(4), rand(6, 5)), mul=200, add=180),
    exact(sample("linalg_lstsq", TALL, rand(6, 5), driver="gels"), mul=122 + 200 + 30, add=86 + 180 + 30, div=20),
    about(sample("linalg_lstsq", TALL, rand(6, 5)), mul=352, add=296, div=20),
    exact(sample("lu_unpack", LU, PIVOTS)),
    exact(sample("linalg_ldl_factor_ex", S), mul=32, add=10), exact(sample("linalg_ldl_solve", S, PIVOTS, rand(4, 5)), mul=60, add=60, div=20),
    # Thin vectors: 14·6·16 + 8·64 = 1856 flops; values alone 4·6·16 − ⌊256/3⌋ = 299.
    about(sample("_linalg_svd", TALL), mul=928, add=928), about(sample("_linalg_svd", TALL, False, False), mul=149, add=150),
    about(sample("_linalg_eigh", S), mul=288, add=288), about(sample("_linalg_eigh", S, compute_v=False), mul=42, add=43),
    about(sample("linalg_eig", S), mul=800, add=800), about(sample("linalg_eigvals", S), mul=320, add=320),
    about(sample("_linalg_eigvals", S), mul=320, add=320), about(sample("linalg_matrix_exp", S), mul=320, add=240),
    about(sample("linalg_pinv.atol_rtol_float", TALL), mul=928 + 16 + 96, add=928 + 72, div=4, cmp=8),
)  # fmt: skip

RANDOM = (
    *(exact(sample(name, [2, 3], dtype=torch.float32), random=6) for name in ("rand", "randn")),
    *(exact(sample(name, X), random=12) for name in ("rand_like", "randn_like", "uniform", "normal_functional", "exponential",
        "log_normal", "cauchy", "random")),
    exact(sample("geometric", X, 0.5), random=12), exact(sample("poisson", positive(3)), random=3),
    exact(sample("normal.Tensor_float", X, 1.0), random=12), exact(sample("_standard_gamma", positive(3)), random=3),
    exact(sample("_sample_dirichlet", positive(3)), random=3), exact(sample("binomial", ints(5, 3).double(), positive(3)), random=3),
    exact(sample("randint", 5, [3]), random=3), exact(sample("randint_like", ints(3, 4), 5), random=4), exact(sample("randperm", 5), random=5),
    exact(sample("bernoulli", positive(3)), random=3, cmp=3), exact(sample("bernoulli.p", X, 0.3), random=12, cmp=12),
    exact(sample("native_dropout", X, 0.3, True), random=12, cmp=12, mul=24),
    exact(sample("native_dropout_backward", X, ints(2, 3, 4).bool(), 1.5), mul=24),
    exact(sample("rrelu_with_noise", X, torch.zeros_like(X), 0.1, 0.3, True, results=(0,)), random=12, mul=24, add=12, cmp=12),
    # 5 draws of 4 shares: ⌈log₂ 5⌉ = 3 steps each.
    about(sample("multinomial", positive(4), 5, True), add=4, div=4, random=5, cmp=15),
    about(sample("multinomial", positive(4), 2), random=4, div=4, cmp=12),
    about(sample("_standard_gamma_grad", positive(3), positive(3)), mul=60, add=60, exp=3, log=3),
    about(sample("_dirichlet_grad", positive(3), positive(3), positive(3)), mul=60, add=60, exp=3, log=3),
)  # fmt: skip

WEIGHT = positive(4)
TARGET = ints(4, 3)
LOGS, LABELS = torch.log_softmax(rand(3, 2, 4), 2), ints(3, 2, 2) + 1
DATA = (
    exact(sample("nll_loss_backward", rand(), X, TARGET, None, 1, -100, torch.tensor(3.0).double()), div=1),
    exact(sample("nll_loss_backward", rand(), X, TARGET, WEIGHT, 1, -100, torch.tensor(3.0).double()), div=1, mul=3),
    exact(sample("nll_loss2d_backward", rand(), rand(2, 4, 3, 3), ints(4, 2, 3, 3), None, 2, -100, torch.tensor(3.0).double())),
    exact(sample("index.Tensor", X, [ints(3, 5), ints(4, 5)])), exact(sample("index.Tensor", X, [ints(2, 3, 4).bool()])),
    exact(sample("index_put", X, [ints(3, 2)], rand(2, 4))), exact(sample("index_put", X, [ints(3, 2)], rand(2, 4), True), add=8),
    exact(sample("_unsafe_index_put", X, [ints(3, 2)], rand(2, 4))), exact(sample("_index_put_impl", X, [ints(3, 2)], rand(2, 4), True), add=8),
    exact(sample("index_add", X, 0, ints(3, 2), rand(2, 4)), add=8), exact(sample("index_copy", X, 0, ints(3, 2), rand(2, 4))),
    exact(sample("index_fill.int_Scalar", X, 0, ints(3, 2), 1.0)), exact(sample("index_reduce", X, 0, ints(3, 2), rand(2, 4), "amax"), cmp=8),
    exact(sample("put", X, ints(12, 3), rand(3))), exact(sample("put", X, ints(12, 3), rand(3), True), add=3),
    exact(sample("masked_scatter", X, ints(2, 3, 4).bool(), rand(12))),
    exact(sample("scatter_add", X, 0, ints(3, 2, 4), rand(2, 4)), add=8), exact(sample("scatter.src", X, 0, ints(3, 2, 4), rand(2, 4))),
    exact(sample("scatter.value", X, 0, ints(3, 2, 4), 0.5)), exact(sample("scatter.reduce", X, 0, ints(3, 2, 4), rand(2, 4), reduce="multiply"), mul=8),
    exact(sample("scatter_reduce.two", X, 0, ints(3, 2, 4), rand(2, 4), "amax"), cmp=8),
    exact(sample("scatter_reduce.two", X, 0, ints(3, 2, 4), rand(2, 4), "sum"), add=8),
    about(sample("mode", X, 1), cmp=12 * 3), about(sample("searchsorted.Tensor", positive(7).sort()[0], X), cmp=36),
    about(sample("bucketize.Tensor", X, positive(7).sort()[0]), cmp=36), about(sample("isin.Tensor_Tensor", ints(5, 6), ints(5, 2)), int_ops=24),
    about(sample("_unique2", ints(4, 8)), int_ops=24 + 8), about(sample("_unique", ints(4, 8)), int_ops=32),
    about(sample("unique_consecutive", ints(4, 8)), int_ops=8), about(sample("unique_dim", ints(4, 8), 0), int_ops=32),
    about(sample("unique_dim_consecutive", ints(4, 8), 0), int_ops=8),
    exact(sample("bincount", ints(4, 8)), int_ops=8), exact(sample("histc", X, 4), int_ops=12), exact(sample("histogram.bin_ct", X, 4), int_ops=12),
    exact(sample("_histogramdd_from_bin_cts", rand(5, 2), [2, 2]), int_ops=10), about(sample("_histogramdd_bin_edges", rand(5, 2), [2, 2]), cmp=20),
    exact(sample("_histogramdd_from_bin_tensors", rand(5, 1), [positive(3).sort()[0]]), int_ops=5),
    exact(sample("nonzero", ints(2, 3, 4)), int_ops=12), exact(sample("nonzero", X > 0)), exact(sample("nonzero_static", X, size=3), cmp=12),
    exact(sample("argwhere", X), cmp=12), exact(sample("masked_select", X, X > 0)), exact(sample("repeat_interleave.Tensor", torch.tensor([1, 2]))),
    exact(sample("segment_reduce", rand(6, 2), "sum", lengths=torch.tensor([2, 4])), add=8),
    exact(sample("segment_reduce", rand(6), "mean", lengths=torch.tensor([2, 4])), add=4, div=2),
    exact(sample("segment_reduce", rand(6), "max", lengths=torch.tensor([2, 4])), cmp=4),
    exact(sample("_segment_reduce_backward", rand(2), rand(2), rand(6), "mean", lengths=torch.tensor([2, 4])), div=2),
    exact(sample("_embedding_bag", rand(5, 3), ints(5, 7), torch.tensor([0, 3]), False, 1, results=(0,)), add=15, div=6),
    exact(sample("_embedding_bag_dense_backward", rand(2, 3), ints(5, 7), torch.tensor([0, 0, 0, 1, 1, 1, 1]), torch.tensor([3, 4]),
                 torch.tensor([]).long(), 5, False, 1, None), add=21, div=6),
    about(sample("embedding_renorm", rand(5, 3), ints(5, 4), 1.0, 2.0), mul=24, add=8, sqrt=4, cmp=4, div=4),
    exact(sample("_pack_padded_sequence", rand(3, 2, 4), torch.tensor([3, 1]), False)),
    exact(sample("_pad_packed_sequence", rand(4, 3), torch.tensor([2, 1, 1]), False, 0.0, 3)),
    exact(sample("_pack_padded_sequence_backward", rand(4, 3), [3, 2, 3], torch.tensor([2, 1, 1]), False)),
    exact(sample("max_unpool2d", rand(1, 2, 2, 2), ints(16, 1, 2, 2, 2), [4, 4])),
    exact(sample("max_unpool3d", rand(1, 2, 2, 2, 2), ints(64, 1, 2, 2, 2, 2), [4, 4, 4], [2, 2, 2], [0, 0, 0])),
    exact(sample("block_diag", [rand(2, 2), rand(3, 1)])),
    # K − 1 comparisons for each of 2·2·3·3 outputs; two starts for each output place: 2 mul and add for each of 2·2 planes' 6.
    exact(sample("fractional_max_pool2d", rand(2, 2, 6, 6), [2, 2], [3, 3], positive(2, 2, 2)), cmp=36 * 3, mul=24, add=24),
    exact(sample("fractional_max_pool3d", rand(1, 2, 5, 5, 5), [2, 2, 2], [2, 2, 2], positive(1, 2, 3)), cmp=16 * 7, mul=12, add=12),
    exact(sample("fractional_max_pool2d_backward", rand(2, 2, 3, 3), rand(2, 2, 6, 6), [2, 2], [3, 3], ints(30, 2, 2, 3, 3)), add=36),
    exact(sample("fractional_max_pool3d_backward", rand(1, 2, 2, 2, 2), rand(1, 2, 5, 5, 5), [2, 2, 2], [2, 2, 2], ints(99, 1, 2, 2, 2, 2)), add=16),
    # 3 steps, labels of 2: 3·5 states; two examples.
    about(sample("_ctc_loss", LOGS, LABELS, [3, 3], [2, 2]), cmp=60, add=210, exp=90, log=30),
    about(sample("_ctc_loss_backward", rand(2), LOGS, LABELS, [3, 3], [2, 2], *torch.ops.aten._ctc_loss(LOGS, LABELS, [3, 3], [2, 2]), 0),
          cmp=60, add=270 + 72, exp=150 + 48, log=60, mul=24),
    about(sample("multilabel_margin_loss_forward", rand(2, 4), ints(4, 2, 4), 1), add=24, cmp=8, div=2),
    about(sample("multilabel_margin_loss_backward", rand(), rand(2, 4), ints(4, 2, 4), 1, positive(2, 4)), add=32, cmp=8, mul=8),
)  # fmt: skip

P = positive(3)
SPECIAL = (
    exact(sample("angle", Z), atan=16), *(about(sample(name, Z), atan=16) for name in ("atan", "asin", "acos")),
    *(about(sample(name, P), **{kind: 3}) for name, kind in (
        ("erfinv", "erf"), ("special_erfcx", "erf"), ("special_log_ndtr", "erf"), ("special_ndtri", "erf"), ("lgamma", "log"),
        ("digamma", "log"), ("i0", "exp"), ("special_i0e", "exp"), ("special_i1", "exp"), ("special_i1e", "exp"),
        ("special_modified_bessel_i0", "exp"), ("special_modified_bessel_i1", "exp"), ("special_modified_bessel_k0", "exp"),
        ("special_modified_bessel_k1", "exp"), ("special_scaled_modified_bessel_k0", "exp"), ("special_airy_ai", "sin"),
        ("special_scaled_modified_bessel_k1", "exp"), ("special_bessel_j0", "sin"), ("special_bessel_j1", "sin"),
        ("special_bessel_y0", "sin"), ("special_bessel_y1", "sin"), ("special_spherical_bessel_j0", "sin"))),
    about(sample("polygamma", 1, P), log=3), about(sample("special_zeta", P + 1, P), pow=3), about(sample("igamma", P, P), exp=3),
    about(sample("igammac", P, P), exp=3),
    *(about(sample(f"special_{name}.n_scalar", P, 3), mul=18, add=9) for name in (
        "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
        "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
        "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
        "shifted_chebyshev_polynomial_w")),
    exact(sample("polar", P, P), sin=3, cos=3, mul=6), about(sample("gcd", ints(9, 3), ints(9, 3)), int_ops=30),
    about(sample("lcm", ints(9, 3), ints(9, 3)), int_ops=36), exact(sample("frexp.Tensor", P)),
    exact(sample("nextafter", P, P)), exact(sample("__lshift__.Scalar", ints(4, 3), 1)), exact(sample("__rshift__.Scalar", ints(4, 3), 1)),
    exact(sample("bitwise_left_shift.Tensor", ints(4, 3), ints(2, 3))), exact(sample("bitwise_right_shift.Tensor", ints(4, 3), ints(2, 3))),
)  # fmt: skip

COPIES = tuple(exact(one) for one in (
    sample("permute_copy", X, [1, 0]), sample("t_copy", X), sample("transpose_copy.int", X, 0, 1), sample("view_copy", X, [12]),
    sample("expand_copy", rand(3, 1), [3, 4]), sample("select_copy.int", X, 0, 1), sample("slice_copy.Tensor", X, 0, 0, 2),
    sample("squeeze_copy", rand(3, 1)), sample("unsqueeze_copy", X, 0), sample("split_copy.Tensor", X, 2, 1),
    sample("split_with_sizes_copy", X, [1, 3], 1), sample("unbind_copy.int", X), sample("unfold_copy", X, 1, 2, 1),
    sample("diagonal_copy", X), sample("alias_copy", X), sample("detach_copy", X), sample("as_strided_copy", X, [2], [1]),
    sample("narrow_copy", X, 1, 1, 2), sample("_reshape_alias_copy", X, [12], [1]), sample("lift_fresh_copy", X),
    sample("view_as_real_copy", Z), sample("view_as_complex_copy", rand(3, 2)), sample("_conj_copy", Z), sample("_neg_view_copy", X),
    sample("_lazy_clone", X), sample("unsafe_split.Tensor", X, 2, 1), sample("_chunk_cat", [X, X], 0, 2),
    sample("unsafe_split_with_sizes", X, [1, 3], 1), sample("diagonal_backward", rand(3), [3, 4], 0, 0, 1), sample("_stack", [X, X]),
    sample("select_scatter", X, rand(4), 0, 1), sample("slice_scatter", X, rand(2, 4), 0, 0, 2), sample("diagonal_scatter", X, rand(3)),
    sample("as_strided_scatter", X, rand(2), [2], [1]), sample("complex", X, X), sample("signbit", X), sample("take", X, ints(12, 3)),
    sample("index_fill.int_Scalar", X, 0, ints(3, 1), 0.0), sample("pad_sequence", [rand(3, 2), rand(1, 2)]),
    sample("empty", [2, 3]), sample("empty_like", X), sample("empty_strided", [2, 3], [3, 1]), sample("new_empty", X, [2]),
    sample("new_empty_strided", X, [2], [1]), sample("empty_permuted", [2, 3], [0, 1]), sample("_efficientzerotensor", [2, 3]),
    sample("resize", X, [12]), sample("resize_as", X, rand(12)),
))  # fmt: skip

GRAPH = (torch.eye(4).double() * 2).to_sparse()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch calls compressed rows beta and its quantized tensors old
    ROWS = GRAPH.to_sparse_csr()
    TWICE = torch.sparse_coo_tensor(ints(3, 2, 4), rand(4), (3, 3))
    EIGHT = torch.quantize_per_tensor(torch.randn(2, 4), 0.1, 0, torch.quint8)
    PICTURE = torch.quantize_per_tensor(torch.randn(1, 2, 4, 4), 0.1, 0, torch.quint8)
    KERNELS = torch.ops.quantized.conv2d_prepack(
        torch.quantize_per_tensor(torch.randn(3, 2, 2, 2), 0.1, 0, torch.qint8),
        torch.randn(3),
        [1, 1],
        [0, 0],
        [1, 1],
        1,
    )
    PACKED = torch.ops.quantized.linear_prepack(
        torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 0, torch.qint8), torch.randn(3)
    )
SPARSE = (
    # Four stored values, five columns; the sum with self, and its factor where it has one.
    exact(sample("_sparse_addmm", torch.zeros(4, 5).double(), GRAPH, rand(4, 5), beta=0), mul=20, macs=20, add=20),
    exact(sample("addmm", rand(4, 5), GRAPH, rand(4, 5), beta=2), mul=20 + 20, macs=20, add=20 + 20),
    exact(sample("mm", GRAPH, rand(4, 5)), mul=20, macs=20, add=20), exact(sample("mm", ROWS, rand(4, 5)), mul=20, macs=20, add=20),
    exact(sample("mv", ROWS, rand(4)), mul=4, macs=4, add=4), exact(sample("sparse_mask", rand(4, 4), GRAPH)),
    exact(sample("sparse_sampled_addmm", ROWS, rand(4, 3), rand(3, 4)), mul=12, macs=12, add=12),
    exact(sample("_to_sparse", rand(3, 4))), exact(sample("_to_dense", GRAPH)), exact(sample("_coalesce", TWICE)),
    about(sample("_sparse_sparse_matmul", GRAPH, GRAPH), mul=4, macs=4, add=4), exact(sample("_sparse_sum.dim", GRAPH, [1]), add=3),
    about(sample("_sparse_softmax", GRAPH, 1, False), cmp=4, add=8, exp=4, div=4),
    about(sample("_sparse_log_softmax", GRAPH, 1, False), cmp=4, add=8, exp=4, div=4),
)  # fmt: skip

QUANTIZED = (
    # 8 inputs: extremes 14 cmp, then 1 mul, 1 add, 2 cmp each; 2·4·3 products; 6 outputs: 1 mul and the bias.
    exact(sample("quantized::linear_dynamic", torch.randn(2, 4), PACKED), mul=8 + 24 + 6, add=8 + 18 + 6, cmp=14 + 16, macs=24),
    exact(sample("quantized::linear_relu_dynamic", torch.randn(2, 4), PACKED), mul=38, add=32, cmp=14 + 16 + 6, macs=24),
    exact(sample("quantize_per_tensor", torch.randn(2, 4), 0.1, 0, torch.quint8), mul=8, add=8, cmp=16),
    exact(sample("dequantize.self", EIGHT), mul=8, add=8),
    # 27 outputs of 8 products each, a scale and a bias.
    exact(sample("quantized::conv2d.new", PICTURE, KERNELS, 0.1, 0), mul=27 * 8 + 27, add=27 * 7 + 27, macs=216),
    exact(sample("quantized::conv2d_relu.new", PICTURE, KERNELS, 0.1, 0), mul=243, add=216, macs=216, cmp=27),
    # Out of eight bits 1 mul and 1 add, back 1 mul, 1 add and 2 cmp.
    exact(sample("quantized::sigmoid", EIGHT, 0.1, 0), mul=16, add=16, cmp=16, sigmoid=8),
    exact(sample("quantized::relu6", EIGHT), mul=16, add=16, cmp=32), exact(sample("quantized::cat", [EIGHT, EIGHT], 0, None, None)),
    exact(sample("quantized::add", EIGHT, EIGHT, 0.1, 0), mul=8 * 2 + 8, add=8 * 2 + 8 + 8, cmp=16),
    exact(sample("_weight_int8pack_mm", torch.randn(4, 32).bfloat16(), ints(9, 16, 32).to(torch.int8), torch.rand(16).bfloat16()),
          mul=4 * 16 * 32 + 64, add=4 * 16 * 31, macs=4 * 16 * 32),
    # 12 elements: the observer 22 cmp, two running ends, a step and a zero point; then 1 div, 2 add, 4 cmp, 1 mul each.
    exact(sample("_fused_moving_avg_obs_fq_helper", X.float(), *(torch.ones(1).int(),) * 2, *(torch.rand(1) for _ in range(2)),
                 torch.ones(1), torch.zeros(1).int(), 0.01, 0, 255, -1), cmp=22 + 48, mul=2 + 12, add=4 + 2 + 24, div=2 + 12),
    about(sample("_fake_quantize_learnable_per_tensor_affine_backward", X.float(), X.float(), torch.tensor([0.1]),
                 torch.tensor([0.0]), -8, 7), div=12, mul=48, add=60, cmp=48),
    exact(sample("_amp_foreach_non_finite_check_and_unscale", [X.float()], torch.zeros(1), torch.ones(1)), mul=12, cmp=12),
)  # fmt: skip

ALL = (*FOURIER, *LINEAR, *RANDOM, *DATA, *SPECIAL, *COPIES, *SPARSE, *QUANTIZED)
