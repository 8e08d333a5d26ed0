// Moves the explainer: from its controls to the parameters of its chart, and to what it says.
document.querySelectorAll(".lingrok-explainer").forEach((figure) => {
  const { steps, runs, points, point, views, spec } = JSON.parse(figure.querySelector("script").textContent);
  const [slider, button] = ["input", "button"].map((one) => figure.querySelector(one));
  const choice = (name) => figure.querySelector(`select[name=${name}]`).value;
  const raised = (k) => [...String(k)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  const number = (x) => {
    if (x !== 0 && (Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3)) {
      const [digits, power] = x.toExponential(1).split("e");
      return `${digits} × 10${raised(Number(power))}`.replace("-", "−");
    }
    return String(Number(x.toPrecision(3))).replace("-", "−");
  };
  const when = (x) => (x === null ? "never" : `at step ${number(x)}`);
  spec.datasets.points = points.map((one) => Object.fromEntries(point.map((name, k) => [name, one[k]])));
  spec.datasets.curves = Object.entries(runs).flatMap(([bias, run]) => steps.map((step, i) => ({
    bias, step, b: run.b[i], norm: run.norm[i], distance: run.distance[i],
    train: run.train[i], concentrated: run.concentrated[i],
  })));
  let view = null;
  const show = () => {
    const i = Number(slider.value), run = runs[choice("bias")], end = Number(choice("end"));
    const [train, test, zeta] = run.times[`${choice("reading")} ${choice("end")}`];
    const step = number(steps[i]);
    figure.querySelector("output").textContent = step;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    const most = Math.max(Math.abs(run.population[i]), Math.abs(run.planted[i])) || 1;
    const late = steps[i] > end ? " (after the end of the run)" : "";
    figure.querySelector(".reading").textContent =
      `At step ${step}${late}: concentrated accuracy ${number(run.concentrated[i])}, training ` +
      `${number(run.train[i])}; b = ${number(run.b[i])}, ‖w‖ = ${number(run.norm[i])}, distance ` +
      `${number(run.distance[i])}. ` + (choice("bias") === "with" ? "Pull on b: population " +
      `${number(run.population[i])}, planted points ${number(run.planted[i])}. ` : "") +
      `By this definition training gets there ${when(train)}, the test ${when(test)}` +
      (zeta === null ? "." : `: ζ = ${number(zeta)}.`);
    if (!view) return;
    const now = {
      step: steps[i], bias: choice("bias"), half: views[choice("view")][1], end,
      along: run.along[i], across: run.across[i], b: run.b[i],
      population: choice("bias") === "with" ? run.population[i] / most : 0,
      planted: choice("bias") === "with" ? run.planted[i] / most : 0,
      t_train: train, t_test: test,
    };
    for (const [name, value] of Object.entries(now)) view.signal(name, value);
    view.run();
  };
  const start = () => {
    const chart = figure.querySelector(".chart"), width = chart.clientWidth;
    const [plane, stack] = spec.hconcat;
    // Beside the panels axes and labels take some 60 pixels each
    const narrow = width < 560, each = narrow ? width - 75 : (width - 140) / 2;
    [plane, ...stack.vconcat].forEach((one) => { one.width = each; });
    if (narrow) { spec.vconcat = [plane, stack]; delete spec.hconcat; plane.height = each; }
    const box = document.createElement("div");
    vegaEmbed(box, spec, { mode: "vega-lite", actions: false, renderer: "canvas", tooltip: false })
      .then((made) => {
        view = made.view;
        box.querySelector("canvas").setAttribute("role", "img");
        box.querySelector("canvas").setAttribute("aria-label", chart.querySelector("img").alt);
        chart.replaceChildren(box);
        figure.dataset.ready = "";
        show();
      });
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "play"; };
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (slider.value === slider.max) slider.value = 0;
    button.textContent = "stop";
    // Where motion is unwelcome it goes by decades, a second each
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const perDecade = Math.round((steps.length - 1) / Math.log10(steps[steps.length - 1]));
    timer = setInterval(() => {
      slider.value = Number(slider.value) + (calm ? perDecade : 1);
      show();
      if (slider.value === slider.max) stop();
    }, calm ? 1000 : 60);
  });
  slider.value = steps.findIndex((one) => one >= 2500);
  slider.addEventListener("input", show);
  figure.querySelectorAll("select").forEach((one) => one.addEventListener("change", show));
  show();
  new IntersectionObserver((seen, watch) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    watch.disconnect();
    const script = document.createElement("script");
    script.src = new URL("vega.js", document.querySelector('script[src$="explainer.js"]').src);
    script.addEventListener("load", start);
    document.head.append(script);
  }, { rootMargin: "400px" }).observe(figure);
});
