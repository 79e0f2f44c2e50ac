// Where the studio begins: the address decides what is shown.

import { html, render } from "./vendor/lit-html.js";
import { changes, isKnown, knownAs } from "./core/session.js";
import { t } from "./core/texts.js";
import * as theme from "./ui/theme.js";
import { complain, say } from "./ui/toast.js";
import { AccountView, registerView, signInView } from "./views/account.js";
import { HomeView } from "./views/home.js";
import { LibraryView } from "./views/library.js";
import { demoView, embedView, ownScoreView, sharedView } from "./views/score.js";
import { VideoView } from "./views/video.js";
import { topBar } from "./views/frame.js";

const made = (View) => (root, context) => new View(root, context);

/** Address, what shows it, whether one must be signed in. */
const ROUTES = [
  [/^\/$/, (root, context) => (isKnown() ? new LibraryView(root, context) : new HomeView(root)), false],
  [/^\/sign-in$/, signInView, false],
  [/^\/register$/, registerView, false],
  [/^\/demo$/, demoView, false],
  [/^\/account$/, made(AccountView), true],
  [/^\/videos\/(?<id>[\w-]+)$/, made(VideoView), true],
  [/^\/scores\/(?<id>[\w-]+)$/, ownScoreView, true],
  [/^\/s\/(?<token>[\w-]+)$/, sharedView, false],
  [/^\/embed\/(?<token>[\w-]+)$/, embedView, false],
];
const STUDIO = new Set(["", "videos", "scores", "demo", "sign-in", "register", "account", "s", "embed"]);

const app = document.querySelector("#app");
/** Inside other people's pages nothing is shown but the player. */
const EMBEDDED = location.pathname.startsWith("/embed/");
let view = null;
/** Who was signed in when the view was made. */
let madeFor = "";

class NotThere {
  constructor(root) {
    this.root = root;
  }

  start() {
    render(html`${EMBEDDED ? "" : topBar()}<main class="entrance" id="main"><h1>${t("app.not-there")}</h1><p><a href="/">${t("app.front-page")}</a></p></main>`, this.root);
  }

  stop() {}
}

function show() {
  view?.stop();
  madeFor = knownAs();
  const path = location.pathname.replace(/(.)\/+$/, "$1");
  const context = { go };
  let make = made(NotThere);
  for (const [pattern, maker, guarded] of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    if (guarded && !isKnown()) {
      go(`/sign-in?next=${encodeURIComponent(path)}`, { replace: true });
      return;
    }
    context.params = match.groups ?? {};
    make = maker;
    break;
  }
  // A root of its own for each view: what one drew is not the next one's to change.
  const root = document.createElement("div");
  root.className = "view";
  app.replaceChildren(root);
  document.title = t("app.name");
  scrollTo(0, 0);
  const first = view === null;
  view = make(root, context);
  Promise.resolve(view.start()).catch(failed);
  // Whoever goes by keys or by ear begins where the new view does, not at the top bar.
  const main = root.querySelector("main");
  if (!first && main && !main.contains(document.activeElement)) {
    main.tabIndex = -1;
    main.focus({ preventScroll: true });
  }
}

function go(path, { replace = false } = {}) {
  if (EMBEDDED && !path.startsWith("/embed/")) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  show();
}

function failed(error) {
  console.error(error);
  complain(error);
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target) return;
  const to = new URL(link.href);
  if (EMBEDDED) {
    Object.assign(link, { target: "_blank", rel: "noopener" });
    return;
  }
  if (to.origin !== location.origin || !STUDIO.has(to.pathname.split("/")[1])) return;
  event.preventDefault();
  go(to.pathname + to.search);
});
// A menu closes when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("popstate", show);
addEventListener("offline", () => say(t("app.offline"), { name: "network", kind: "warning", sticky: true }));
addEventListener("online", () => say(t("app.online"), { name: "network" }));
addEventListener("unhandledrejection", (event) => failed(event.reason));
changes.addEventListener("out", () => {
  say(t("account.signed-out"), { name: "session" });
  const here = location.pathname;
  if (here === "/") show();
  else if (ROUTES.some(([pattern, , guarded]) => guarded && pattern.test(here))) go(`/sign-in?next=${encodeURIComponent(here)}`, { replace: true });
});
changes.addEventListener("in", () => {
  // What is shown was somebody else's. Those two go on by themselves.
  if (madeFor !== knownAs() && !["/sign-in", "/register"].includes(location.pathname)) show();
});

theme.start();
show();
