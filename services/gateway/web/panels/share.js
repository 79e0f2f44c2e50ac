// Taking a score away: every file, links that end, a player for other pages.

import { html } from "../vendor/lit-html.js";
import { get, post, remove, save } from "../core/api.js";
import { date, t } from "../core/texts.js";
import { icon } from "../ui/icons.js";
import { complain, say } from "../ui/toast.js";
import { trouble } from "../ui/trouble.js";
import { confirm } from "../ui/dialog.js";

const DAYS = [1, 7, 30, 90, 365];
/** What most people want stands first, the rest behind "More". */
const FIRST = ["pdf", "musicxml", "midi", "png"];

/** Formats and links of a score, fetched when the panel is first opened. */
export class Sharing {
  constructor(page) {
    this.page = page;
    this.formats = null;
    this.links = null;
    this.chosen = {};
    this.fresh = null;
    this.busy = "";
    this.problem = null;
  }

  async load() {
    // A failure is drawn, and drawing asks again: it is for the user to try once more.
    if (this.formats || this.loading || this.problem) return;
    this.loading = true;
    try {
      if (this.page.source.readOnly) {
        this.formats = ["pdf", "musicxml", "midi"].map((format) => ({ format, description: t(`format.${format}`), options: [] }));
      } else {
        [this.formats] = await Promise.all([get("/notation/formats"), this.#look()]);
      }
    } catch (problem) {
      this.problem = problem;
    } finally {
      this.loading = false;
    }
    this.page.draw();
  }

  again() {
    this.problem = null;
    this.page.draw();
  }

  async #look() {
    this.links = (await get(`/notation/${this.page.source.id}/shares`)).items;
  }

  async take(format) {
    this.busy = format;
    this.page.draw();
    try {
      await save(await this.page.source.export(format, this.chosen[format] ?? {}), `score.${format}`);
      say(t("export.done", { format: t(`format.${format}`) }), { name: "export" });
    } catch (problem) {
      complain(problem, { name: "export" });
    } finally {
      this.busy = "";
      this.page.draw();
    }
  }

  async link(event) {
    event.preventDefault();
    const given = new FormData(event.target);
    try {
      this.fresh = await post(`/notation/${this.page.source.id}/shares`, {
        expires_in_days: Number(given.get("days")),
        with_video: given.get("video") === "on",
        name: String(given.get("name") ?? ""),
      });
      await this.#look();
    } catch (problem) {
      complain(problem);
    }
    this.page.draw();
  }

  async revoke(link) {
    if (!(await confirm(t("share.revoke"), t("share.revoke-about"), t("share.revoke"), { dangerous: true }))) return;
    try {
      await remove(`/notation/${this.page.source.id}/shares/${link.id}`);
      if (this.fresh?.id === link.id) this.fresh = null;
      await this.#look();
      say(t("share.revoked"));
    } catch (problem) {
      complain(problem);
    }
    this.page.draw();
  }
}

async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("share.copied"));
  } catch {
    // Not allowed, or not on https: it lies selected for the keys.
    field?.select();
  }
}

function choice(sharing, format, each) {
  const set = (value) => {
    sharing.chosen[format] = { ...sharing.chosen[format], [each.name]: value };
  };
  const id = `option-${format}-${each.name}`;
  if (each.kind === "boolean") {
    return html`<label class="check"><input type="checkbox" ?checked=${each.default} @change=${(event) => set(event.target.checked)}> ${each.description}</label>`;
  }
  if (each.kind === "choice") {
    return html`<label for=${id}>${each.description}<select id=${id} @change=${(event) => set(event.target.value)}>
      ${each.choices.map((value) => html`<option ?selected=${value === each.default}>${value}</option>`)}</select></label>`;
  }
  return html`<label for=${id}>${each.description}<input id=${id} type="number" min=${each.low} max=${each.high} .value=${String(each.default)} @change=${(event) => set(event.target.value)}></label>`;
}

