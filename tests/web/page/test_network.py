"""Networks as the page drags them, under Node: text and numbers are always those of one network, which Python counts alike."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.web.answers.formulas import quantities
from tests.web.page.node import needs_node, run
from tests.web.page.test_calculator import asked

pytestmark = needs_node
DRAG = """
import { accept, drag, fresh, handlesOf, numbersOf, requestOf } from "./modules/network.js";
const result = given.drags.map((moves) => {
  const network = fresh(given.network);
  accept(network, given.answer);
  for (const [key, size] of moves) drag(network, key, BigInt(size));
  const numbers = numbersOf(network);
  const values = Object.fromEntries(given.paths.map((path) => [path, numbers.of(path)]));
  return { request: requestOf(network), values, rows: numbers.rows, keys: handlesOf(network).map((handle) => [handle.key, handle.size]) };
});
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


def dragged(source: str, drags: list[list[tuple[str, int]]], folder: Path, **settings: Any) -> list[Any]:
    answer = asked(source, **settings)
    network = {"source": source, **{name: str(value) for name, value in settings.items()}}
    given = {
        "network": network,
        "answer": answer,
        "paths": list(answer["values"]),
        "drags": [[(k, str(n)) for k, n in moves] for moves in drags],
    }
    return list(run(DRAG, given, folder))


def check(found: dict[str, Any], *, known: set[str] | None = None) -> None:
    """Compare what the page shows with a count of the spec that it shows."""
    request = found["request"]
    batch = int(request.get("batch", 1))
    symbols = {name: int(size) for name, size in request.get("symbols", {}).items()}
    report = nncost.count(request["source"], batch=batch, symbols=symbols)
    numbers = dict(quantities(report))
    shown = {path: int(value) for path, value in found["values"].items() if value is not None}
    assert shown == {path: numbers.get(path, 0) for path in shown}, request
    assert (known or {"parameters.total", "forward.mul", "step.flops"}) <= shown.keys()


def test_random_drags_of_widths(folder: Path) -> None:
    rng = random.Random(4)
    keys = {"n1": 3000, "w1": 200, "w2": 200, "m1": 50, "B": 64}
    drags = [[(key, rng.randint(1, keys[key])) for key in rng.choices(list(keys), k=4)] for _ in range(12)]
    for found in dragged("784-16-16-10", drags, folder):
        check(found, known={"memory.step_peak", "forward.mul", "memory.activations"})
        assert [int(row["parameters"]) for row in found["rows"] if "parameters" in row] == [
            row.parameters for row in nncost.count(found["request"]["source"]).rows if row.parameters
        ]


def test_depth_and_all_widths(folder: Path) -> None:
    drags = [[("all widths", 24), ("depth", depth), ("B", 5)] for depth in (1, 2, 3, 8, 9, 40)]
    found = dragged("784-16-16-10", drags, folder)
    assert [each["request"]["source"] for each in found] == [
        "784-24-10", "784-24-24-10", "784-24-24-24-10", "784-24-24-24-24-24-24-24-24-10", "784-24*9-10", "784-24*40-10",
    ]  # fmt: skip
    for each in found:
        check(each)
    assert found[-1]["values"]["memory.step_peak"] is not None
    assert found[0]["values"]["memory.step_peak"] is None, "of few layers only Python knows the peak"


def test_depth_of_different_layers_keeps_their_widths(folder: Path) -> None:
    found = dragged("784-32:relu-16:tanh-10:softmax", [[("depth", n)] for n in (1, 2, 4, 11)], folder)
    assert [each["request"]["source"] for each in found] == [
        "784-32:relu-10:softmax", "784-32:relu-16:tanh-10:softmax", "784-32:relu-16:tanh-16:tanh-16:tanh-10:softmax",
        "784-32:relu-16:tanh*10-10:softmax",
    ]  # fmt: skip
    assert found[1]["values"]["parameters.total"] is not None
    assert all(value is None for value in found[2]["values"].values()), "only Python knows these numbers"


