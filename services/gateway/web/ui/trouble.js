// What went wrong where something should stand, and a way to try again.

import { html } from "../vendor/lit-html.js";
import { t, wordsFor } from "../core/texts.js";

export const trouble = (problem, again) => html`<div class="stack" role="alert">
  <p class="error">${wordsFor(problem)}</p>
  <p><button class="small" @click=${again}>${t("ui.again")}</button></p>
</div>`;
