"""The calculator as people use it: typed, dragged, compared, linked, by keyboard, and with names that would like to be scripts."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import nncost
from nncost.web.answers.formulas import quantities
from tests.browser.calculator.watched import Open, Watched
from tests.browser.expect import expect

HOSTILE = "</script><img src=x onerror=alert(1)>"
GPT = "64, embedding 512 96, [residual[layernorm, attention heads=12 causal], residual[layernorm, dense 384, gelu, dense 96]]*7, dense 512 bias=no, softmax"


def spec(watched: Watched, number: int = 0) -> Any:
    return watched.page.locator(".spec").nth(number)


def shown(watched: Watched, number: int = 0) -> dict[str, int]:
    """The exact numbers of a card, by their paths; bytes stand in the titles."""
    found: dict[str, int] = {}
    for path, text, title in (
        watched.page.locator(".card")
        .nth(number)
        .locator("button.number")
        .evaluate_all("buttons => buttons.map((button) => [button.dataset.path, button.textContent, button.title])")
    ):
        digits = title.split(" bytes")[0] if " bytes" in title else text
        if re.fullmatch(r"[\d,]+", digits):
            found[path] = int(digits.replace(",", ""))
    return found


def check(watched: Watched, number: int = 0, **settings: Any) -> None:
    """Compare a card's numbers with a count of the spec that it shows."""
    watched.settled()
    report = nncost.count(spec(watched, number).input_value(), **settings)
    numbers = dict(quantities(report))
    found = shown(watched, number)
    assert len(found) >= 10
    assert found == {path: numbers.get(path, 0) for path in found}


def field(watched: Watched, label: str) -> Any:
    return watched.page.get_by_role("textbox", name=f"{label} of network A, as a number", exact=True)


def test_the_textbook_network(visited: Open, address: str) -> None:
    watched = visited(address)
    expect(spec(watched)).to_have_value("784-16-16-10")
    assert shown(watched)["parameters.total"] == 13_002
    check(watched)
    answer = json.loads(watched.page.evaluate(
        "async () => { const answer = await fetch('api/count', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ source: '784-16-16-10' }) }); return answer.text(); }"
    ))  # fmt: skip
    assert answer["parameters"]["total"] == shown(watched)["parameters.total"]
    assert answer["totals"]["step"]["flops"] == shown(watched)["step.flops"]
    watched.until("/\\d/.test(document.querySelector('.seconds').textContent)")


def test_dragging_gives_what_python_gives(visited: Open, address: str) -> None:
    watched = visited(address)
    rng = random.Random(8)
    slider = watched.page.get_by_role("slider", name="all hidden widths of network A", exact=True)
    for _ in range(5):
        box = slider.bounding_box()
        watched.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
        watched.page.mouse.down()
        watched.page.mouse.move(box["x"] + box["width"] * rng.random(), box["y"] + box["height"] / 2, steps=7)
        watched.page.evaluate("() => new Promise(requestAnimationFrame)")
        at_once = watched.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done([document.querySelector('.spec').value, document.querySelector('button[data-path=\"parameters.total\"]').textContent])))")  # fmt: skip
        assert int(at_once[1].replace(",", "")) == nncost.count(at_once[0]).parameters.total
        watched.page.mouse.up()
        check(watched)
    for label, size in (("hidden layers", "30"), ("batch", "17"), ("inputs", "100"), ("outputs", "3")):
        field(watched, label).fill(size)
    check(watched, batch=17)
    assert re.fullmatch(r"100-\d+\*30-3", spec(watched).input_value())


def test_convolutions_and_repetitions(visited: Open, address: str) -> None:
    source = "3x32x32, conv 16 3 pad=1, batchnorm, relu, [residual[conv 16 3 pad=1, relu]]*8, global_avgpool, dense 10, softmax"
    watched = visited(f"{address}#s={quote(source)}")
    for label, size in (("channels", "24"), ("image size", "20"), ("repetitions", "11"), ("batch", "4")):
        field(watched, label).fill(size)
    check(watched, batch=4)
    assert "]*11" in spec(watched).input_value()
    assert "conv 24 3" in spec(watched).input_value()