def test_counts_that_are_written_are_the_depth(folder: Path) -> None:
    found = dragged("784-16*12-10", [[("depth", 30)], [("depth", 3)], [("all widths", 5)]], folder)
    assert [each["request"]["source"] for each in found] == ["784-16*30-10", "784-16-16-16-10", "784-5*12-10"]
    for each in found:
        check(each)
        assert [key for key, _ in each["keys"]] == ["all widths", "depth", "n1", "m1", "B"]


def test_layers_between_commas(folder: Path) -> None:
    source = "3x16x16, conv 8 3 pad=1, relu, [residual[conv 8 3 pad=1, relu]]*7, global_avgpool, dense 10, softmax"
    drags = [[("c1", 20), ("p1", 9), ("r1", 11), ("B", 3)], [("r1", 2)], [("c1", 10**25)], [("f1", 5)]]
    found = dragged(source, drags, folder)
    for each in found[:3]:
        check(each)
    assert found[1]["values"]["memory.step_peak"] is None
    assert found[3]["values"]["parameters.total"] is None, "the kernel is no symbol here"
    assert "conv 8 5 pad=1" in found[3]["request"]["source"]


def test_steps_of_heads_are_kept(folder: Path) -> None:
    source = "8, embedding 100 48, attention heads=12, dense 4"
    fitting, other = dragged(source, [[("d1", 72)], [("d1", 50)]], folder)
    check(fitting)
    assert other["values"]["parameters.total"] is None, "Python says what is wrong with 50"


def test_symbols_keep_the_text(folder: Path) -> None:
    (found,) = dragged("784-h-h-10", [[("h", 33), ("B", 2)]], folder)
    assert found["request"] == {"source": "784-h-h-10", "batch": "2", "symbols": {"h": "33"}}
    check(found)


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString", "hasOwnProperty"])
def test_symbols_may_be_called_what_objects_have(name: str, folder: Path) -> None:
    (found,) = dragged(f"4-{name}-2", [[(name, 9)]], folder)
    assert found["request"]["symbols"] == {name: "9"}
    check(found)


def test_bytes_of_a_short_sequence_are_left_to_python(folder: Path) -> None:
    source = "2, embedding 12 4, dense 8, rnn 8, dense 2"
    handle = next(each for each in asked(source)["handles"] if each["label"] == "sequence length")
    (found,) = dragged(source, [[(handle["name"], 1)]], folder)
    check(found)
    assert found["values"]["step.read_bytes"] is None


def test_the_last_member_of_a_family_stays_where_the_language_has_it() -> None:
    (last,) = [each for each in asked("4-h0-h1-...-hl-2")["handles"] if each["group"] == "repeat"]
    assert (last["least"], last["minimum"], last["most"]) == ("2", "2", "1999")


def test_families(folder: Path) -> None:
    (found,) = dragged("h0-h1-...-hl", [[("h", 9), ("l", 7)]], folder)
    assert found["request"]["symbols"] == {"l": "7", **{f"h{number}": "9" for number in range(8)}}
    check(found)


LINK = """
import { BadLink, read, written } from "./modules/link.js";
const tried = async (text) => { try { return { state: await read(text) }; } catch (error) { if (error instanceof BadLink) return { bad: error.message }; throw error; } };
const result = await Promise.all(given.map(async (each) => (typeof each === "string" ? tried(each) : { link: await written(each), ...(await tried("#" + (await written(each)))) })));
"""
GPT = "1024, embedding 50257 768, [residual[layernorm, attention heads=12 causal], residual[layernorm, dense 3072, gelu, dense 768]]*12, layernorm, dense 50257 bias=no, softmax"


def networks(*specs: str, **more: str) -> dict[str, Any]:
    return {"networks": [{"source": spec, "symbols": {}, **more} for spec in specs]}


def test_links_restore_exactly(folder: Path) -> None:
    states = [
        networks("784-16-16-10"),
        networks("784-16-16-10", batch="64", optimizer="adam", loss="cross_entropy")
        | {"device": "h100", "tab": "layers"},
        networks(
            GPT, GPT.replace("768", "1024"), GPT.replace("12", "24"), "# a comment\n784,\n dense 10 # ü ∂ <b>&=+%#"
        ),
        {"networks": [{"source": "h0-h1-...-hl", "symbols": {"l": "3", "h0": "784"}, "batch": "7"}]},
        networks("</script><img src=x onerror=alert(1)>", "784-" + "9" * 1000 + "-10"),
    ]
    for state, found in zip(states, run(LINK, states, folder), strict=True):
        assert found["state"] == state
        assert len(found["link"]) < 2000
    assert run(LINK, states[:1], folder)[0]["link"] == "s=784-16-16-10"
    assert run(LINK, states[1:2], folder)[0]["link"].startswith("s=784-16-16-10&b=64&loss=cross_entropy&opt=adam")


