// The teacher's page: one widget fills the window, and keys go to the next. The widget itself is moved, not copied,
// so that what was set up on the page is what the class sees.
import { packState } from "./widgets/lib/share.js";

const solos = [...document.querySelectorAll(".solo")];
const make = (tag, props, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

const button = (text, name, onclick) => {
  const node = make("button", { type: "button", textContent: text, title: name, onclick });
  if (text.length === 1) node.setAttribute("aria-label", name);
  return node;
};
const where = make("span", { className: "where" });
where.setAttribute("role", "status");
const states = make("select", { onchange: () => prepare(at, states.selectedIndex - 1) });
states.setAttribute("aria-label", "Prepared states");
const body = make("div", { className: "stage-body", tabIndex: 0 });
body.setAttribute("role", "region");
body.setAttribute("aria-label", "The widget");
let at = -1,
  zoom = 1.25;

const step = (by) => show((at + by + solos.length) % solos.length);
const resize = (by) => {
  zoom = Math.min(2.5, Math.max(0.75, zoom + by));
  body.style.setProperty("--stage-zoom", zoom);
};
const wide = () =>
  (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {
    where.textContent = "This browser does not give the whole screen here.";
  });
const stage = make(
  "dialog",
  { className: "stage" },
  make(
    "div",
    { className: "stage-bar" },
    button("◀", "previous widget (←)", () => step(-1)),
    button("▶", "next widget (→)", () => step(1)),
    where,
    states,
    button("−", "smaller (−)", () => resize(-0.125)),
    button("+", "larger (+)", () => resize(0.125)),
    button("Whole screen", "the whole screen (F)", wide),
    button("Close", "back to the page (Esc)", () => stage.close()),
  ),
  body,
);
stage.setAttribute("aria-label", "One widget");
document.body.append(stage);

/** Put a widget into a prepared state: the k-th of its list, or with -1 the notebook's own. */
function prepare(which, k) {
  solos[which].chosen = k + 1;
  const link = solos[which].querySelectorAll("a.prepared")[k];
  (which === at ? body : solos[which])
    .querySelector("[data-lm-widget]")
    .show?.(link ? JSON.parse(link.dataset.state) : {});
}

/** Put the widget that is shown back into the page. */
function putBack() {
  if (at < 0) return;
  solos[at].append(body.firstElementChild, solos[at].querySelector(":scope > .solo-stage") ?? "");
}

const LARGE = 1.25,
  LEAST = 16 / 14; // text of 16 px

/**
 * As large as a projector asks for, and a little less where the whole widget then fits, or else all down to its reading
 * line: but never with text of less than 16 px.
 */
function fit() {
  resize(LARGE - zoom);
  const reading = body.querySelector(".lmc-reading"),
    top = body.getBoundingClientRect().top - body.scrollTop;
  const first = reading ? reading.getBoundingClientRect().bottom - top : body.scrollHeight;
  const fitting = [body.scrollHeight, first].map((high) => Math.floor((32 * LARGE * body.clientHeight) / high) / 32);
  const [whole, start] = fitting.map((least) => Math.min(LARGE, least));
  resize((whole >= LEAST ? whole : Math.max(LEAST, start)) - zoom);
}

function show(k) {
  putBack();
  at = k;
  const solo = solos[k],
    list = solo.querySelector(":scope > .states");
  body.replaceChildren(solo.querySelector(".solo-stage"));
  body.scrollTop = 0;
  where.textContent = `${k + 1} of ${solos.length} · ${solo.dataset.from}`;
  const links = [...(list?.querySelectorAll("a") ?? [])];
  states.hidden = links.length === 0;
  states.replaceChildren(
    make("option", { textContent: "as in the notebook" }),
    ...links.map((link) => make("option", { textContent: link.textContent })),
  );
  states.selectedIndex = solo.chosen ?? 0;
  history.replaceState(null, "", `?show=${solo.id}${location.hash.startsWith(`#${solo.id}=`) ? location.hash : ""}`);
  if (!stage.open) stage.showModal();
  fit();
}

stage.addEventListener("close", () => {
  const solo = solos[at];
  putBack();
  at = -1;
  history.replaceState(null, "", location.pathname);
  solo.scrollIntoView();
  solo.querySelector("a.present").focus();
});

/** Keys of a control stay with it; isolateKeys in base.js keeps most of them inside the widget as it is. */
addEventListener("keydown", (event) => {
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea"))
    return;
  const act = {
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    PageDown: () => step(1),
    PageUp: () => step(-1),
    f: wide,
    "+": () => resize(0.125),
    "-": () => resize(-0.125),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});
// The whole screen is laid over a dialog that was open before: open it again, above.
document.addEventListener("fullscreenchange", () => {
  if (stage.open) {
    const k = at;
    stage.close();
    show(k);
  }
});

solos.forEach((solo, k) => {
  solo.querySelector("[data-lm-widget]").dataset.lmName = solo.id; // its name in links, wherever it is moved
  solo.querySelector("a.present").onclick = (event) => {
    event.preventDefault();
    show(k);
  };
  solo.querySelectorAll("a.prepared").forEach((link, which) => {
    link.onclick = (event) => {
      event.preventDefault();
      prepare(k, which);
      show(k);
    };
    packState(JSON.parse(link.dataset.state)).then(
      // an address to hand on, where the state is short enough for one
      (text) => {
        link.href = `?show=${solo.id}#${solo.id}=${text}`;
      },
      () => {},
    );
  });
});
const wanted = solos.findIndex((solo) => solo.id === new URLSearchParams(location.search).get("show"));
if (wanted >= 0) show(wanted);
