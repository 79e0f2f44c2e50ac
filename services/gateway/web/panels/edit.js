// Correcting by buttons: all that the keys do, for fingers and mice, and what concerns time.

import { html } from "../vendor/lit-html.js";
import { t } from "../core/texts.js";
import { icon } from "../ui/icons.js";
import { open } from "../ui/dialog.js";
import { GRIDS } from "../score/editor.js";
import { colourOf, PIECES } from "../score/pieces.js";

const MARKS = ["accent", "ghost", "flam", "drag", "buzz", "choke"];
const HANDS = ["R", "L", "B"];
const REQUANTISE = ["auto", "straight", "triplet", "1", "2", "3", "4", "6", "8"];
const METERS = ["4/4", "3/4", "2/4", "5/4", "6/4", "7/4", "6/8", "9/8", "12/8", "5/8", "7/8"];

const option = (value, label, chosen) => html`<option value=${value} ?selected=${value === chosen}>${label}</option>`;

export function editPanel(page) {
  const { editor, saves } = page;
  if (!editor.editing) {
    return html`<p>${t("edit.about")}</p>
      <button class="primary" @click=${() => editor.setEditing(true)}>${icon("pencil")} ${t("edit.begin")}</button>
      ${unsurePart(page)}`;
  }
  const none = editor.selected.size === 0;
  const notes = editor.notes();
  const all = (mark) => notes.length > 0 && notes.every((note) => note.articulations.includes(mark));
  const [from, to] = editor.bars();
  return html`
    <p class="status" data-testid="selection">${editor.describe()}</p>
    <div class="row">
      <fieldset class="segmented"><legend class="visually-hidden">${t("edit.tool")}</legend>
        ${["select", "add"].map(
          (tool) => html`<button aria-pressed=${editor.tool === tool} @click=${() => ((editor.tool = tool), editor.changed())}>${t(`edit.tool-${tool}`)}</button>`,
        )}
      </fieldset>
      <label>${t("edit.grid")}
        <select @change=${(event) => ((editor.grid = event.target.value), editor.changed())}>
          ${GRIDS.map((grid) => option(grid, t(`grid.${grid}`), editor.grid))}
        </select></label>
    </div>
    ${editor.tool === "add" ? html`<p class="hint">${t("edit.add-hint", { piece: t(`piece.${editor.piece}`) })}</p>` : ""}
    <fieldset class="palette"><legend>${t("edit.piece")}</legend>
      ${PIECES.map((piece) => {
        const chosen = editor.tool === "add" ? editor.piece === piece.name : notes.length > 0 && notes.every((note) => note.piece === piece.name);
        return html`<button class="small" aria-pressed=${chosen} ?disabled=${none && editor.tool === "select"} @click=${() => editor.setPiece(piece.name)}
          title=${piece.key ? t("edit.key", { key: piece.key.toUpperCase() }) : ""}><svg class="dot" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill=${colourOf(piece.name)} /></svg>${t(`piece.${piece.name}`)}</button>`;
      })}
    </fieldset>
    <fieldset class="palette"><legend>${t("edit.marks")}</legend>
      ${MARKS.map((mark) => html`<button class="small" aria-pressed=${all(mark)} ?disabled=${none} @click=${() => editor.toggleMark(mark)}>${t(`mark.${mark}`)}</button>`)}
      <span class="gap"></span>
      ${HANDS.map((hand) => {
        const has = notes.length > 0 && notes.every((note) => note.sticking === hand);
        return html`<button class="small" aria-pressed=${has} ?disabled=${none} aria-label=${t(`hand.${hand}`)} @click=${() => editor.setSticking(has ? null : hand)}>${hand}</button>`;
      })}
      ${page.hands.sight ? html`<button class="small" ?disabled=${none} @click=${() => editor.resetSticking()}>${t("edit.hand-as-seen")}</button>` : ""}
    </fieldset>
    <div class="palette" role="group" aria-label=${t("edit.change")}>
      <button class="small" ?disabled=${none} @click=${() => editor.move(-1)}>◀ ${t("edit.earlier")}</button>
      <button class="small" ?disabled=${none} @click=${() => editor.move(1)}>${t("edit.later")} ▶</button>
      <button class="small" ?disabled=${none} @click=${() => editor.louder(1)}>${t("edit.louder")}</button>
      <button class="small" ?disabled=${none} @click=${() => editor.louder(-1)}>${t("edit.softer")}</button>
      <button class="small danger" ?disabled=${none} @click=${() => editor.remove()}>${icon("bin")} ${t("edit.delete")}</button>
    </div>
    ${unsurePart(page)}
    <h3>${t("edit.time")}</h3>
    <div class="palette" role="group" aria-label=${t("edit.time")}>
      <button class="small" @click=${() => editor.operate({ op: "shift-downbeat", beats: -1 })}>${t("edit.downbeat-earlier")}</button>
      <button class="small" @click=${() => editor.operate({ op: "shift-downbeat", beats: 1 })}>${t("edit.downbeat-later")}</button>
      <button class="small" @click=${() => editor.operate({ op: "scale-time", factor: "1/2" })}>${t("edit.half-time")}</button>
      <button class="small" @click=${() => editor.operate({ op: "scale-time", factor: "2" })}>${t("edit.double-time")}</button>
      <button class="small" @click=${() => askMeter(page, from)}>${t("edit.meter")}</button>
      <button class="small" @click=${() => askTempo(page, from)}>${t("edit.tempo")}</button>
      <button class="small" @click=${() => askGrid(page, from, to)}>${t("edit.requantise")}</button>
      <button class="small" @click=${() => askSection(page, from)}>${t("edit.section")}</button>
      <button class="small" @click=${() => askAnew(page)}>${t("edit.anew")}</button>
    </div>
    <p class="hint">${t("edit.keys-hint")}</p>
    <button @click=${() => editor.setEditing(false)}>${t("edit.done")}</button>
    ${saves.unsaved ? html`<p class="hint">${t("save.waiting", { n: saves.unsaved })}</p>` : ""}`;
}

