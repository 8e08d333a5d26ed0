// One switch in the header opens all folded code, on every page, until it is switched off again.
document.addEventListener("DOMContentLoaded", () => {
  const folds = [...document.querySelectorAll("details.fold")];
  const bar = document.querySelector(".article-header-buttons");
  if (!folds.length || !bar) return;
  const kept = {
    read: () => { try { return localStorage.getItem("lingrok-code") === "shown"; } catch { return false; } },
    write: (on) => { try { localStorage.setItem("lingrok-code", on ? "shown" : "folded"); } catch { /* private */ } },
  };
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lingrok-code btn btn-sm";
  const show = (on) => {
    folds.forEach((one) => { one.open = on; });
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Fold code" : "Show code";
    // Nobody has to pass the buttons that copy code which is not shown
    document.querySelectorAll(".copybtn").forEach((one) => { one.tabIndex = on ? 0 : -1; });
  };
  window.addEventListener("load", () => show(button.getAttribute("aria-pressed") === "true"));
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    kept.write(on);
    show(on);
  });
  show(kept.read());
  bar.prepend(button);
});

// From the top of an article to what can be moved, past all links between.
document.addEventListener("DOMContentLoaded", () => {
  const title = document.querySelector("article.bd-article h1");
  // Of a calculator's sliders the first
  const controls = [...document.querySelectorAll("article input[type=range]:not(.lingrok-calculator div + div input)")];
  if (!title || !controls.length) return;
  const list = document.createElement("nav");
  list.className = "lingrok-skip";
  list.setAttribute("aria-label", "Controls of this page");
  controls.forEach((one, k) => {
    one.id ||= `control-${k + 1}`;
    const link = document.createElement("a");
    link.href = `#${one.id}`;
    link.textContent = `Skip to the slider: ${one.getAttribute("aria-label")}`;
    list.append(link);
  });
  title.after(list);
});

// From disk a page may not read the others, and the search would stop at its first result.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
