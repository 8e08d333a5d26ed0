"""The explainer: one run to move through, drawn by Vega in the reader's browser, without a kernel.

The directive descends when the page is built, and puts what the charts show into it; the script
beside this file moves them. A still picture stands where scripts are off, and on paper.
"""

import base64
import html
import json
from pathlib import Path

import numpy as np
import vl_convert
from docutils import nodes
from scipy.special import expit
from sphinx.util.docutils import SphinxDirective

from lingrok import ensemble
from lingrok.book.style import BLUE, DARK, GREEN, LOOKS, RED

SEED, PLANTED, END = 0, {"sv_pos": 350, "sv_neg": 250}, 10**12
ENDS = {"1e7": 1e7, "1e12": 1e12}
READINGS = {"supremum": "its own supremum", "one": "1", "kept": "1, and kept"}
EPS = 0.05
# What the picture shows: half its height, in units of the separator's distance
VIEWS = {
    "near": ("near the separator", 0.1), "shell": ("the shell", 0.012), "cube": ("the cube", 7.2),
}  # fmt: skip
START = 2512  # near the peak of the distance
POWERS = "".join(f"'10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(c)] for c in str(k))}'," for k in range(13))
POINT = ("u", "z", "class", "train", "planted")
STEPS = {"labelExpr": f"[{POWERS[:-1]}][round(log(datum.value) / LN10)]", "tickCount": 6}


class Explainer(SphinxDirective):
    """A figure that moves; the content is its caption."""

    has_content = True

    def run(self):
        shown = data()
        box = nodes.raw("", page(shown, " ".join(self.content)), format="html")
        return [box]


def runs():
    """The run of seed 0, with a bias and without."""
    return {bias: ensemble([SEED], END, bias=bias, **PLANTED) for bias in (True, False)}


def data():
    """All that the charts show: points, both runs, who pulls, and times by every reading."""
    found, both = {}, runs()
    for bias, one in both.items():
        run, train = one.runs[0], one.sample.draw("train", SEED)
        across = train.w_true / np.linalg.norm(train.w_true)
        along = np.array([across[1], -across[0]])
        # What pushes the separator: y s(-z), summed over those that were planted and the others
        pull = train.y * expit(-train.y * (run.w @ train.X.T + run.b[:, None]))
        mine = np.where(train.planted, 1, 0)
        meets = one.phases()
        found["with" if bias else "without"] = {
            "along": rounded(run.w @ along), "across": rounded(run.w @ across), "b": rounded(run.b),
            "norm": rounded(run.norm), "distance": rounded(run.distance),
            "train": rounded(one.train[0]), "concentrated": rounded(one.concentrated[0]),
            "population": rounded(pull @ (1 - mine) / train.n),
            "planted": rounded(pull @ mine / train.n),
            "phases": [meets.unlearning, meets.generalisation] if bias else [],
            "times": {
                f"{reading} {end}": times(one, reading, until)
                for reading in READINGS for end, until in ENDS.items()
            },
        }  # fmt: skip
    one = both[True]
    points = []
    for name in ("train", "concentrated"):
        drawn = one.sample.draw(name, SEED)
        places = drawn.X @ np.stack([along, across], axis=1)
        kinds = np.where(drawn.y > 0, 1, -1)
        planted = drawn.planted if name == "train" else np.zeros(drawn.n, dtype=bool)
        points += [
            [float(f"{u:.3g}"), float(f"{z:.3g}"), int(kind), int(name == "train"), int(support)]
            for (u, z), kind, support in zip(places, kinds, planted, strict=True)
        ]
    return {"steps": one.steps.tolist(), "runs": found, "points": points}


def times(one, reading, until):
    """Times by a reading of definition 3.4; None for never."""
    time = one.times("concentrated", eps=EPS, reference=reading, until=until)[0]
    return [x if np.isfinite(x) else None for x in (time.t_train, time.t_test, time.zeta)]


