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
  };
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    kept.write(on);
    show(on);
  });
  show(kept.read());
  bar.prepend(button);
});
