// Pictures that Python draws: the network as SVG, and charts as Vega-Lite, whose script is loaded with the first of them.

import { element } from "../dom.js";
import { safeSvg } from "../sanitize.js";

/** A picture with its title, or what there is to say instead. */
export function picture({ told, answer, isBusy }, waiting) {
  if (told) return element("p", { class: "quiet", text: `${told.message} ${told.hint ?? ""}` });
  if (!answer || isBusy) return element("p", { class: "quiet", text: isBusy ? waiting : "" });
  const place = element("div", { class: "picture", role: "img", "aria-label": answer.description });
  if (answer.form === "svg") place.append(safeSvg(answer.picture) ?? "");
  else draw(place, answer.picture);
  return element("figure", { class: "drawn" }, element("figcaption", { class: answer.form === "svg" ? "" : "unseen", text: answer.title }), place, element("p", { class: "quiet described", text: answer.description }));
}

let vega = null;

async function draw(place, specification) {
  const said = element("p", { class: "quiet", text: "The script that draws charts is loaded, once …" });
  place.append(said);
  try {
    vega ??= import("../../vega.js");
    await vega;
    said.textContent = "The chart is drawn …";
    if (typeof window.vegaEmbed !== "function") throw new Error("its script is not complete, load the page again");
    const inside = element("div", {});
    await window.vegaEmbed(inside, specification, { ast: true, actions: false, renderer: "svg", tooltip: false, defaultStyle: false });
    place.replaceChildren(inside);
  } catch (error) {
    vega = null;
    place.replaceChildren(element("p", { class: "quiet", text: `The chart cannot be drawn here: ${error.message}` }));
  }
}

/** Whether the reader's system is dark, which charts follow. */
export function theme() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