def test_any_size_can_be_typed(visited: Open, address: str) -> None:
    watched = visited(address)
    field(watched, "all hidden widths").fill("1e30")
    watched.settled()
    expect(spec(watched)).to_have_value(f"784-{10**30}-{10**30}-10")
    label = watched.page.locator("button[data-path='parameters.total']").first.text_content()
    total = str(nncost.count(spec(watched).input_value()).parameters.total)
    assert label == f"{int(total[:9]):,},…,{total[-9:-6]},{total[-6:-3]},{total[-3:]} ({len(total)} digits)"
    field(watched, "all hidden widths").fill("many")
    expect(field(watched, "all hidden widths")).to_have_attribute("aria-invalid", "true")
    assert str(10**30) in spec(watched).input_value()


def test_symbols_have_sizes_to_drag(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-h-h-10")
    field(watched, "h").fill("40")
    watched.settled()
    expect(spec(watched)).to_have_value("784-h-h-10")
    assert shown(watched)["parameters.total"] == nncost.count("784-40-40-10").parameters.total
    watched.until("location.hash.includes('at.h=40')")


def test_faults_show_a_caret_while_typing(visited: Open, address: str) -> None:
    watched = visited(address, expects_faults=True)
    spec(watched).fill("784-128:relo-10")
    caret = watched.page.locator(".caret")
    caret.wait_for()
    line, carets = caret.text_content().split("\n")
    assert line == "784-128:relo-10"
    assert carets.rstrip() == "        ^^^^"
    expect(watched.page.locator(".fault")).to_contain_text("unknown activation")
    watched.page.get_by_role("button", name="784-128:relu-10").click()
    watched.settled()
    expect(spec(watched)).to_have_value("784-128:relu-10")
    expect(watched.page.locator(".fault")).to_be_hidden()
    check(watched)


def test_presets_and_families(visited: Open, address: str) -> None:
    watched = visited(address)
    for name in ("LeNet-5", "ResNet for small images", "GPT-2 small, without positions", "Any widths"):
        watched.page.get_by_role("button", name=name).click()
        watched.settled()
        expect(watched.page.locator(".title")).to_have_text(name)
        assert shown(watched)["parameters.total"] > 0
    watched.page.get_by_text("Fully connected …").click()
    watched.page.get_by_role("textbox", name="hidden layers", exact=True).fill("5")
    watched.page.get_by_role("button", name="Use it").locator("visible=true").click()
    watched.settled()
    expect(spec(watched)).to_have_value("784-64:relu*5-10")
    check(watched)


def test_settings_change_the_numbers(visited: Open, address: str) -> None:
    watched = visited(address)
    watched.page.get_by_text("Trained with squared error and sgd, float32").click()
    watched.page.get_by_label("optimizer", exact=True).select_option("adam")
    watched.page.get_by_label("numbers", exact=True).select_option("float16")
    watched.page.get_by_label("biases", exact=True).select_option("none")
    check(watched, optimizer="adam", dtype="float16", bias="none")


def test_four_networks_and_their_link(visited: Open, address: str) -> None:
    watched = visited(address)
    watched.page.get_by_role("button", name="Duplicate").click()
    watched.page.get_by_role("button", name="Add a network").click()
    watched.page.get_by_role("button", name="Add a network").click()
    watched.settled()
    expect(watched.page.locator(".card")).to_have_count(4)
    expect(watched.page.get_by_role("button", name="Add a network")).to_be_disabled()
    spec(watched, 1).fill(GPT)
    spec(watched, 2).fill("1x28x28, conv 6 5 pad=2, relu, maxpool 2, flatten, dense 10, softmax")
    spec(watched, 3).fill("784-100:relu-10:softmax")
    watched.settled()
    watched.page.get_by_role("textbox", name="batch of network D, as a number").fill("64")
    watched.settled()
    watched.page.get_by_role("tab", name="Layers").click()
    watched.until("location.hash.includes('b=64') && location.hash.includes('show=layers')")
    link = watched.page.url
    assert len(link) <= 2_000
    before = watched.page.locator(".card").evaluate_all("cards => cards.map((card) => [card.querySelector('.spec').value, card.querySelector('.headlines').innerText])")  # fmt: skip
    again = visited(link)
    again.until("[...document.querySelectorAll('.seconds')].every((place) => /\\d/.test(place.textContent))")
    after = again.page.locator(".card").evaluate_all("cards => cards.map((card) => [card.querySelector('.spec').value, card.querySelector('.headlines').innerText])")  # fmt: skip
    assert after == before
    expect(again.page.get_by_role("tab", name="Layers")).to_have_attribute("aria-selected", "true")
    assert again.page.url == link
    differences = again.page.locator(".card").nth(1).locator(".difference").all_text_contents()
    assert any(text.startswith("×") for text in differences)
    again.page.locator(".card").nth(3).get_by_role("button", name="Move to the left").click()
    again.settled()
    expect(spec(again, 2)).to_have_value("784-100:relu-10:softmax")
    again.page.locator(".card").nth(0).get_by_role("button", name="Remove").click()
    again.settled()
    expect(again.page.locator(".card")).to_have_count(3)
    expect(spec(again, 0)).to_have_value(GPT)


def test_worked_arithmetic(visited: Open, address: str) -> None:
    watched = visited(address)
    watched.page.locator(".card button[data-path='forward.mul']").click()
    working = watched.page.locator(".working")
    working.get_by_text("forward.mul = 12,960").wait_for()
    expect(watched.page.get_by_role("tab", name="Worked arithmetic")).to_have_attribute("aria-selected", "true")
    assert working.locator("math").count() > 3
    watched.page.get_by_label("Explained:").select_option("parameters")
    working.get_by_text("13,002").first.wait_for()
    watched.until("location.hash.includes('show=working')")


def test_drawing_and_charts(visited: Open, address: str) -> None:
    watched = visited(address)
    drawing = watched.page.locator(".picture svg")
    drawing.wait_for()
    expect(drawing).to_contain_text("16 neurons")
    with watched.page.expect_download() as file:
        watched.page.get_by_role("button", name="PNG").click()
    assert Path(file.value.path()).read_bytes().startswith(b"\x89PNG")
    assert Path(file.value.path()).stat().st_size > 5_000
    watched.page.get_by_role("tab", name="Charts").click()
    for kind in ("layers", "memory", "roofline", "time", "tree"):
        watched.page.get_by_label("Chart:").select_option(kind)
        watched.page.locator(".picture svg").wait_for()
        watched.until("document.querySelector('.picture svg').textContent.includes('dense')")


def test_copies(visited: Open, address: str) -> None:
    watched = visited(address, permissions=["clipboard-read", "clipboard-write"])
    watched.page.get_by_role("tab", name="All numbers").click()
    copies = {}
    for form in ("Markdown", "LaTeX", "CSV", "JSON"):
        watched.page.get_by_role("button", name=form).click()
        watched.page.get_by_role("button", name="Copied").wait_for()
        copies[form] = watched.page.evaluate("navigator.clipboard.readText()")
        watched.page.get_by_role("button", name=form).wait_for()
    assert "| parameters.total | 13002 |" in copies["Markdown"]
    assert r"parameters.total & 13002 \\" in copies["LaTeX"]
    assert "parameters.total,13002\n" in copies["CSV"].replace("\r", "")
    assert {"Quantity": "parameters.total", "784-16-16-10": "13002"} in json.loads(copies["JSON"])
    watched.page.get_by_role("button", name="Copy link").click()
    watched.page.get_by_role("button", name="Link copied").wait_for()
    assert watched.page.evaluate("navigator.clipboard.readText()") == watched.page.url


# ------------------------------------------------------------------- everything by keyboard
def test_every_control_by_keyboard(visited: Open, address: str) -> None:
    watched = visited(address)
    page = watched.page
    page.locator(".picture svg").wait_for()
    wanted = page.evaluate(
        "[...document.querySelectorAll('button, select, input, textarea, summary, a[href], [tabindex=\"0\"]')].filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0).length"
    )
    seen = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "(() => { const all = [...document.querySelectorAll('*')]; return all.indexOf(document.activeElement); })()"
            )
        )
        assert page.evaluate(
            "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.matches('.slider, .unseen')"
        )
    assert len(seen) >= wanted
    page.get_by_role("slider", name="all hidden widths of network A", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    watched.settled()
    expect(spec(watched)).to_have_value("784-18-18-10")
    check(watched)
    field(watched, "batch").focus()
    for key in ("ArrowUp", "PageUp", "ArrowDown"):
        page.keyboard.press(key)
    check(watched, batch=11)
    page.get_by_role("tab", name="Drawing").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="All numbers")).to_have_attribute("aria-selected", "true")
    page.locator(".card button[data-path='neurons'], .card button[data-path='parameters.total']").first.focus()
    page.keyboard.press("Enter")
    page.locator(".working").get_by_text(f"{nncost.count('784-18-18-10').parameters.total:,}").first.wait_for()


