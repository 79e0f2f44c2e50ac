// Short messages at the edge of the page, told to screen readers, too.

import { html, render } from "../vendor/lit-html.js";
import { t, wordsFor } from "../core/texts.js";

const SHOWN_MS = 6000;
const shown = new Map();
/** The page's own: a score may hold a note of that name. */
const place = document.querySelector("body > #toasts");

function draw() {
  const entries = [...shown.values()];
  render(
    entries.map(
      (entry) => html`<div class="toast ${entry.kind}" data-toast=${entry.name}>
        <span>${entry.text}</span>
        ${entry.actions.map(
          (action) => html`<button class="link" @click=${() => (entry.sticky || hush(entry.name), action.run())}>${action.label}</button>`,
        )}
        <button class="icon" aria-label=${t("ui.close")} @click=${() => hush(entry.name)}>×</button>
      </div>`,
    ),
    place,
  );
}

/** Show a message; one of the same name is replaced. A sticky one stays until it is hushed. */
export function say(text, { kind = "info", name = text, actions = [], sticky = false } = {}) {
  clearTimeout(shown.get(name)?.timer);
  const timer = sticky ? null : setTimeout(() => hush(name), kind === "error" ? 2 * SHOWN_MS : SHOWN_MS);
  shown.set(name, { text, kind, name, actions, sticky, timer });
  draw();
}

export function hush(name) {
  clearTimeout(shown.get(name)?.timer);
  if (shown.delete(name)) draw();
}

/** Say what went wrong. */
export const complain = (problem, options = {}) => say(wordsFor(problem), { kind: "error", ...options });