function unsurePart(page) {
  const count = page.unsureCount;
  return html`<div class="unsure-part">
    <p>${count ? t("edit.unsure", { n: count }) : t("edit.all-sure")}</p>
    ${count
      ? html`<button class="small" @click=${() => page.editor.nextUnsure(-1)}>${t("edit.previous-unsure")}</button>
          <button class="small" @click=${() => page.editor.nextUnsure(1)}>${t("edit.next-unsure")}</button>
          ${page.editor.editing ? html`<button class="small" ?disabled=${page.editor.selected.size === 0} @click=${() => page.editor.confirm()}>${t("edit.confirm")}</button>` : ""}`
      : ""}
  </div>`;
}

/** A form in a dialog; what was entered by name, or undefined. */
function form(title, fields, go) {
  return open(
    title,
    (close) => html`<form method="dialog" @submit=${(event) => {
      event.preventDefault();
      close(Object.fromEntries(new FormData(event.target)));
    }}>${fields}<footer><button type="button" @click=${() => close()}>${t("ui.cancel")}</button><button class="primary">${go}</button></footer></form>`,
  );
}

const number = (name, label, value, least, most, step = 1) =>
  html`<label>${label}<input type="number" name=${name} .value=${String(value)} min=${least} max=${most} step=${step} required></label>`;

async function askMeter(page, bar) {
  const bars = page.view.bars;
  const now = bars.find((each) => each.bar === bar)?.meter ?? "4/4";
  const given = await form(
    t("edit.meter"),
    html`<label>${t("edit.meter")}<select name="meter">${[...new Set([now, ...METERS])].map((meter) => option(meter, meter, now))}</select></label>
      ${number("bar", t("edit.from-bar"), bar, bars[0].bar, bars.at(-1).bar)}`,
    t("ui.apply"),
  );
  if (given) page.editor.operate({ op: "set-meter", bar: Number(given.bar), meter: given.meter });
}

async function askTempo(page, bar) {
  const bars = page.view.bars;
  const given = await form(
    t("edit.tempo"),
    html`<p>${t("edit.tempo-about")}</p>${number("bpm", t("edit.bpm"), page.view.tempo ?? 120, 20, 400, 0.1)}
      ${number("bar", t("edit.from-bar"), bar, bars[0].bar, bars.at(-1).bar)}`,
    t("ui.apply"),
  );
  if (given) page.editor.operate({ op: "set-tempo", bar: Number(given.bar), bpm: Number(given.bpm) });
}

async function askGrid(page, from, to) {
  const bars = page.view.bars;
  const given = await form(
    t("edit.requantise"),
    html`<p>${t("edit.requantise-about")}</p>
      <label>${t("edit.grid")}<select name="grid">${REQUANTISE.map((grid) => option(grid, t(`requantise.${grid}`), "auto"))}</select></label>
      ${number("bar", t("edit.from-bar"), from, bars[0].bar, bars.at(-1).bar)}${number("until", t("edit.to-bar"), to, bars[0].bar, bars.at(-1).bar)}`,
    t("ui.apply"),
  );
  if (given) page.editor.operate({ op: "requantise", bar: Number(given.bar), until: Number(given.until), grid: given.grid });
}

async function askSection(page, bar) {
  const now = page.view.sections?.find((each) => each.bar === bar)?.name ?? "";
  const given = await form(
    t("edit.section"),
    html`<label>${t("edit.section-name")}<input name="name" maxlength="40" .value=${now}></label>
      ${number("bar", t("edit.from-bar"), bar, page.view.bars[0].bar, page.view.bars.at(-1).bar)}`,
    t("ui.apply"),
  );
  if (given) page.editor.operate({ op: "set-section", bar: Number(given.bar), name: given.name.trim() || null });
}

async function askAnew(page) {
  const given = await form(
    t("edit.anew"),
    html`<p>${t("edit.anew-about")}</p>
      <label>${t("edit.grid")}<select name="grid">${["auto", "straight", "triplet"].map((grid) => option(grid, t(`requantise.${grid}`), "auto"))}</select></label>
      <label>${t("edit.swing")}<select name="swing">${["auto", "written"].map((each) => option(each, t(`swing.${each}`), "auto"))}</select></label>
      <label>${t("edit.detail")}<select name="detail">${["full", "teaching"].map((each) => option(each, t(`detail.${each}`), "full"))}</select></label>`,
    t("edit.write-anew"),
  );
  if (given) page.saves.request("anew", given);
}