function exportRow(sharing, kind) {
  return html`<li>
    <div class="row spread"><span><strong>${t(`format.${kind.format}`)}</strong><small>${kind.description}</small></span>
      <button class="small" aria-label=${t("export.take", { format: t(`format.${kind.format}`) })} ?disabled=${sharing.busy === kind.format} @click=${() => sharing.take(kind.format)}>${icon("save")}</button></div>
    ${kind.options.length ? html`<details><summary>${t("export.options")}</summary>${kind.options.map((each) => choice(sharing, kind.format, each))}</details>` : ""}
  </li>`;
}

export function sharePanel(page) {
  const { sharing } = page;
  sharing.load();
  const formats = sharing.formats ?? [];
  const first = FIRST.map((name) => formats.find((kind) => kind.format === name)).filter(Boolean);
  const rest = formats.filter((kind) => !FIRST.includes(kind.format));
  if (sharing.problem) return trouble(sharing.problem, () => sharing.again());
  return html`<h3>${t("export.title")}</h3>
    <ul class="exports">${first.map((kind) => exportRow(sharing, kind))}</ul>
    ${rest.length ? html`<details><summary>${t("export.more", { n: rest.length })}</summary><ul class="exports">${rest.map((kind) => exportRow(sharing, kind))}</ul></details>` : ""}
    <button class="small" @click=${() => window.print()}>${icon("print")} ${t("export.print")}</button>
    ${page.source.readOnly ? "" : linksPart(sharing)}`;
}

function linksPart(sharing) {
  const { fresh } = sharing;
  const address = fresh && new URL(fresh.url, location.href).href;
  const player = fresh && `<iframe src="${new URL(fresh.embed_url, location.href).href}" width="100%" height="560" allow="fullscreen" title="Backbeat"></iframe>`;
  return html`<h3>${t("share.title")}</h3>
    <p>${t("share.about")}</p>
    <form class="stack" @submit=${(event) => sharing.link(event)}>
      <label>${t("share.name")}<input name="name" maxlength="80" placeholder=${t("share.name-example")}></label>
      <label>${t("share.ends")}<select name="days">${DAYS.map((days) => html`<option value=${days} ?selected=${days === 30}>${t("share.days", { n: days })}</option>`)}</select></label>
      <label class="check"><input type="checkbox" name="video" checked> ${t("share.with-video")}</label>
      <button class="primary">${icon("share")} ${t("share.make")}</button>
    </form>
    ${fresh
      ? html`<div class="fresh" role="status">
          <p>${t("share.made")}</p>
          <label>${t("share.link")}<span class="row"><input readonly .value=${address} data-testid="share-link" @focus=${(event) => event.target.select()}>
            <button class="small" @click=${(event) => copy(address, event.target.previousElementSibling)}>${t("share.copy")}</button></span></label>
          <label>${t("share.embed")}<span class="row"><input readonly .value=${player} @focus=${(event) => event.target.select()}>
            <button class="small" @click=${(event) => copy(player, event.target.previousElementSibling)}>${t("share.copy")}</button></span></label>
        </div>`
      : ""}
    ${sharing.links?.length
      ? html`<ul class="links">${sharing.links.map((link) => linkRow(sharing, link))}</ul>`
      : html`<p class="hint">${t("share.none")}</p>`}`;
}

function linkRow(sharing, link) {
  const over = link.revoked_at || new Date(link.expires_at) < new Date();
  return html`<li class=${over ? "over" : ""}>
    <span><strong>${link.name || t("share.unnamed")}</strong>
      <small>${link.revoked_at ? t("share.was-revoked") : over ? t("share.has-ended") : t("share.until", { date: date(link.expires_at) })}</small></span>
    ${over ? "" : html`<button class="small danger" @click=${() => sharing.revoke(link)}>${t("share.revoke")}</button>`}
  </li>`;
}
