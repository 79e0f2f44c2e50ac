// The teacher's words and variations, where the ai service is installed.

import { html } from "../vendor/lit-html.js";
import { get, post } from "../core/api.js";
import { t } from "../core/texts.js";
import { trouble } from "../ui/trouble.js";

const KINDS = ["full_analysis", "pattern_analysis", "style_classification", "practice_instructions"];
/** The parts of an answer, in the order that they are read. */
const PARTS = ["pattern_analysis", "style_classification", "practice_instructions"];
const ABSENT = "service-not-installed";
const ENDED = new Set(["completed", "failed", "cancelled"]);
const POLL_MS = 1500;
const MOST_POLLS = 80;

export class Teacher {
  constructor(page) {
    this.page = page;
    this.state = "new";
    this.said = null;
    this.variations = null;
    this.problem = null;
    this.busy = false;
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
      this.page.draw();
    }
  }

  load() {
    if (this.state !== "new") return;
    this.state = "asked";
    this.#doing(async () => {
      this.said = partsOf(await get(`${this.root}/with-enhancements`));
    });
  }

  explain(kind) {
    return this.#doing(async () => {
      await this.#ended(await post(`${this.root}/enhance`, { enhancement_type: kind }));
      this.said = partsOf(await get(`${this.root}/with-enhancements`));
    });
  }

  vary() {
    return this.#doing(async () => {
      const answer = await this.#ended(await post(`${this.root}/variations`, {}));
      this.variations = answer?.variations ?? answer?.items ?? [];
    });
  }

  /** Wait for work that the service does in the background. */
  async #ended(answer) {
    for (let i = 0; answer?.job_id && !ENDED.has(answer.status) && i < MOST_POLLS; i++) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      answer = { ...(await get(`/jobs/${answer.job_id}`)), job_id: answer.job_id };
    }
    return answer;
  }
}

/** The parts that an answer has, by name. */
function partsOf(answer) {
  const said = answer?.enhancements ?? answer ?? {};
  return PARTS.filter((part) => said[part]).map((part) => [part, said[part]]);
}

export function teacherPanel(page) {
  const { teacher } = page;
  teacher.load();
  if (teacher.state === "absent") return html`<p>${t("teacher.absent")}</p>`;
  return html`<p>${t("teacher.about")}</p>
    <div class="palette">${KINDS.map((kind) => html`<button class="small" ?disabled=${teacher.busy} @click=${() => teacher.explain(kind)}>${t(`teacher.${kind}`)}</button>`)}</div>
    ${teacher.busy ? html`<p role="status">${t("teacher.thinking")}</p>` : ""}
    ${teacher.problem ? trouble(teacher.problem, teacher.again) : ""}
    ${(teacher.said ?? []).map(([part, said]) => html`<section class="said"><h3>${t(`teacher.${part}`)}</h3>${words(said)}</section>`)}
    <h3>${t("teacher.variations")}</h3>
    <button class="small" ?disabled=${teacher.busy} @click=${() => teacher.vary()}>${t("teacher.vary")}</button>
    <ul class="exports">${(teacher.variations ?? []).map(
      (each) => html`<li><span><strong>${each.title ?? each.name}</strong><small>${each.description ?? each.why ?? ""}</small></span>
        ${each.notation_id ? html`<a class="button small" href="/scores/${each.notation_id}">${t("teacher.open")}</a>` : ""}</li>`,
    )}</ul>`;
}

/** Whatever the service said, in the order that it said it. */
function words(value) {
  if (value == null) return "";
  if (Array.isArray(value)) return html`<ul>${value.map((each) => html`<li>${words(each)}</li>`)}</ul>`;
  if (typeof value === "object") {
    return html`<dl>${Object.entries(value).map(([name, each]) => html`<dt>${name.replaceAll("_", " ")}</dt><dd>${words(each)}</dd>`)}</dl>`;
  }
  return String(value);
}