def rounded(values):
    return [float(f"{one:.4g}") for one in np.asarray(values)]


def rule(name, **mark):
    """A rule across, at the value of a parameter."""
    return {
        "data": {"values": [{}]}, "transform": [{"calculate": name, "as": "at"},
                                                {"filter": "isValid(datum.at) && datum.at > 0"}],
        "mark": {"type": "rule", **mark},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }  # fmt: skip


def curve(field, colour, **mark):
    return {
        "data": {"name": "curves"}, "transform": [{"filter": "datum.bias == bias"}],
        "mark": {"type": "line", "color": colour, "strokeWidth": 2, "clip": True, **mark},
        "encoding": {
            "x": {"field": "step", "type": "quantitative",
                  "scale": {"type": "log", "domain": [1, END]}},
            "y": {"field": field, "type": "quantitative"},
        },
    }  # fmt: skip


def panel(title, height, *layers, scale=None, axis=None, last=False):
    """A chart over the step: phases behind, a cursor, and grey behind the end of the run."""
    shades = {
        "data": {"name": "shades"}, "transform": [{"filter": "datum.bias == bias"}],
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": {"field": "left", "type": "quantitative"}, "x2": {"field": "right"},
            "color": {"field": "shade", "type": "nominal", "scale": None},
        },
    }  # fmt: skip
    rest = {
        "data": {"values": [{}]},
        "transform": [{"calculate": "end", "as": "left"}, {"calculate": str(END), "as": "right"}],
        "mark": {"type": "rect", "color": "white", "opacity": 0.75, "clip": True},
        "encoding": {"x": {"field": "left", "type": "quantitative"}, "x2": {"field": "right"}},
    }
    cursor = rule("step", color=DARK, strokeWidth=1.5)
    layers = [dict(one) for one in layers]
    for one in layers:
        if "y" in one["encoding"]:
            y = {**one["encoding"]["y"], "title": title, **({"axis": axis} if axis else {})}
            if scale:
                y["scale"] = scale
            one["encoding"] = {**one["encoding"], "y": y}
    first = layers[0]["encoding"]["x"] = dict(layers[0]["encoding"]["x"])
    first["axis"] = {**STEPS, "title": "step"} if last else {"labels": False, "title": None,
                                                             "tickCount": 6}  # fmt: skip
    return {"width": 300, "height": height, "layer": [shades, *layers, rest, cursor]}


