// The teacher: what it says of the score, exercises made of it, a plan, and a take beside it.

import { html } from "../vendor/lit-html.js";
import { get, post } from "../core/api.js";
import { date, t } from "../core/texts.js";
import { trouble } from "../ui/trouble.js";

const KINDS = ["full_analysis", "pattern_analysis", "style_classification", "practice_instructions"];
/** The parts of an answer, in the order that they are read. */
const PARTS = ["pattern_analysis", "style_classification", "practice_instructions"];
const VARIATIONS = ["simplify", "thin-hats", "add-ghosts", "displace", "orchestrate", "linear", "open-handed", "paradiddle", "fill", "metric-modulation", "tempo-ladder"];
const DIRECTIONS = ["easier", "same", "harder"];
const ABSENT = "service-not-installed";
const POLL_MS = 2000;
const MOST_POLLS = 60;

export class Teacher {
  constructor(page) {
    this.page = page;
    this.state = "new";
    this.told = null;
    this.variations = [];
    this.leftOut = [];
    this.plan = null;
    this.takes = null;
    this.compared = null;
    this.heard = [];
    this.problem = null;
    this.busy = false;
    this.pending = false;
  }

  get root() {
    return `/notation/${this.page.source.id}`;
  }

  async #doing(work) {
    this.again = () => this.#doing(work);
    this.busy = true;
    this.problem = null;
    this.page.draw();
    try {
      await work();
      this.state = "there";
    } catch (problem) {
      if (problem.code === ABSENT) this.state = "absent";
      else this.problem = problem;
    } finally {
      this.busy = false;
      this.pending = false;
      this.page.draw();
    }
  }

  load() {
    if (this.state !== "new") return;
    this.state = "asked";
    this.#doing(async () => {
      await this.#read();
      const [made, heard] = await Promise.all([get(`${this.root}/variations`), get(`${this.root}/comparisons`, { query: { limit: 10 } })]);
      this.variations = made.items;
      this.heard = heard.items;
    });
  }

  async #read() {
    this.told = await get(`${this.root}/with-enhancements`);
  }

  explain(kind) {
    return this.#doing(async () => {
      const body = { enhancement_type: kind };
      let answer = await post(`${this.root}/enhance`, body);
      await this.#read();
      // The rules have answered; a language model may still be writing.
      for (let i = 0; answer.status === "pending" && i < MOST_POLLS; i++) {
        this.pending = true;
        this.page.draw();
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        answer = await post(`${this.root}/enhance`, body);
      }
      await this.#read();
    });
  }

  vary(form) {
    return this.#doing(async () => {
      const body = { count: 3, seed: this.variations.length };
      for (const name of ["kind", "difficulty"]) if (form.get(name)) body[name] = form.get(name);
      const made = await post(`${this.root}/variations`, body);
      this.variations = [...made.variations, ...this.variations];
      this.leftOut = body.kind ? made.left_out : [];
    });
  }

  makePlan() {
    return this.#doing(async () => {
      this.plan = await get(`${this.root}/practice-plan`);
    });
  }

  findTakes() {
    return this.#doing(async () => {
      const { items } = await get("/notation/", { query: { limit: 50 } });
      this.takes = items.filter((each) => each.video_id && each.id !== this.page.source.id);
    });
  }

  compare(takeId) {
    return this.#doing(async () => {
      this.compared = await post(`${this.root}/compare`, { take_id: takeId });
      this.heard = [this.compared, ...this.heard.filter((each) => each.take_id !== takeId)];
    });
  }
}

export function teacherPanel(page) {
  const { teacher } = page;
  teacher.load();
  if (teacher.state === "absent") return html`<p>${t("teacher.absent")}</p>`;
  return html`<p>${t("teacher.about")}</p>
    <div class="palette">${KINDS.map((kind) => html`<button class="small" ?disabled=${teacher.busy} @click=${() => teacher.explain(kind)}>${t(`teacher.${kind}`)}</button>`)}</div>
    ${teacher.busy ? html`<p role="status">${t(teacher.pending ? "teacher.writing" : "teacher.thinking")}</p>` : ""}
    ${teacher.problem ? trouble(teacher.problem, teacher.again) : ""}
    ${said(teacher.told)}
    <h3>${t("teacher.variations")}</h3>
    ${exercises(teacher)}
    <h3>${t("teacher.plan")}</h3>
    ${teacher.plan ? plan(page, teacher.plan) : html`<button class="small" ?disabled=${teacher.busy} @click=${() => teacher.makePlan()}>${t("teacher.make-plan")}</button>`}
    <h3>${t("teacher.compare")}</h3>
    ${takes(teacher)}`;
}

function said(told) {
  if (!told) return "";
  const parts = PARTS.filter((part) => told.enhancements?.[part]);
  if (!parts.length) return told.outdated ? html`<p class="hint">${t("teacher.outdated")}</p>` : "";
  return parts.map((part) => {
    const { source, model, note } = told.told?.[part] ?? {};
    const { summary, ...rest } = told.enhancements[part];
    return html`<section class="said"><h3>${t(`teacher.${part}`)}</h3>
      ${summary ? html`<p>${summary}</p>` : ""}${words(rest)}
      ${source ? html`<p class="hint">${source === "model" ? t("teacher.by-model", { model }) : t("teacher.by-rules")} ${note ?? ""}</p>` : ""}</section>`;
  });
}

