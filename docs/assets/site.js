// Whatever is scrolled sideways, a wide table or picture, is reached by keyboard.
function reachable() {
  for (const each of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset p:has(> img:only-child)")) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
}
window.addEventListener("load", reachable);
window.addEventListener("resize", reachable);