def chart(shown):
    """Draw it all as one specification of Vega-Lite."""
    curves = [
        {"bias": bias, "step": step, **{name: run[name][i] for name in
         ("b", "norm", "distance", "train", "concentrated")}}
        for bias, run in shown["runs"].items() for i, step in enumerate(shown["steps"])
    ]  # fmt: skip
    meets = [1, *shown["runs"]["with"]["phases"], END]
    shades = [
        {"bias": "with", "left": left, "right": right, "shade": shade}
        for left, right, shade in zip(meets, meets[1:], ("#ececec", "#d6d6d6", "#ffffff"),
                                      strict=False)
    ]  # fmt: skip
    points = [dict(zip(POINT, one, strict=True)) for one in shown["points"]]
    place = {
        "x": {"field": "u", "type": "quantitative", "title": "along the separator",
              "scale": {"domain": [-7.2, 11.2], "nice": False}, "axis": {"values": [-5, 0, 5]}},
        "y": {"field": "z", "type": "quantitative", "title": "distance from the separator",
              "scale": {"domain": [{"expr": "-half"}, {"expr": "half"}], "nice": False},
              "axis": {"tickCount": 5}},
    }  # fmt: skip
    line = {
        "data": {"values": [{"u": -7.2}, {"u": 7.2}]},
        "transform": [{"calculate": "-(b + along * datum.u) / across", "as": "z"}],
        "encoding": place,
    }
    pulls = {
        "data": {"values": [{"who": "population", "u": 8.4}, {"who": "planted", "u": 10.2}]},
        "transform": [
            {"calculate": "datum.who == 'population' ? population : planted", "as": "pull"},
            {"filter": "datum.pull != 0"},
            {"calculate": "-datum.pull * 0.7 * half", "as": "z"},
            {"calculate": "datum.z / 2", "as": "middle"},
            {"calculate": "0", "as": "from"},
            {"calculate": "datum.pull > 0 ? 180 : 0", "as": "angle"},
        ],
    }
    who = {"field": "who", "type": "nominal", "legend": None,
           "scale": {"domain": ["population", "planted"], "range": [BLUE, GREEN]}}  # fmt: skip
    plane = {
        "width": 300, "height": 330,
        "layer": [
            {"data": {"values": [{"low": -0.01, "high": 0.01}]},
             "mark": {"type": "rect", "color": RED, "opacity": 0.2, "clip": True},
             "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}},
            {"data": {"name": "points"}, "transform": [{"filter": "datum.train || half < 0.1"}],
             "mark": {"type": "point", "filled": True, "clip": True},
             "encoding": place | {
                 "size": {"condition": {"test": "datum.planted == 1", "value": 16}, "value": 8},
                 "opacity": {"condition": {"test": "datum.train == 1", "value": 0.8},
                             "value": 0.35},
                 "color": {"condition": {"test": "datum.class > 0", "value": BLUE},
                           "value": "#C07000"}}},
            {"data": {"values": [{}]},
             "mark": {"type": "rule", "color": DARK, "strokeDash": [4, 3]},
             "encoding": {"y": {"datum": 0}}},
            line | {"mark": {"type": "line", "color": RED, "strokeWidth": 3, "clip": True}},
            pulls | {"mark": {"type": "rule", "strokeWidth": 4, "clip": True},
                     "encoding": {"x": place["x"], "y": place["y"] | {"field": "from"},
                                  "y2": {"field": "z"}, "color": who}},
            pulls | {"mark": {"type": "point", "shape": "triangle-up", "filled": True,
                              "size": 150, "clip": True, "opacity": 1},
                     "encoding": {"x": place["x"], "y": place["y"], "color": who,
                                  "angle": {"field": "angle", "type": "quantitative",
                                            "scale": None}}},
            pulls | {"mark": {"type": "text", "angle": 270, "dy": -10, "fontSize": 12},
                     "encoding": {"x": place["x"], "y": place["y"] | {"field": "middle"},
                                  "text": {"field": "who"}, "color": {"value": DARK}}},
        ],
    }  # fmt: skip
    percent = {"domain": [0.45, 1.02], "nice": False}
    stack = [
        panel("accuracy", 120, curve("train", LOOKS["train"][0], strokeDash=[6, 3]),
              curve("concentrated", LOOKS["concentrated"][0]),
              rule("t_train", color=DARK, strokeDash=[2, 2]),
              rule("t_test", color=RED, strokeDash=[2, 2]), scale=percent),
        panel("distance", 60, curve("distance", DARK), axis={"tickCount": 3, "format": ".0e"},
              scale={"type": "log", "domain": [1e-7, 1], "clamp": True}),
        panel("b", 50, curve("b", DARK), axis={"tickCount": 3}),
        panel("‖w‖", 50, curve("norm", DARK), axis={"tickCount": 3, "format": ".0e"},
              scale={"type": "log"}, last=True),
    ]  # fmt: skip
    tenth = f"'10' + {raised('round(log(datum.value) / LN10)')}"
    for one in (stack[1], stack[3]):
        for layer in one["layer"]:
            if "axis" in layer["encoding"].get("y", {}):
                layer["encoding"]["y"]["axis"] = {"tickCount": 3, "labelExpr": tenth}
    i = shown["steps"].index(min(shown["steps"], key=lambda step: abs(step - START)))
    run = shown["runs"]["with"]
    most = max(abs(run["population"][i]), abs(run["planted"][i]))
    start = {
        "step": shown["steps"][i], "bias": "with", "half": VIEWS["near"][1], "end": END,
        **{name: run[name][i] for name in ("along", "across", "b")},
        "population": run["population"][i] / most, "planted": run["planted"][i] / most,
        **dict(zip(("t_train", "t_test"), run["times"]["kept 1e12"], strict=False)),
    }  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white", "padding": 4,
        "config": {"axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
                   "concat": {"spacing": 8}, "view": {"stroke": "#999999"},
                   "font": "DejaVu Sans, Verdana, sans-serif"},
        "params": [{"name": name, "value": value} for name, value in start.items()],
        "datasets": {"points": points, "curves": curves, "shades": shades},
        "hconcat": [plane, {"vconcat": stack}],
    }  # fmt: skip


