// Markup from our own renderers, let through element by element: whatever is not on these lists is dropped, with what is in it.

const TAGS = new Set(
  ("a article b blockquote caption code col colgroup dd details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i li ol p pre section " +
    "small span strong sub summary sup table tbody td tfoot th thead tr ul " +
    "math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mstyle mtable mtr mtd mpadded menclose semantics " +
    "svg g path rect circle ellipse line polyline polygon text tspan title desc defs lineargradient radialgradient stop clippath marker pattern use symbol").split(" "),
);
const ATTRIBUTES = new Set(
  ("class id lang dir title scope colspan rowspan span tabindex role aria-label aria-labelledby aria-describedby aria-hidden open start " +
    "display displaystyle mathvariant stretchy fence separator form lspace rspace minsize maxsize accent accentunder columnalign linethickness width height depth xmlns " +
    "viewbox preserveaspectratio x y x1 y1 x2 y2 cx cy r rx ry d points transform fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray " +
    "stroke-linecap stroke-linejoin opacity font-size font-family font-weight font-style text-anchor dominant-baseline alignment-baseline dx dy textlength lengthadjust rotate " +
    "offset stop-color stop-opacity gradientunits gradienttransform clip-path marker-start marker-mid marker-end markerwidth markerheight refx refy orient patternunits patterntransform href").split(" "),
);
const INSIDE = /^#[A-Za-z][\w.-]*$/;
const REACHES_OUT = /url\(\s*(?!["']?#)|javascript:|expression\(/i;

/** A fragment with what is allowed of some HTML. */
export function safeHtml(markup) {
  return kept(parsed(markup));
}

/** The allowed part of an SVG picture as an element; null if it is none. */
export function safeSvg(markup) {
  return kept(parsed(markup)).querySelector("svg");
}

/** Markup as nodes that nothing is run, loaded or applied of: those of a template belong to no page. */
function parsed(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content;
}

function kept(parent) {
  const fragment = document.createDocumentFragment();
  for (const child of parent.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) fragment.append(child.textContent);
    else if (child.nodeType === Node.ELEMENT_NODE && TAGS.has(child.localName.toLowerCase())) fragment.append(copied(child));
  }
  return fragment;
}

function copied(source) {
  const copy = document.createElementNS(source.namespaceURI, source.localName);
  for (const { name, value } of source.attributes) {
    if (isAllowed(source, name.toLowerCase(), value)) copy.setAttribute(name, value);
  }
  copy.append(kept(source));
  return copy;
}

function isAllowed(source, name, value) {
  if (!ATTRIBUTES.has(name) || REACHES_OUT.test(value)) return false;
  return name !== "href" || (source.localName.toLowerCase() === "use" && INSIDE.test(value));
}
