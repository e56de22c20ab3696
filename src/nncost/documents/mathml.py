"""TeX's mathematics as MathML, which browsers set without a script."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from xml.etree import ElementTree as ET

from nncost.names import printable

_KEPT = 2_048
"""Formulas that are kept: those of a page are much alike."""
_FENCES = "⌊⌋⌈⌉⟨⟩‖"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SEPARATOR = ","
_ATTRIBUTES = {
    "display",
    "mathvariant",
    "accent",
    "stretchy",
    "fence",
    "form",
    "displaystyle",
    "scriptlevel",
    "width",
    "columnalign",
}
"""Those that set a formula; a link in the name of a size is none of them."""


@lru_cache(_KEPT)
def mathml(latex: str, *, is_displayed: bool = False) -> str:
    """Return a ``<math>`` element; if the TeX cannot be read, the TeX itself as text."""
    from latex2mathml.converter import convert

    latex = printable(latex)
    try:
        root = ET.fromstring(convert(latex, display="block" if is_displayed else "inline", xmlns=""))  # noqa: S314 - made here
    except Exception:  # noqa: BLE001 - a converter of someone else's, which raises anything
        return f"<code>{escape(latex)}</code>"
    for element in root.iter():
        element.attrib = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    _join(root)
    return ET.tostring(root, encoding="unicode")


def _join(element: ET.Element) -> None:
    """Make one element of a number with separators, and of a word; fences are operators."""
    for child in element:
        _join(child)
    if element.tag == "mi" and (element.text or "") in _FENCES:
        element.tag, element.attrib = "mo", {"stretchy": "false"}
    children, joined = list(element), list[ET.Element]()
    place = 0
    while place < len(children):
        child = children[place]
        if child.tag == "mn":
            while place + 2 < len(children) and _is_separator(children[place + 1]) and _is_three(children[place + 2]):
                child.text = f"{child.text}{_SEPARATOR}{children[place + 2].text}"
                place += 2
        joined.append(child)
        place += 1
    if _is_word(joined):
        word = ET.Element("mi")
        word.text = "".join(each.text or "" for each in joined)
        joined = [word]
    if len(joined) != len(children):
        for child in children:
            element.remove(child)
        element.extend(joined)


def _is_separator(element: ET.Element) -> bool:
    inner = list(element)
    return element.tag == "mrow" and len(inner) == 1 and (inner[0].tag, inner[0].text) == ("mo", _SEPARATOR)


def _is_three(element: ET.Element) -> bool:
    return element.tag == "mn" and len(element.text or "") == len("000")


def _is_word(elements: list[ET.Element]) -> bool:
    """Whether these are the letters of one upright or italic name."""
    styles = {each.attrib.get("mathvariant") for each in elements}
    return len(elements) > 1 and all(each.tag == "mi" for each in elements) and len(styles) == 1 and styles != {None}