def raised(power):
    """Expression of Vega for the raised digits of a small whole number."""
    digits = "['⁰','¹','²','³','⁴','⁵','⁶','⁷','⁸','⁹']"
    return f"({power} < 0 ? '⁻' : '') + {digits}[abs({power})]"


def page(shown, caption):
    """HTML of the figure: controls, a still picture, and what the script needs."""
    spec = chart(shown)
    still = vl_convert.vegalite_to_png(spec, scale=2)
    width, height = (int.from_bytes(still[i : i + 4], "big") // 2 for i in (16, 20))
    alt = (
        "Left, the points of the training set in a square that stands on its corner, the true "
        "separator across it, and the hyperplane parallel to it and below; two arrows say who "
        "pulls at the bias. Right, over the step: accuracies, distance, bias and norm, with the "
        "phases shaded and a cursor at the step."
    )
    # Points and curves once, and short: the script makes the data sets of them
    del spec["datasets"]["points"], spec["datasets"]["curves"]
    told = {**shown, "point": POINT, "views": VIEWS, "spec": spec}
    choices = {
        "bias": ("Bias", {"with": "with", "without": "without"}),
        "view": ("Picture of", {name: said for name, (said, _) in VIEWS.items()}),
        "reading": ("Measure against", READINGS),
        "end": ("The run ends at", dict.fromkeys(ENDS)),
    }
    first = {"reading": "kept", "end": "1e12"}
    selects = "".join(
        f'<label>{title} <select name="{name}">'
        + "".join(
            f'<option value="{value}"{" selected" * (first.get(name) == value)}>'
            f"{html.escape(text or power(value))}</option>"
            for value, text in values.items()
        )
        + "</select></label>"
        for name, (title, values) in choices.items()
    )
    data = json.dumps(told, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<figure class="lingrok-explainer" id="explainer"><div class="controls">'
        f'<label class="step"><span>Step: <output></output></span><input type="range" min="0" '
        f'max="{len(shown["steps"]) - 1}" aria-label="Step"></label>'
        f'<button type="button" aria-label="play or stop: step">play</button>{selects}</div>'
        f'<div class="chart" style="min-height: {height}px"><img alt="{html.escape(alt)}" '
        f'width="{width}" height="{height}" '
        f'src="data:image/png;base64,{base64.b64encode(still).decode()}"></div>'
        f'<p class="reading"></p><figcaption>{html.escape(caption)}</figcaption>'
        f'<script type="application/json">{data}</script>'
        f'<script defer src="../_static/explainer.js"></script></figure>'
    )


def power(value):
    return f"10{value.partition('e')[2].translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))} steps"


def copy(static):
    """Put the scripts beside the pages."""
    # Its names in a scope of their own: pages have a `_`, too
    bundle = f"(() => {{{vl_convert.javascript_bundle()}\n}})();\n"
    (static / "vega.js").write_text(bundle, encoding="utf-8")
    script = Path(__file__).with_name("explainer.js").read_text(encoding="utf-8")
    (static / "explainer.js").write_text(script, encoding="utf-8")
