// What a page of the book does besides its widgets: one theme for page and widgets, and words where nothing can be
// live. A classic script, so that it also runs on a page that was opened from a file.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  /** The widgets look for data-theme="dark" above them; "auto" is resolved here. */
  function follow() {
    const chosen = document.body.dataset.theme ?? "auto";
    root.dataset.theme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  }

  /**
   * What scrolls sideways can be reached by keyboard; what does not is no stop on the way. Widgets see to themselves.
   */
  function reachable() {
    for (const box of document.querySelectorAll(
      'article :is(pre, .table-wrapper, mjx-container[display="true"], .output.text_html > div)',
    )) {
      if (box.closest(".lmc")) continue;
      if (box.scrollWidth > box.clientWidth && !box.closest("details:not([open])")) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
      box.closest(".highlight, .output")?.classList.toggle("wide-code", box.matches("pre") && box.tabIndex === 0);
    }
  }

  /** A formula in a line scrolls where it is wider than its paragraph; every other stands on the line's baseline. */
  function formulas() {
    for (const formula of document.querySelectorAll('mjx-container:not([display="true"])')) {
      formula.classList.remove("wide");
      formula.classList.toggle("wide", formula.getBoundingClientRect().width > formula.parentElement.clientWidth);
    }
  }

  /** Furo's two drawers open by labels, which a keyboard does not reach: buttons stand in for them. */
  function drawers() {
    for (const label of document.querySelectorAll("label.nav-overlay-icon, label.toc-overlay-icon")) {
      const box = document.getElementById(label.htmlFor),
        button = document.createElement("button");
      button.type = "button";
      button.className = label.className;
      button.setAttribute("aria-label", box.id === "__toc" ? "On this page" : "Pages");
      button.append(...label.childNodes);
      button.addEventListener("click", () => {
        box.checked = !box.checked;
      });
      label.replaceWith(button);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const fit = () => {
      reachable();
      formulas();
    };
    fit();
    addEventListener("resize", fit);
    document.addEventListener("toggle", reachable, true); // what is unfolded may scroll
    addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(fit));
    drawers();
    follow();
    dark.addEventListener("change", follow);
    new MutationObserver(follow).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
    if (location.protocol === "file:") {
      const words = document.createElement("p");
      words.className = "from-file";
      words.setAttribute("role", "note");
      words.textContent =
        "This page was opened from a file: its widgets are still pictures and the search is off, because a " +
        "browser runs neither from a file. Serve the folder instead (python -m http.server, in it) and open the " +
        "address that it prints.";
      document.querySelector("article")?.prepend(words);
    }
  });
})();

/** Keep the book for a day without a network, once the page has nothing else to do; a new edition as well. */
async function keepForLater() {
  const { serviceWorker } = navigator;
  if (!serviceWorker || !isSecureContext || navigator.connection?.saveData) return;
  const python = (worker) => document.querySelector(".tag_lm-check, .tag_lm-run") && worker.postMessage("python");
  serviceWorker.addEventListener("controllerchange", () => python(serviceWorker.controller));
  try {
    const registration = await serviceWorker.register(new URL("sw.js", location.href));
    python((await serviceWorker.ready).active);
    await registration.update();
  } catch {
    // a host or a browser that has none: the book works with a network
  }
}
addEventListener("load", () => setTimeout(keepForLater, 3000));
