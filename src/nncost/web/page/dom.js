// Elements made in one line. Text is set as text, never as markup.

/** A new element: properties (`class`, `text`, `on`, `data-…`, ARIA) and children, which are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name in made && typeof value !== "string" && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Set an element's text only where it differs, so that a reader is not told what it knows. */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** Put elements for `items` into a place by their keys; those that are there stay, with their focus. */
export function keyed(place, items, make, update) {
  const present = new Map([...place.children].map((child) => [child.dataset.key, child]));
  const wanted = new Set(items.map((item) => item.key));
  for (const [key, child] of present) if (!wanted.has(key)) child.remove();
  let before = place.firstElementChild;
  for (const item of items) {
    let child = present.get(item.key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = item.key;
      place.insertBefore(child, before);
    } else if (child === before) {
      before = before.nextElementSibling;
    } else {
      place.insertBefore(child, before);
    }
    update(child, item);
  }
}
