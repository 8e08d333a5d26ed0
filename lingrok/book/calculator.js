// The law of the support vectors (lingrok.quadrature_time), and controls for it on a page.
// Margins m are gamma/2 ||w||; distances |b| / ||w|| are in units of gamma/2, so b / m.
(() => {
  const tail = (q) => (z) => (1 + (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))) / q) ** -q;
  const LOSSES = { // the pull of a point whose margin is z, and the largest curvature
    "logistic": [(z) => 1 / (1 + Math.exp(z)), 0.25],
    "exponential": [(z) => Math.exp(-z), 1], // at the start: it has no bound
    "polynomial tail, p = 1": [tail(2), 0.2056],
    "polynomial tail, p = 2": [tail(3), 0.2181],
    "squared hinge": [(z) => 2 * Math.max(1 - z, 0), 2],
  };
  const GAUSS = [[-Math.sqrt(0.6), 5 / 18], [0, 8 / 18], [Math.sqrt(0.6), 5 / 18]];
  const range = (k, f) => Array.from({ length: k }, (_, i) => f(i + 1));
  const root = (f) => { // where f, which is above 0 before, is 0
    let low = 0, high = 1;
    while (f(high) > 0 && high < 1e18) high *= 2;
    for (let k = 0; k < 80; k++) {
      const middle = (low + high) / 2;
      if (f(middle) > 0) low = middle; else high = middle;
    }
    return (low + high) / 2;
  };
  // The cube's volume up to a distance from its centre, by the series for a sum of d uniforms
  const volume = (d) => {
    const scale = Math.sqrt(d) / 10, wave = 2 * Math.PI / d;
    if (d < 3) return (u) => u * scale - (d - 1) * (u * scale) ** 2 / 2;
    const terms = range(1500, (j) => [j * wave, (Math.sin(j * wave / 2) / (j * wave / 2)) ** d * 2 / (j * wave)])
      .filter(([, size]) => Math.abs(size) > 1e-13);
    return (u) => terms.reduce((sum, [k, size]) => sum + size * Math.sin(k * u * scale), u * scale);
  };

  const law = ({ gamma, n, many, few, d, loss, l2, momentum, rate, alpha = 10 }) => {
    const [pull, steepest] = LOSSES[loss], equal = many === few, speed = rate / (1 - momentum);
    // Planted points of both classes pull alike, which is the bias; together they move w
    const bias = (m) => (equal ? 0 : root((b) => many * pull(m + b) - few * pull(m - b)));
    const force = (m) => gamma ** 2 / (2 * n) * few * pull(m - bias(m));
    const margin = (distance) => (equal ? 0 : root((m) => bias(m) - distance * m));
    const critical = (distance) => (equal ? Infinity : force(margin(distance)) / margin(distance));
    // The penalty holds the force at `rest`: in u, where m = rest (1 - exp(-u)), all is smooth
    const rest = root((m) => force(m) - l2 * m);
    const walk = (places) => places.map(((from, steps) => (to) => {
      for (const [x, weight] of GAUSS) {
        const u = from + (to - from) * (1 + x) / 2, m = -rest * Math.expm1(-u);
        steps += weight * (to - from) * rest * Math.exp(-u) / (speed * (force(m) - l2 * m));
      }
      from = to;
      return steps;
    })(0, 0));
    const when = (distance) => {
      if (equal || l2 >= critical(distance)) return equal ? 0 : Infinity;
      const end = -Math.log1p(-margin(distance) / rest);
      return walk(range(100, (k) => end * k / 100))[99];
    };
    // On the shell a class is wrong up to the hyperplane's distance
    const edge = Math.min(alpha * gamma, 5 * Math.sqrt(d)), up = volume(d), first = up(gamma / 2);
    const accuracy = (distance) => (distance <= 1 ? 1
      : 1 - (up(Math.min(distance * gamma / 2, edge)) - first) / (up(edge) - first) / 2);
    const curve = () => {
      const mark = margin(1), start = -Math.log1p(-(mark && mark < rest ? mark : Math.min(1, rest / 2)) / rest);
      const places = range(240, (k) => Math.min(25, start * 10 ** ((k - 121) / 40))); // three decades to either side
      const margins = places.map((u) => -rest * Math.expm1(-u));
      return walk(places).map((steps, i) => {
        const distance = bias(margins[i]) / margins[i];
        return { margin: margins[i], steps, distance, accuracy: accuracy(distance) };
      });
    };
    // The other points, spread evenly beside the margin, add y (m*/m)^2 of the force at m* to it
    const others = (distance) => {
      const m = margin(distance), each = 1.05, top = 6 * m / gamma;
      let moment = 0;
      for (let z = 1e-3; z < top; z *= each) moment += z * z * pull(z) * Math.log(each);
      const y = 0.14 * (n - many - few) * gamma ** 3 * moment / (4 * m * m * n * force(m));
      return 1 - Math.sqrt(y) * Math.atan(1 / Math.sqrt(y)); // share of the time that is left
    };
    const curvature = steepest * 25 / 3 * (1 + Math.sqrt(d / n)) ** 2 + l2;
    const unstable = rate * curvature > 2 * (1 + momentum);
    const right = (share) => root((distance) => accuracy(distance) - share);
    return { when, critical, margin, accuracy, curve, others, unstable, right };
  };
  window.lingrokLaw = law;

  // Controls: what is shown, from, to, step, at first (in decades, where so), and a value from that
  const decades = (x) => Number((10 ** x).toPrecision(2));
  const CONTROLS = {
    gamma: ["margin γ", -4, -1, 0.05, -3, decades],
    n: ["points N", 2, 7, 0.05, 3.3, decades],
    planted: ["planted points", 0.3, 6, 0.02, 2.78, (x) => Math.round(decades(x))],
    imbalance: ["imbalance of the planted points", 1, 10, 0.1, 1.4, Number],
    d: ["dimension d", 0, 3, 0.1, 0.3, (x) => Math.round(decades(x))],
    l2: ["penalty λ of w", -13, -1, 0.1, -13, (x) => (x > -13 ? decades(x) : 0)],
    momentum: ["momentum β", 0, 0.99, 0.01, 0, Number],
    rate: ["learning rate η", -4, 1, 0.05, -2, decades],
  };
  const raised = (k) => [...String(k)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  const number = (x) => {
    if (x === 0 || (x >= 1e-3 && x < 1e4)) return String(Number(x.toPrecision(3)));
    const [digits, power] = x.toExponential(1).split("e");
    return `${digits} × 10${raised(Number(power))}`;
  };

  const say = (s, told) => {
    const most = told.right(0.95), [late, back] = [told.when(most), told.when(1)], critical = number(told.critical(most));
    const rest = s.n - s.planted, room = s.planted / s.d;
    const share = late > 0 && rest > 0 ? told.others(most) : 1;
    const lines = [];
    if (s.many === s.few) lines.push("<strong>No delay</strong> in the mean: as many points are planted in either class, so the mean bias is 0. Chance leaves one.");
    else if (late === Infinity) lines.push(`<strong>Never</strong>: the penalty is not below ${critical}, from where on it keeps the hyperplane away.`);
    else {
      lines.push(`<strong>T (95 %) = ${number(late)} steps</strong>: from then on 95 % of the concentrated test are right. (The paper's run
        has 10⁷ steps.) ${back < Infinity ? `T by distance = ${number(back)} steps: the hyperplane is back within the margin, and all are right.`
          : "The hyperplane never comes back within the margin."} From a penalty of ${critical} on, 95 % are never reached.`);
    }
    if (s.planted <= 2 * s.d) lines.push(`Of ${number(2 * s.d)} planted points or fewer, 2 d, both classes can be separated across the margin, and the theory ends.`);
    else if (s.many !== s.few && room < 50) lines.push(`Only ${number(room)} planted points a dimension: crowding makes it longer, which the law does not know.`);
    else if (share < 0.95) {
      const less = late - (1 - share) * law({ ...s, l2: 0 }).when(most);
      lines.push(`The law counts planted points only. The other ${number(rest)} push w as well, and ${late === Infinity ? "it bears more than this penalty with them."
        : `then it takes ${share < 0.2 ? "far fewer steps: the law does not hold here." : `about ${number(less)} steps to 95 %.`}`}`);
    }
    if (told.unstable) lines.push("Rate times curvature is above 2 (1 + β): descent is unstable.");
    return { late, back, words: `<p>${lines.join('</p><p class="note">')}</p>` };
  };

  // Two panels, one above the other, over five decades of steps
  const draw = (box, points, full, { late, back }) => {
    const width = Math.max(280, Math.min(full, 720)), left = 48, right = width - 18;
    const first = Math.round(Math.log10(points[120].steps)) - 3, end = first + 5;
    const x = (steps) => left + (right - left) * (Math.log10(steps) - first) / 5;
    const high = ({ accuracy }) => 148 - 230 * (accuracy - 0.5), deep = ({ distance }) => 290 - 30 * Math.log10(distance);
    const text = (at, y, words, anchor) => `<text x="${at}" y="${y}" text-anchor="${anchor}">${words}</text>`;
    const rule = (d, y, label) => `<path d="${d}" class="grid"/>${label && text(left - 6, y + 4, label, "end")}`;
    const curve = (name, y, kept) => (kept.length ? `<path class="${name}" d="M${kept.map((one) =>
      `${x(one.steps).toFixed(1)} ${y(one).toFixed(1)}`).join("L")}${kept.at(-1) === seen.at(-1) ? `H${right}` : ""}"/>` : "");
    const dot = (steps, y, below, words) => (steps >= 10 ** first && steps <= 10 ** end
      ? `<circle cx="${x(steps)}" cy="${y}" r="4"/>${text(x(steps) + 8, y + below, words, "start")}` : "");
    const seen = points.filter(({ steps }) => steps >= 10 ** first && steps <= 10 ** end);
    const parts = [text(left, 16, "accuracy on the concentrated test", "start"),
      text(left, 184, "distance of the hyperplane, half margins", "start"), text((left + right) / 2, 354, "step", "middle")];
    for (const accuracy of [0.5, 0.75, 1]) parts.push(rule(`M${left} ${high({ accuracy })}H${right}`, high({ accuracy }), `${100 * accuracy} %`));
    for (const k of [-1, 0, 1, 2, 3]) parts.push(rule(`M${left} ${deep({ distance: 10 ** k })}H${right}`, 290 - 30 * k, number(10 ** k)));
    for (let k = first; k <= end; k++) parts.push(rule(`M${x(10 ** k)} 26V154M${x(10 ** k)} 194V320`, 0, ""), text(x(10 ** k), 337, `10${raised(k)}`, "middle"));
    parts.push(curve("accuracy", high, seen), curve("distance", deep, seen.filter(({ distance }) => distance > 0.1 && distance < 1e3)),
      dot(late, high({ accuracy: 0.95 }), 16, "T (95 %)"), dot(back, deep({ distance: 1 }), -6, "T by distance"));
    box.setAttribute("viewBox", `0 0 ${width} 362`);
    box.setAttribute("width", width);
    box.innerHTML = parts.join("");
    const [start, stop, better] = [seen[0], seen.at(-1), seen.find(({ accuracy }) => accuracy > 0.51)];
    box.setAttribute("aria-label", `Two curves over steps. Accuracy on the concentrated test: ${number(100 * start.accuracy)} % at step
      ${number(start.steps)}${better && better !== start ? `, rising from step ${number(better.steps)} on` : ""}, ${number(100 * stop.accuracy)} % in the end.
      Distance of the hyperplane in half margins: from ${number(start.distance)} to ${number(stop.distance)}.`);
  };

  const build = (box) => {
    const slider = ([key, [name, min, max, step, value]]) => `<div><span>${name}: <output></output></span>
      <input type="range" name="${key}" aria-label="${name}" min="${min}" max="${max}" step="${step}" value="${value}"></div>`;
    const options = Object.keys(LOSSES).map((one) => `<option>${one}</option>`).join("");
    box.insertAdjacentHTML("afterbegin", `<div class="controls">${Object.entries(CONTROLS).map(slider).join("")}
      <div><span>loss</span><select name="loss" aria-label="loss">${options}</select></div></div>`);
    box.insertAdjacentHTML("beforeend", '<svg role="img"></svg>');
    box.dataset.ready = "";
    const show = () => {
      const s = { loss: box.querySelector("select").value };
      for (const [key, [, , , , , value]] of Object.entries(CONTROLS)) s[key] = value(box.querySelector(`[name=${key}]`).value);
      s.planted = Math.min(s.planted, s.n);
      s.few = Math.max(1, Math.min(Math.round(s.planted / (1 + s.imbalance)), Math.floor(s.planted / 2)));
      s.many = Math.max(1, s.planted - s.few);
      for (const key of Object.keys(CONTROLS)) {
        const words = key === "planted" ? `${number(s.planted)} (${number(s.many)} and ${number(s.few)})` : number(s[key]);
        box.querySelector(`[name=${key}]`).setAttribute("aria-valuetext", words);
        box.querySelector(`[name=${key}]`).parentNode.querySelector("output").textContent = words;
      }
      const told = law(s), result = say(s, told);
      box.querySelector(".result").innerHTML = result.words;
      draw(box.querySelector("svg"), told.curve(), box.clientWidth, result);
    };
    box.addEventListener("input", show);
    addEventListener("resize", show);
    show();
  };
  document.querySelectorAll(".lingrok-calculator:not([data-ready])").forEach(build);
})();
