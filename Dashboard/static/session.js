/** The form for the token that a server of another computer asks for. */

import { byId, setText } from "./dom.js";

/** @type {Promise<void> | null} */
let open = null;

/**
 * Show the form until the token is right; all who need it wait for the same form.
 * @returns {Promise<void>}
 */
export function askToken() {
  open ??= new Promise((resolve) => {
    const dialog = /** @type {HTMLDialogElement} */ (byId("session"));
    const form = /** @type {HTMLFormElement} */ (byId("session-form"));
    const field = /** @type {HTMLInputElement} */ (byId("token"));
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // there is nothing behind it
    form.onsubmit = (event) => {
      event.preventDefault();
      void send(field.value).then((refusal) => {
        setText(byId("session-words"), refusal);
        field.value = "";
        if (refusal !== "") return;
        dialog.close();
        open = null;
        resolve();
      });
    };
    if (!dialog.open) dialog.showModal();
  });
  return open;
}

/**
 * Begin a session. Returns why it was refused, empty if it was not.
 * @param {string} token
 */
async function send(token) {
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) return "";
    const found = await answer.json().catch(() => null);
    return String(found?.error?.message ?? `the server answers ${answer.status}`);
  } catch {
    return "the server does not answer";
  }
}
