// Copies: tables as Markdown, LaTeX, CSV and JSON, pictures as PNG.

/** Lines of cells in a format; whole numbers keep all their digits. */
export function tableAs(form, lines, title) {
  if (form === "json") return `${JSON.stringify(asObjects(lines), null, 2)}\n`;
  if (form === "csv") return lines.map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";
  if (form === "latex") return latex(lines, title);
  return markdown(lines);
}

function asObjects([head, ...lines]) {
  return lines.map((line) => Object.fromEntries(line.map((cell, number) => [String(head[number]), cell === null ? null : String(cell)])));
}

/** A cell that no spreadsheet takes for a formula or for two. */
function csvCell(cell) {
  const text = cell === null ? "" : String(cell);
  const safe = typeof cell === "string" && /^[=+@\t\r-]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function markdown([head, ...lines]) {
  const row = (cells) => `| ${cells.map((cell) => markdownCell(cell)).join(" | ")} |`;
  return [row(head), `| --- |${" ---: |".repeat(head.length - 1)}`, ...lines.map(row)].join("\n") + "\n";
}

function markdownCell(cell) {
  if (cell === null) return "–";
  return String(cell).replace(/[\\`*_{}[\]<>|#]/g, (sign) => `\\${sign}`).replace(/\s+/g, " ");
}

function latex([head, ...lines], title) {
  const row = (cells) => `  ${cells.map(latexCell).join(" & ")} \\\\`;
  return ["\\begin{table}", "  \\centering", `  \\caption{${latexCell(title)}}`, `  \\begin{tabular}{l${"r".repeat(head.length - 1)}}`, "  \\hline", row(head), "  \\hline",
    ...lines.map(row), "  \\hline", "  \\end{tabular}", "\\end{table}", ""].join("\n");
}

const LATEX = { "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}" };

function latexCell(cell) {
  return cell === null ? "--" : String(cell).replace(/[\\&%$#_{}~^<>]/g, (sign) => LATEX[sign]);
}

/** Put text on the clipboard, also where the page is not served securely. */
export async function copyText(text) {
  if (navigator.clipboard?.writeText) {
    try {
      await navigator.clipboard.writeText(text);
      return;
    } catch { /* without permission the older way is tried */ }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  const held = document.activeElement;
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  held?.focus();
  if (!isCopied) throw new Error("the browser does not allow it");
}

/** The name of a file about a network, without its ending: `nncost-784-16-16-10-drawing`. */
export function fileName(network, what) {
  const text = network.title && network.source.startsWith("upload:") ? network.title.replace(/\.[a-z]+$/i, "") : network.title || network.source;
  const plain = text.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60).replace(/-+$/, "");
  return ["nncost", plain, what].filter(Boolean).join("-").toLowerCase();
}

/** Hand a file to the reader. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const SHARPNESS = 2;

/** An SVG on the page as a PNG, in the colours that it has there. */
export async function pngOf(svg) {
  const copy = svg.cloneNode(true);
  paint(svg, copy);
  const box = svg.viewBox.baseVal?.width ? svg.viewBox.baseVal : svg.getBoundingClientRect();
  copy.setAttribute("width", String(box.width));
  copy.setAttribute("height", String(box.height));
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(box.width * SHARPNESS);
    canvas.height = Math.ceil(box.height * SHARPNESS);
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(document.body).backgroundColor;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}

const PAINTED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "fill-opacity", "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline", "color"];

/** Write the styles that a picture has on the page into its copy, which stands outside it. */
function paint(source, copy) {
  const style = getComputedStyle(source);
  for (const name of PAINTED) {
    const value = style.getPropertyValue(name);
    if (value) copy.setAttribute(name, value);
  }
  copy.removeAttribute("class");
  [...source.children].forEach((child, number) => paint(child, copy.children[number]));
}
