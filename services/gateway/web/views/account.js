// Coming in: register, sign in, and one's account.

import { html, render } from "../vendor/lit-html.js";
import { get, post, Problem, remove } from "../core/api.js";
import { begin, end, knownAs, settled } from "../core/session.js";
import { t, wordsFor } from "../core/texts.js";
import { confirm } from "../ui/dialog.js";
import { complain, say } from "../ui/toast.js";
import { topBar } from "./frame.js";

async function signIn(email, password) {
  await settled();
  begin(email, await post("/auth/login", { email, password, cookie: true }, { open: true }));
}

/** Only a place of this page: nobody's link leads away from here after signing in. Read as browsers
 * read it, to whom "/\elsewhere" is another house. */
function placeOf(next) {
  if (!next || !URL.canParse(next, location.href)) return "/";
  const to = new URL(next, location.href);
  return to.origin === location.origin && to.pathname !== location.pathname ? to.pathname + to.search : "/";
}

class Entrance {
  constructor(root, { go, kind }) {
    this.root = root;
    this.go = go;
    this.kind = kind;
    this.problem = null;
    this.busy = false;
  }

  start() {
    this.draw();
    this.root.querySelector("input")?.focus();
  }

  stop() {}

  async submit(event) {
    event.preventDefault();
    const given = new FormData(event.target);
    const [email, password] = [given.get("email"), given.get("password")];
    this.busy = true;
    this.problem = null;
    this.draw();
    try {
      await (this.kind === "register" ? this.#register(email, password) : signIn(email, password));
      this.go(placeOf(new URLSearchParams(location.search).get("next")), { replace: true });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
    } finally {
      this.busy = false;
      if (this.root.isConnected && this.problem) this.draw();
    }
  }

  async #register(email, password) {
    try {
      await post("/auth/register", { email, password }, { open: true });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 409) throw problem;
      // It may have been made a moment ago, and only the answer was lost, or the signing in.
      await signIn(email, password).catch((refused) => {
        throw refused.passing ? refused : problem;
      });
      return;
    }
    await signIn(email, password);
  }

  draw() {
    const { kind, problem } = this;
    const next = location.search;
    render(
      html`${topBar()}<main class="entrance" id="main">
        <h1>${t(`${kind}.title`)}</h1>
        <p>${t(`${kind}.about`)}</p>
        <form class="stack" @submit=${(event) => this.submit(event)}>
          <label>${t("account.email")}<input type="email" name="email" autocomplete="username" required maxlength="254" aria-describedby="entrance-problem"></label>
          <label>${t("account.password")}<input type="password" name="password" autocomplete=${kind === "register" ? "new-password" : "current-password"} required minlength=${kind === "register" ? 8 : 1} aria-describedby="entrance-problem"></label>
          <p id="entrance-problem" class="error" role="alert">${problem ? wordsFor(problem) : ""}</p>
          <button class="primary" ?disabled=${this.busy}>${t(`${kind}.go`)}</button>
        </form>
        ${kind === "register"
          ? html`<p>${t("register.instead")} <a href="/sign-in${next}">${t("account.sign-in")}</a></p>`
          : html`<p>${t("sign-in.instead")} <a href="/register${next}">${t("account.register")}</a></p>`}
        <p><a href="/demo">${t("home.try")}</a></p>
      </main>`,
      this.root,
    );
  }
}

export const signInView = (root, context) => new Entrance(root, { ...context, kind: "sign-in" });
export const registerView = (root, context) => new Entrance(root, { ...context, kind: "register" });

export class AccountView {
  constructor(root, { go }) {
    this.root = root;
    this.go = go;
    this.user = null;
  }

  async start() {
    this.draw();
    try {
      this.user = await get("/auth/me");
      this.draw();
    } catch (problem) {
      complain(problem);
    }
  }

  stop() {}

  async change(event) {
    event.preventDefault();
    const form = event.target;
    const given = new FormData(form);
    try {
      await post("/auth/change-password", { current_password: given.get("current"), new_password: given.get("new") });
      // Everybody is signed out by that, ourselves too.
      await signIn(knownAs(), given.get("new"));
      form.reset();
      say(t("account.changed"));
    } catch (problem) {
      complain(problem);
    }
  }

  async close() {
    if (!(await confirm(t("account.delete"), t("account.delete-about"), t("account.delete"), { dangerous: true }))) return;
    try {
      await remove(`/users/${this.user.id}`);
      await end();
      this.go("/", { replace: true });
    } catch (problem) {
      complain(problem);
    }
  }

  draw() {
    render(
      html`${topBar()}<main class="entrance" id="main">
        <h1>${t("account.title")}</h1>
        <p>${this.user?.email ?? knownAs()}</p>
        <h2>${t("account.change-password")}</h2>
        <form class="stack" @submit=${(event) => this.change(event)}>
          <input type="hidden" autocomplete="username" .value=${knownAs()}>
          <label>${t("account.current-password")}<input type="password" name="current" autocomplete="current-password" required></label>
          <label>${t("account.new-password")}<input type="password" name="new" autocomplete="new-password" required minlength="8"></label>
          <button>${t("account.change-password")}</button>
        </form>
        <h2>${t("account.delete")}</h2>
        <p>${t("account.delete-about")}</p>
        <button class="danger" ?disabled=${!this.user} @click=${() => this.close()}>${t("account.delete")}</button>
      </main>`,
      this.root,
    );
  }
}