function exercises(teacher) {
  const choice = (name, options) =>
    html`<label>${t(`teacher.${name}`)}<select name=${name}><option value="">${t("teacher.any")}</option>${options.map((each) => html`<option value=${each}>${t(`teacher.${name}.${each}`)}</option>`)}</select></label>`;
  return html`<form class="row" @submit=${(event) => {
      event.preventDefault();
      teacher.vary(new FormData(event.target));
    }}>${choice("kind", VARIATIONS)}${choice("difficulty", DIRECTIONS)}
      <button class="small" ?disabled=${teacher.busy}>${t("teacher.vary")}</button></form>
    ${teacher.leftOut.map((each) => html`<p class="hint">${each.reason}</p>`)}
    <ul class="exports">${teacher.variations.map(
      (each) => html`<li><span><strong>${each.title}</strong><small>${each.description} ${each.why}</small>
          <small>${t(`teacher.difficulty.${each.direction}`)}: ${number(each.difficulty_before)} → ${number(each.difficulty_after)}</small></span>
        <a class="button small" href="/scores/${each.notation_id}">${t("teacher.open")}</a></li>`,
    )}</ul>`;
}

function plan(page, { loops, days, focus }) {
  return html`<ul class="sessions">${loops.map(
      (loop) => html`<li><button class="link" @click=${() => page.player.setLoop(loop.from_bar, loop.to_bar)}>${t("practise.bars", { from: loop.from_bar, to: loop.to_bar })}</button>
        <span>${loop.ladder_bpm.join(" · ")}</span><small>${loop.why}</small></li>`,
    )}</ul>
    <ol class="days">${days.map(
      (day) => html`<li>${t("teacher.day", { warm: day.warm_up_minutes, loop: day.loop_minutes, whole: day.whole_minutes, from: loops[day.loop].from_bar, to: loops[day.loop].to_bar, start: day.start_bpm, goal: day.goal_bpm })} <small>${day.focus}</small></li>`,
    )}</ol>
    <p class="hint">${t("teacher.focus", { focus: focus.join(", ") })}</p>`;
}

function takes(teacher) {
  const past = html`<ul class="sessions">${teacher.heard.map(
    (each) => html`<li><span>${each.take_title || t("score.untitled")}</span><span>${Math.round(each.accuracy * 100)} %</span><span>${t("teacher.bpm", { bpm: number(each.take_bpm) })}</span><small>${date(each.created_at)}</small></li>`,
  )}</ul>`;
  if (!teacher.takes) {
    return html`<p class="hint">${t("teacher.compare-hint")}</p>
      ${past}
      <button class="small" ?disabled=${teacher.busy} @click=${() => teacher.findTakes()}>${t("teacher.choose-take")}</button>`;
  }
  if (!teacher.takes.length) return html`<p class="hint">${t("teacher.no-takes")}</p>`;
  return html`<form class="row" @submit=${(event) => {
      event.preventDefault();
      teacher.compare(new FormData(event.target).get("take"));
    }}><label>${t("teacher.take")}<select name="take">${teacher.takes.map((each) => html`<option value=${each.id}>${each.title || t("score.untitled")}</option>`)}</select></label>
      <button class="small" ?disabled=${teacher.busy}>${t("teacher.compare-now")}</button></form>
    ${teacher.compared ? compared(teacher.compared) : ""}${past}`;
}

function compared(found) {
  const figure = (name, value) => html`<div><dt>${t(`teacher.take.${name}`)}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
      ${figure("accuracy", `${Math.round(found.accuracy * 100)} %`)}${figure("tempo", t("teacher.bpm", { bpm: number(found.take_bpm) }))}
      ${figure("hit", `${found.hit} / ${found.strokes}`)}${figure("extra", found.extra)}
      ${figure("early", found.early)}${figure("late", found.late)}
    </dl>
    <ul class="said">${found.advice.map((each) => html`<li>${each}</li>`)}</ul>
    <table><thead><tr>${["limb", "hit", "extra", "mean", "spread"].map((name) => html`<th scope="col">${t(`teacher.take.${name}`)}</th>`)}</tr></thead>
      <tbody>${found.limbs.map(
        (limb) => html`<tr><th scope="row">${limb.limb}</th><td>${limb.hit} / ${limb.strokes}</td><td>${limb.extra}</td><td>${offset(limb.mean_ms)}</td><td>${limb.spread_ms == null ? "–" : `${number(limb.spread_ms)} ms`}</td></tr>`,
      )}</tbody></table>`;
}

const number = (value) => Number(value).toLocaleString(undefined, { maximumFractionDigits: 1 });
const offset = (ms) => (ms == null ? "–" : `${ms > 0 ? "+" : ""}${number(ms)} ms`);

/** Whatever the service said, in the order that it said it. */
function words(value) {
  if (value == null) return "–";
  if (Array.isArray(value)) return html`<ul>${value.map((each) => html`<li>${words(each)}</li>`)}</ul>`;
  if (typeof value === "object") {
    return html`<dl>${Object.entries(value).filter(([, each]) => each !== "" && each?.length !== 0).map(([name, each]) => html`<dt>${name.replaceAll("_", " ")}</dt><dd>${words(each)}</dd>`)}</dl>`;
  }
  return String(value);
}
