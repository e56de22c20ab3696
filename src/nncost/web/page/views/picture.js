// Pictures that Python draws: the network, and charts of its numbers.

import { element } from "../dom.js";
import { safeHtml, safeSvg } from "../sanitize.js";

/** A picture with its title and, folded, its numbers; or what there is to say instead. */
export function picture({ told, answer, isBusy }, waiting) {
  if (told) return element("p", { class: "quiet", text: `${told.message} ${told.hint ?? ""}` });
  if (!answer) return element("p", { class: "quiet", text: isBusy ? waiting : "" });
  const svg = answer.svg ? safeSvg(answer.svg) : null;
  const figure = element("figure", { class: "drawn" });
  if (answer.title) figure.append(element("figcaption", { text: answer.title }));
  if (svg) figure.append(element("div", { class: "picture", role: "img", "aria-label": answer.description ?? answer.title ?? "picture" }, svg));
  else if (answer.description) figure.append(element("p", { text: answer.description }));
  if (answer.table) figure.append(element("details", {}, element("summary", { text: "The numbers" }), safeHtml(answer.table)));
  return figure;
}