def test_results_are_told_politely(visited: Open, address: str) -> None:
    watched = visited(address)
    field(watched, "all hidden widths").fill("20")
    total = f"{nncost.count('784-20-20-10').parameters.total:,}"
    watched.until(f"document.getElementById('status').textContent.includes('{total} parameters')")
    expect(watched.page.locator("#status")).to_have_attribute("aria-live", "polite")


# ------------------------------------------------------------------- text of anybody
def test_hostile_specs_and_links_stay_text(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s={quote(HOSTILE)}&s=784-10", expects_faults=True)
    watched.page.locator(".fault").first.wait_for()
    expect(watched.page.locator(".caret").first).to_contain_text(HOSTILE)
    spec(watched, 1).fill(f"784, dense {HOSTILE}")
    watched.settled()
    watched.page.locator(".fault").nth(1).get_by_text("dense").first.wait_for()
    expect(watched.page.locator("img:not(.mark)")).to_have_count(0)
    expect(watched.page.locator("script")).to_have_count(1)


@pytest.mark.parametrize("link", ["#nonsense", "#b=3", "#z=AAAA", "#s=" + "9" * 40_000, f"#{quote(HOSTILE)}=1"])
def test_broken_links_say_so_and_start_as_usual(visited: Open, address: str, link: str) -> None:
    watched = visited(address + link)
    expect(watched.page.locator("#message")).to_contain_text("link", ignore_case=True)
    expect(spec(watched)).to_have_value("784-16-16-10")
    expect(watched.page.locator("img:not(.mark)")).to_have_count(0)


def test_hostile_names_in_links_stay_text(visited: Open, address: str) -> None:
    watched = visited(f"{address}#s=784-10&{quote(HOSTILE)}=1&file={quote(HOSTILE)}")
    expect(watched.page.locator("#message")).to_contain_text(HOSTILE)
    message = watched.page.locator("#message").text_content()
    assert HOSTILE[:20] in message.replace(HOSTILE, "")
    expect(spec(watched)).to_have_value("784-10")
    expect(watched.page.locator("img:not(.mark)")).to_have_count(0)


def test_files_with_hostile_names(visited: Open, address: str, tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    safetensors = pytest.importorskip("safetensors.numpy")
    place = tmp_path / "<img src=x onerror=alert(1)>.safetensors"
    safetensors.save_file({f"{HOSTILE}.weight": np.zeros((4, 3), np.float32)}, place)
    watched = visited(address)
    watched.page.locator("#file").set_input_files(place)
    watched.until("document.querySelector('.title').textContent.includes('onerror')")
    watched.settled()
    assert shown(watched)["parameters.total"] == 12
    watched.page.get_by_role("tab", name="Layers").click()
    watched.page.get_by_text(HOSTILE).first.wait_for()
    expect(watched.page.locator("img:not(.mark)")).to_have_count(0)


def test_files_with_unknown_operations_are_incomplete_in_plain_sight(
    visited: Open, address: str, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("Strange", ["x"], ["y"], domain="nobody.knows", name=HOSTILE)
    values = [helper.make_tensor_value_info(name, floats, [1, 8]) for name in "xy"]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("nobody.knows", 1)]
    )
    onnx.save(model, tmp_path / "strange.onnx")
    watched = visited(address)
    watched.page.locator("#file").set_input_files(tmp_path / "strange.onnx")
    watched.page.locator(".incomplete").wait_for()
    expect(watched.page.locator(".incomplete")).to_contain_text("INCOMPLETE")
    expect(watched.page.locator(".incomplete")).to_contain_text("Strange")
    expect(watched.page.locator("img:not(.mark)")).to_have_count(0)


# ------------------------------------------------------------------- how it is built
def test_the_page_scrolls_nowhere_sideways(visited: Open, address: str) -> None:
    link = f"{address}#s=784-16-16-10&s={quote(GPT)}&s=3-4-5&s=784-{10**40}-10"
    watched = visited(link, width=320)
    for width in (320, 360, 800, 1280, 1600, 2560, 320):
        watched.page.set_viewport_size({"width": width, "height": 900})
        assert watched.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
            width
        )


def test_numbers_are_there_without_python(visited: Open, address: str, browser: Any) -> None:
    context = browser.new_context()
    context.route("**/api/**", lambda route: route.abort())
    page = context.new_page()
    page.goto(address)
    page.locator("button[data-path='parameters.total']", has_text="13,002").wait_for()
    page.get_by_role("slider", name="all hidden widths of network A", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.locator(
        "button[data-path='parameters.total']", has_text=f"{nncost.count('784-17-17-10').parameters.total:,}"
    ).wait_for()
    context.close()
