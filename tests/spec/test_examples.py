"""Every form of the spec language, with counts worked by hand."""

from __future__ import annotations

import pytest
import sympy

import nncost
from nncost.errors import OptionError, SymbolError
from tests.symbols.substitution import parsed

GPT = (
    "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], "
    "residual[layernorm, dense 3072, gelu, dense 768]]*L, layernorm, dense 50257 bias=no"
)

# One convolution of 3 → 16 on 32×32, its norm, and 16·16·16 inputs to ten neurons.
CIFAR_PARAMETERS = 16 * 27 + 16 + 2 * 16 + 4096 * 10 + 10
CIFAR_MACS = 1024 * 16 * 27 + 4096 * 10
# 96 → 48 by the first convolution; the first block goes from 8 to 16 channels, the second from 16 to 16.
PERSON_PARAMETERS = (8 * 9 + 8) + (8 * 9 + 8) + (8 * 16 + 16) + (16 // 8 * 16 * 9 + 16) + (16 * 16 + 16) + (16 * 2 + 2)
PERSON_MACS = 2304 * (8 * 9 + 8 * 9 + 8 * 16 + 2 * 16 * 9 + 16 * 16) + 16 * 2


@pytest.mark.parametrize(
    ("spec", "parameters", "macs"),
    [
        ("784-16-16-10", 13_002, 12_960),
        ("784-128:relu-64:relu-10:softmax", 785 * 128 + 129 * 64 + 65 * 10, 784 * 128 + 128 * 64 + 640),
        ("784-h-h-10", "785*h + (h+1)*h + (h+1)*10", "784*h + h*h + 10*h"),
        ("784-h*L-10", "785*h + (L-1)*(h+1)*h + (h+1)*10", "784*h + (L-1)*h*h + 10*h"),
        ("h0-h1-...-hl", "Sum(h[k-1]*h[k] + h[k], (k, 1, l))", "Sum(h[k-1]*h[k], (k, 1, l))"),
        ("32x32-30-10", 1025 * 30 + 31 * 10, 1024 * 30 + 300),
        ("3x32x32, conv 16 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10", CIFAR_PARAMETERS, CIFAR_MACS),
        (
            "1x96x96, conv 8 3x3 stride=2 pad=1, [conv 8 3x3 pad=1 groups=8, relu, conv 16 1x1, relu]*2, global_avgpool, dense 2",
            None,
            None,
        ),
        (GPT, "2*50257*768 + 2*768 + L*(4*769*768 + 769*3072 + 3073*768 + 4*768)", None),
    ],
)  # fmt: skip
def test_examples(spec: str, parameters: int | str | None, macs: int | str | None) -> None:
    report = nncost.count(spec)
    assert report.complete
    document = report.to_dict()
    for expected, found in (
        (parameters, document["parameters"]["total"]),
        (macs, document["totals"]["forward"]["macs"]),
    ):
        if isinstance(expected, str):
            assert sympy.simplify(parsed(found) - parsed(expected)) == 0
        elif expected is not None:
            assert found == expected


def test_a_block_that_changes_its_shape_is_written_out_first() -> None:
    """The second round of the block works on 16 channels in groups of two: 16·(16/8)·9 weights, 8 outputs."""
    block = "conv 8 3x3 pad=1 groups=8, relu, conv 16 1x1, relu"
    report = nncost.count(f"1x96x96, conv 8 3x3 stride=2 pad=1, [{block}]*2, global_avgpool, dense 2")
    first, later = 8 * 9 + 8 + 8 * 16 + 16, 8 * (16 // 8) * 9 + 8 + 8 * 16 + 16
    assert report.parameters.total == 8 * 9 + 8 + first + later + 16 * 2 + 2
    assert report.forward.macs == 2304 * (8 * 9 + 8 * 9 + 8 * 16 + 8 * 2 * 9 + 8 * 16) + 32
    assert (
        report.parameters.total
        == nncost.count(
            f"1x96x96, conv 8 3x3 stride=2 pad=1, {block}, {block}, global_avgpool, dense 2"
        ).parameters.total
    )


def test_flatten_is_written_where_it_is_wanted() -> None:
    assert nncost.count("3x32x32, flatten, dense 10").parameters.total == 3072 * 10 + 10
    report = nncost.count("3x32x32, conv 4 1, dense 10")
    assert report.parameters.weights == 12 + 32 * 10
    assert "flatten" in report.notes[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("784-16-16-10", " 784 - 16\n-16\t- 10 # digits"),
        ("784-16*2-10", "784-16-16-10"),
        ("3-4:sigmoid-2", "3-4-2"),
        ("784, linear 10", "784, dense 10"),
        ("1x8x8, conv2d 4 3, bn, swish", "1x8x8, conv 4 3x3, batchnorm, silu"),
        ("4, dense n=3 bias=yes", "4, dense 3"),
        ("2x9x9, conv 4 3 pad=1x1 stride=2x2", "2x9x9, conv 4 kernel=3x3 stride=2 pad=1"),
        ("4, [dense 4]", "4, dense 4"),
        ("4, dense 4 *3", "4, [dense 4]*3"),
        ("h0-h1-…-h3", "h0-h1-h2-h3"),
    ],
)
def test_two_ways_to_write_one_network(one: str, other: str) -> None:
    left, right = nncost.count(one), nncost.count(other)
    assert left.to_dict()["totals"] == right.to_dict()["totals"]
    assert left.parameters == right.parameters


@pytest.mark.parametrize(
    ("spec", "hidden_biases"),
    [("784-16-16-10", 32), ("784-16*2-10", 32), ("784-16-10*3", 36), ("20-10", 0), ("784-h1-...-h3", None)],
)
def test_bias_choices(spec: str, hidden_biases: int | None) -> None:
    """``hidden`` leaves the biases of the output layer out, also where a repeated width ends the network."""
    with_all, hidden, none = (nncost.count(spec, bias=choice).parameters for choice in ("all", "hidden", "none"))
    assert none.biases == 0
    assert with_all.weights == hidden.weights == none.weights
    if hidden_biases is None:
        assert str(hidden.biases) == "h1 + h2"
    else:
        assert (hidden.biases, with_all.biases) == (hidden_biases, hidden_biases + 10)


def test_hidden_biases_of_a_family() -> None:
    hidden = nncost.count("h0-h1-...-hl", bias="hidden").to_dict()["parameters"]["biases"]
    assert sympy.simplify(parsed(hidden) - parsed("Sum(h[k], (k, 1, l-1))")).doit() == 0
    bound = nncost.count("h0-h1-...-hl", bias="hidden", symbols={"l": 3, "h0": 2, "h1": 3, "h2": 4, "h3": 5})
    assert bound.parameters.biases == 7


@pytest.mark.parametrize(
    "name",
    [
        "E",
        "I",
        "pi",
        "S",
        "N",
        "Q",
        "O",
        "C",
        "lambda",
        "zoo",
        "nan",
        "oo",
        "gamma",
        "beta",
        "Sum",
        "x",
        "None",
        "_",
        "is",
        "k",
        "B",
    ],
)
def test_any_name_is_a_plain_symbol(name: str) -> None:
    """Names that Python or SymPy use for something else mean nothing but a size here."""
    report = nncost.count(f"{name}-{name}-3", batch=2)
    assert str(report.parameters.weights) == f"{name}**2 + 3*{name}"
    (symbol,) = report.parameters.weights.free_symbols  # type: ignore[union-attr]
    assert (symbol.name, symbol.is_Symbol, symbol.is_positive, symbol.is_integer) == (name, True, True, True)
    assert nncost.count(f"{name}-{name}-3", symbols={name: 5}).parameters.weights == 40
    layers = nncost.count(f"{name}, dense {name}, [dense {name}]*{name}")
    assert str(layers.to_dict()["parameters"]["weights"]) == f"{name}**3 + {name}**2"


def test_x_between_sizes_is_a_product_sign() -> None:
    """In the input's shape an x stands between sizes wherever that makes a shape; elsewhere it is a letter."""
    assert [str(dim) for dim in nncost.count("3xhxw, flatten, dense 2").source.inputs["x"]] == ["1", "3", "h", "w"]
    assert [str(dim) for dim in nncost.count("axb-3").source.inputs["x"]] == ["1", "a", "b"]
    assert [str(dim) for dim in nncost.count("max-exp").source.inputs["x"]] == ["1", "max"]
    assert str(nncost.count("max-exp").neurons) == "exp"


def test_thousand_digit_sizes_are_exact() -> None:
    wide, narrow = 10**999 + 7, 10**998 + 1
    report = nncost.count(f"{wide}-{narrow}-2", batch=3)
    assert report.parameters.total == wide * narrow + narrow + 2 * narrow + 2
    assert report.forward.mul == 3 * (wide * narrow + 2 * narrow)
    assert report.backward.macs == 3 * (wide * narrow + 2 * 2 * narrow)
    assert report.update.add == report.parameters.total


@pytest.mark.parametrize(
    "spec",
    [
        "{0}x{0}, conv {0} 3 pad={0}", "1x{0}x{0}, maxpool {0}", "1x{0}x3, adaptive_avgpool 7x2", "{0}x{0}, attention heads=1 causal",
        "{0}, embedding {0} {0}, layernorm, rmsnorm", "{0}x{0}, lstm {0} last", "2x{0}, batchnorm, instancenorm, lrn {0}",
        "{0}x3x3, groupnorm {0}", "5, [dense 4]*{0}", "4-4*{0}-2", "{0}, dense {0}, dropout 1, log_softmax", "1x{0}, avgpool {0}",
        "1x{0}, conv_transpose {0} {0} stride={0}",
    ],
)  # fmt: skip
def test_huge_sizes_everywhere(spec: str) -> None:
    report = nncost.count(spec.format(10**999 + 9))
    assert report.complete
    report.to_dict()


def test_one_more_digit_is_refused() -> None:
    with pytest.raises(nncost.NncostError, match="1,000 digits, received 1,001"):
        nncost.count("9" * 1001 + "-3")


def test_bindings_that_name_nothing() -> None:
    with pytest.raises(SymbolError, match="no symbol 'k'"):
        nncost.count("3-h", symbols={"k": 3})


def test_options_of_the_other_form() -> None:
    with pytest.raises(OptionError, match="--bias applies to widths"):
        nncost.count("3, dense 4", bias="none")
    with pytest.raises(OptionError, match="--activation applies to widths"):
        nncost.count("3, dense 4", activation="relu")
    with pytest.raises(OptionError, match="unknown activation 'rule'"):
        nncost.count("3-4", activation="rule")


def test_dense_says_so_where_there_are_several_axes() -> None:
    report = nncost.count("3x32x32, dense 10, dense 10")
    assert report.notes == (
        "dense works on the last axis of 3x32x32; flatten before it would use all 3072 values.",
        "dense works on the last axis of 3x32x10; flatten before it would use all 960 values.",
    )
    assert nncost.count("3x32x32, flatten, dense 10").notes == ()
