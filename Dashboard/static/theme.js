/** Dark or light: by the system until a choice is made, which this browser keeps. */

const KEY = "theme";
const system = matchMedia("(prefers-color-scheme: light)");

/** @returns {"dark" | "light"} */
function current() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen;
  return system.matches ? "light" : "dark";
}

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser may forbid it
  }
}

/**
 * Start with the kept choice; `changed` is called at each change of colours.
 * @param {() => void} changed
 */
export function startTheme(changed) {
  const choice = kept();
  if (choice === "dark" || choice === "light") document.documentElement.dataset.theme = choice;
  system.addEventListener("change", changed);
}

/** Change between dark and light, and keep the choice. */
export function toggleTheme() {
  const next = current() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // it holds until the page is left
  }
}
