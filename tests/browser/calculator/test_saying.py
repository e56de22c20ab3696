"""What the page says when something is not taken, left out or named otherwise than on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import nncost
from tests.browser.calculator.watched import Open, Watched
from tests.browser.expect import expect

GPT = "8, embedding 100 48, attention heads=12, dense 4"


def field(watched: Watched, label: str) -> Any:
    return watched.page.get_by_role("textbox", name=f"{label} of network A, as a number", exact=True)


def word(watched: Watched, label: str) -> Any:
    return watched.page.locator(f"#{field(watched, label).get_attribute('aria-describedby')}")


@pytest.mark.parametrize("text", ["abc", "0", "-5", "3.5", ""])
def test_a_size_that_is_none_is_refused_in_a_word(visited: Open, address: str, text: str) -> None:
    watched = visited(address)
    inputs = field(watched, "inputs")
    inputs.fill(text)
    watched.until(lambda: inputs.get_attribute("aria-invalid") == "true")
    watched.until(lambda: "whole number, 1 or more" in word(watched, "inputs").text_content())
    inputs.press("Enter")
    watched.until(lambda: inputs.input_value() == "784")
    watched.until(lambda: "784 stays" in word(watched, "inputs").text_content())
    expect(word(watched, "inputs")).to_have_attribute("role", "status")
    inputs.fill("100")
    watched.until(lambda: word(watched, "inputs").text_content() == "")
    watched.until(lambda: watched.page.locator(".spec").input_value() == "100-16-16-10")


def test_widths_of_heads_go_to_the_nearest(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s={GPT}")
    width = field(watched, "embedding width")
    width.fill("70")
    expect(word(watched, "embedding width")).to_contain_text("72")
    width.press("Enter")
    watched.settled()
    expect(width).to_have_value("72")
    expect(word(watched, "embedding width")).to_contain_text("72 is taken")
    expect(watched.page.locator(".spec")).to_have_value(re.compile("embedding 100 72"))


def test_family_forms_have_the_words_of_the_sliders(visited: Open, address: str) -> None:
    watched = visited(address)
    watched.page.get_by_text("GPT …").click()
    form = watched.page.locator(".family-form:visible")
    labels = form.locator("label span").all_text_contents()
    form.get_by_role("textbox", name="embedding width").fill("500")
    form.get_by_role("button", name="Use it").click()
    expect(form.locator(".family-word")).to_contain_text("504")
    form.get_by_role("button", name="Use it").click()
    watched.settled()
    names = {re.sub(r" \(.*| \d$", "", name) for name in watched.page.locator(".handle-name").all_text_contents()}
    assert set(labels) - {"heads"} <= names
    expect(watched.page.locator(".spec")).to_have_value(re.compile("embedding 32000 504"))


def test_an_empty_spec_says_what_to_do_here(visited: Open, address: str) -> None:
    watched = visited(address)
    watched.page.locator(".spec").fill(" ")
    watched.settled()
    fault = watched.page.locator(".fault")
    expect(fault).to_contain_text("No network is typed yet.")
    expect(fault).not_to_contain_text("upload:")


def test_no_word_of_the_command_line(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-16-10&loss=none&show=working&of=backward")
    watched.page.locator(".working").get_by_text("No loss is named").wait_for()
    text = watched.page.locator("main").inner_text()
    assert "setting “loss: squared error”" in text
    assert "--" not in text
    assert "as usual" not in text


def test_long_faults_are_cut_with_dots_on_both_sides(visited: Open, address: str) -> None:
    source = (
        "3x32x32, " + "conv 16 3 pad=1, relu, " * 9 + "rnorm, " + "conv 16 3 pad=1, relu, " * 9 + "flatten, dense 10"
    )
    watched = visited(address, expects_faults=True, width=700)
    watched.page.locator(".spec").fill(source)
    watched.page.locator(".caret").wait_for()
    line, carets = watched.page.locator(".caret").text_content().split("\n")
    assert line[0] == line[-1] == "…"
    assert line[1:-1] in source
    assert line[carets.index("^") :].startswith("rnorm")
    watched.page.locator(".spec").fill("784, rnorm, dense 10")
    watched.until("document.querySelector('.caret')?.textContent.startsWith('784, rnorm, dense 10\\n')")


def test_unknown_parts_of_a_link_are_named(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-16-10&dtype=float16&optimizer=adam&colour=red")
    message = watched.page.locator("#message")
    expect(message).to_contain_text('"colour"')
    expect(message).not_to_contain_text("dtype")
    expect(watched.page.locator(".settings summary")).to_have_text("Trained with squared error and adam, float16")


def test_the_spec_refits_a_narrower_window(visited: Open, address: str) -> None:
    source = "3x32x32, conv 16 3 pad=1, batchnorm, relu, conv 16 3 pad=1, relu, global_avgpool, dense 10, softmax"
    watched = visited(f"{address}#s={source}", width=1600)
    watched.page.set_viewport_size({"width": 400, "height": 900})
    watched.until("(({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight)(document.querySelector('.spec'))")


def test_parts_of_the_peak_are_said_to_be_no_sum(visited: Open, address: str) -> None:
    watched = visited(address)
    line = watched.page.locator(".headline", has_text="Peak memory").inner_text()
    assert "not all at the peak" in line
    for part in ("parameters", "gradients", "kept activations", "inputs"):
        assert part in line


def test_pictures_are_named_by_their_network(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-32:relu-10")
    watched.page.locator(".picture svg").wait_for()
    for button, name in (("SVG", "nncost-784-32-relu-10-drawing.svg"), ("PNG", "nncost-784-32-relu-10-drawing.png")):
        with watched.page.expect_download() as file:
            watched.page.get_by_role("button", name=button).click()
        assert file.value.suggested_filename == name


def test_words_of_differences_are_explained(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-16-10&s=784-16-10:softmax&show=numbers")
    expect(watched.page.locator(".legend")).to_contain_text("new: A has none of it")


# ------------------------------------------------------------------- files
@pytest.fixture
def file(tmp_path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", floats, ["N", 3, "H", 8])
    y = helper.make_tensor_value_info("y", floats, None)
    weight = helper.make_tensor("w", floats, [4, 3, 3, 3], [0.0] * 108)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "g", [x], [y], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "open.onnx")
    return tmp_path / "open.onnx"


def flops(watched: Watched) -> int:
    watched.settled()
    return int(watched.page.locator("button[data-path='step.flops']").text_content().replace(",", ""))


def test_sizes_of_a_file(visited: Open, address: str, file: Path) -> None:
    watched = visited(address)
    watched.page.locator("#file").set_input_files(file)
    watched.until("document.querySelector('.title').textContent === 'open.onnx'")
    assert flops(watched) == nncost.count(file, symbols={"N": 1, "H": 16}).step.flops
    field(watched, "batch").fill("5")
    assert flops(watched) == nncost.count(file, batch=5, symbols={"H": 16}).step.flops
    field(watched, "H").fill("33")
    assert flops(watched) == nncost.count(file, batch=5, symbols={"H": 33}).step.flops
    expect(watched.page.locator(".title")).to_have_text("open.onnx")
    labels = watched.page.locator(".headline dt").all_text_contents()
    assert "Flops in the forward pass" in labels
    assert labels[-1].startswith("Time of the forward pass on ")
    watched.until("/\\d/.test(document.querySelector('.seconds').textContent)")


def test_a_link_says_which_file_it_leaves_out(visited: Open, address: str, file: Path) -> None:
    watched = visited(address, permissions=["clipboard-read", "clipboard-write"])
    watched.page.locator("#file").set_input_files(file)
    watched.until("document.querySelector('.title').textContent === 'open.onnx'")
    watched.settled()
    watched.page.get_by_role("button", name="Copy link").click()
    watched.page.get_by_role("button", name="Link copied").wait_for()
    message = watched.page.locator("#message")
    expect(message).to_contain_text("open.onnx")
    again = visited(watched.page.evaluate("navigator.clipboard.readText()"))
    told = again.page.locator("#message")
    expect(told).to_contain_text("Open open.onnx again")
    expect(told).to_contain_text("textbook network")
    again.page.locator("#file").set_input_files(file)
    again.until("document.querySelector('.title').textContent === 'open.onnx'")
    expect(again.page.locator("#message")).to_be_hidden()
