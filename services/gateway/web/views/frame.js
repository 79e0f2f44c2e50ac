// What stands around every view: the bar at the top, uploads under way at the bottom.

import { html, nothing, render } from "../vendor/lit-html.js";
import { end, isKnown, knownAs } from "../core/session.js";
import { size, t, wordsFor } from "../core/texts.js";
import { uploads } from "../core/uploads.js";
import { icon } from "../ui/icons.js";
import { say } from "../ui/toast.js";
import * as theme from "../ui/theme.js";

const MARK = new URL("../icon.svg", import.meta.url).href;

async function signOut() {
  if (!(await end())) say(t("account.signed-out-here"), { name: "session", kind: "warning" });
}

/** The top bar; `middle` and `right` are a view's own. */
export const topBar = ({ middle = "", right = "" } = {}) => html`<header class="top">
  <a class="brand" href="/" aria-label=${t("app.name")}><img src=${MARK} alt="" width="28" height="28"><span>${t("app.name")}</span></a>
  <div class="middle">${middle}</div>
  <div class="right">${right}
    <button class="icon" aria-label=${t("ui.theme")} title=${t("ui.theme")} @click=${theme.next}>${icon("moon")}</button>
    ${isKnown()
      ? html`<details class="menu"><summary aria-label=${t("account.menu")}>${(knownAs()[0] ?? "?").toUpperCase()}</summary>
          <div class="menu-body"><p>${knownAs()}</p><a href="/">${t("library.title")}</a><a href="/account">${t("account.title")}</a><a href="/docs">${t("app.api")}</a>
          <button @click=${signOut}>${t("account.sign-out")}</button></div></details>`
      : html`<a class="button" href="/sign-in">${t("account.sign-in")}</a>`}
  </div>
</header>`;

const percent = (entry) => (entry.size ? Math.floor((100 * entry.sent) / entry.size) : 100);

const row = (entry) => html`<li data-upload=${entry.state}>
  <div class="row spread"><strong>${entry.name}</strong><span>${t(`upload.${entry.state}`, { percent: percent(entry), size: size(entry.size) })}</span></div>
  <progress max="100" value=${entry.state === "checking" ? nothing : percent(entry)} aria-label=${t("upload.progress", { name: entry.name })}></progress>
  ${entry.problem ? html`<p class="error">${wordsFor(entry.problem)}</p>` : ""}
  <div class="row">
    ${entry.state === "done" && entry.videoId ? html`<a class="button small" href="/videos/${entry.videoId}">${t("upload.watch")}</a>` : ""}
    ${entry.state === "sending" ? html`<button class="small" @click=${() => uploads.pause(entry)}>${t("upload.pause")}</button>` : ""}
    ${entry.state === "paused" || (entry.state === "failed" && !entry.problem?.status) || entry.state === "waiting"
      ? html`<button class="small" @click=${() => uploads.resume(entry)}>${t("upload.resume")}</button>`
      : ""}
    <button class="small" @click=${() => uploads.drop(entry)}>${entry.state === "done" || entry.state === "failed" ? t("ui.close") : t("ui.cancel")}</button>
  </div>
</li>`;

const tray = document.createElement("aside");
tray.className = "tray";
tray.setAttribute("aria-label", t("upload.title"));
document.body.append(tray);

function drawTray() {
  tray.hidden = uploads.all.length === 0;
  render(uploads.all.length ? html`<ul>${uploads.all.map(row)}</ul>` : "", tray);
}
uploads.addEventListener("change", drawTray);
drawTray();
