/** Builds elements out of text: contents of files are hostile, so nothing is ever parsed as HTML. */

const LONGEST = 200; // characters of a text that is shown

/**
 * Return a value as text of at most 200 characters.
 * @param {unknown} value
 */
export function cut(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/**
 * Return the element of an id that stands in the page.
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Return a new element. Attributes that are null, undefined or false are left out.
 * @param {string} name
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : cut(value));
  }
  for (const child of children) {
    if (child === null || child === undefined) continue;
    made.append(child instanceof Node ? child : cut(child));
  }
  return made;
}

/**
 * Set the text of a node if it differs: text that stays costs no layout and no announcement.
 * @param {Element} node
 * @param {unknown} value
 */
export function setText(node, value) {
  const text = cut(value);
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Set or remove an attribute if it differs.
 * @param {Element} node
 * @param {string} name
 * @param {string | null} value
 */
export function setAttribute(node, name, value) {
  if (value === null || value === "") node.removeAttribute(name);
  else if (node.getAttribute(name) !== cut(value)) node.setAttribute(name, cut(value));
}

/**
 * Return a function that fills a node anew only when its key differs from the last one.
 * @param {Element} node
 * @param {() => void} [after] called when the children were replaced
 */
export function keyed(node, after) {
  let last = "";
  /**
   * @param {string} key
   * @param {() => (Node | string)[]} make
   */
  return (key, make) => {
    if (key === last) return;
    last = key;
    node.replaceChildren(...make());
    if (after) after();
  };
}
