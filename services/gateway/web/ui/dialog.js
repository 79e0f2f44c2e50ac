// Questions and forms in the browser's own modal dialog: focus stays inside, Escape leaves.

import { html, nothing, render } from "../vendor/lit-html.js";
import { t } from "../core/texts.js";

let count = 0;

/**
 * Show `content(close, redraw)` in a modal dialog; resolves with what it was closed with, undefined for
 * Escape.
 */
export function open(title, content, { wide = false } = {}) {
  const dialog = document.createElement("dialog");
  const name = `dialog-${++count}`;
  dialog.setAttribute("aria-labelledby", name);
  if (wide) dialog.className = "wide";
  document.body.append(dialog);
  const before = document.activeElement;
  return new Promise((resolve) => {
    let result;
    const close = (value) => {
      result = value;
      dialog.close();
    };
    const draw = () =>
      render(
        html`<header><h2 id=${name}>${title}</h2>
          <button class="icon" aria-label=${t("ui.close")} @click=${() => close()}>×</button></header>
          ${content(close, draw)}`,
        dialog,
      );
    dialog.addEventListener("close", () => {
      render(nothing, dialog);
      dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(result);
    });
    // A click beside the dialog lands on the dialog itself.
    dialog.addEventListener("pointerdown", (event) => {
      if (event.target === dialog) close();
    });
    draw();
    dialog.showModal();
  });
}

/** A question with one way to go on; true when it was taken. */
export async function confirm(title, text, go, { dangerous = false } = {}) {
  return (
    (await open(
      title,
      (close) => html`<p>${text}</p>
        <footer>
          <button @click=${() => close(false)}>${t("ui.cancel")}</button>
          <button class=${dangerous ? "danger" : "primary"} @click=${() => close(true)}>${go}</button>
        </footer>`,
    )) === true
  );
}
