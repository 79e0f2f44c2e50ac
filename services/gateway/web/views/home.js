// The first thing that a stranger sees.

import { html, render } from "../vendor/lit-html.js";
import { t } from "../core/texts.js";
import { topBar } from "./frame.js";

export class HomeView {
  constructor(root) {
    this.root = root;
  }

  start() {
    render(
      html`${topBar()}<main class="home" id="main">
        <section class="hero"><h1>${t("home.title")}</h1><p>${t("home.about")}</p>
          <div class="row"><a class="button primary" href="/demo">${t("home.try")}</a><a class="button" href="/register">${t("account.register")}</a></div></section>
        <ul class="points">${["hear", "play", "correct", "share"].map((name) => html`<li><h2>${t(`home.${name}`)}</h2><p>${t(`home.${name}-about`)}</p></li>`)}</ul>
      </main>`,
      this.root,
    );
  }

  stop() {}
}