@pytest.mark.parametrize(
    "link",
    [
        "#x=1", "#b=64", "#s=%FF%FE", "#z=AAAA", "#z=@@@", "#" + "s=1-1&" * 9, "#s=" + "9" * 30_000, "#file=", "#file=" + "x" * 201,
    ],
)  # fmt: skip
def test_links_that_cannot_be_read_say_so(link: str, folder: Path) -> None:
    (found,) = run(LINK, [link], folder)
    assert "link" in found["bad"].lower()


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("b=-1", "b"), ("b=1e9", "b"), ("b=B", "b"), ("opt=<script>", "opt"), ("at.__proto__[x]=1", "at.__proto__[x]"), ("at.h=0", "at.h"),
        ("on=" + "x" * 100, "on"), ("dtype=<b>", "type"), ("file=", "file"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_left_out_and_named(part: str, key: str, folder: Path) -> None:
    (found,) = run(LINK, [f"#s=784-10&{part}&opt=adam"], folder)
    assert found["state"] == networks("784-10", optimizer="adam") | {"unread": [key]}


def test_links_take_the_names_of_the_api_and_say_what_is_unknown(folder: Path) -> None:
    """What nothing is called is left out, and named."""
    link = "#source=784-10&batch=8&dtype=float16&optimizer=adam&activation=relu&constructor=1&colour=red&bare"
    (found,) = run(LINK, [link], folder)
    assert found["state"] == {
        "networks": [{"source": "784-10", "symbols": {}, "batch": "8", "dtype": "float16", "optimizer": "adam", "activation": "relu"}],
        "ignored": ["constructor", "colour", "bare"],
    }  # fmt: skip


def test_links_name_the_files_that_they_leave_out(folder: Path) -> None:
    names = ["</script><img src=x onerror=alert(1)>.onnx", "a b&c=d.gguf"]
    states = [{"networks": [], "files": names}, networks("784-10") | {"files": names[1:]}]
    for state, found in zip(states, run(LINK, states, folder), strict=True):
        assert found["state"] == state


WORDS = """
import { adviceInPage, inPage } from "./modules/words.js";
const result = given.map((text) => [inPage(text), adviceInPage(text) ?? null]);
"""


def test_words_of_the_command_line_become_those_of_the_page(folder: Path) -> None:
    told = {
        "Name a loss, for example --loss squared_error, or leave --optimizer out.": "Name a loss, for example the setting “loss: squared error”, or leave the setting “optimizer” out.",
        "For example: --batch 32 --symbol h=128": "For example: batch 32, h = 128",
        "--bias applies to widths such as 784-16-10.": "The setting “biases” applies to widths such as 784-16-10.",
        "Did you mean relu? Activations: relu, elu.": "Did you mean relu? Activations: relu, elu.",
    }
    assert [each[1] for each in run(WORDS, list(told), folder)] == list(told.values())


def test_advice_for_elsewhere_is_left_out(folder: Path) -> None:
    texts = [
        "Input input_ids: 3x64 by default; --input input_ids=… gives another.", "Examples: nncost count --help",
        "For example: --examples 60000", 'pip install "nncost[charts]"',
    ]  # fmt: skip
    assert [each[1] for each in run(WORDS, texts, folder)] == [
        "Input input_ids: 3x64 by default.", None, None, 'pip install "nncost[charts]"',
    ]  # fmt: skip


def test_compressed_bombs_are_refused(folder: Path) -> None:
    import base64
    import zlib

    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(b"s=" + b"a" * 10_000_000) + packer.flush()
    link = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    assert len(link) < 16_000
    (found,) = run(LINK, [f"#z={link}"], folder)
    assert "more than a page of networks" in found["bad"]
