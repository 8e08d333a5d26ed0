"""Make data/delays.csv, or go on with it after a stop.

    python tools/record_delays.py [JOBS]

How long the concentrated test takes, predicted and measured, in all settings of the book: the runs
behind chapter 14. Which settings and how close a prediction has to be is fixed beforehand, in
data/delay-settings.csv; `python tools/record_delays.py settings` writes that file. Times that other
records have are taken from them, others are measured here.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from record_losses import LOSSES
from record_nets import sets as drawn
from record_noise import draw
from record_optimisers import DEEP, DEEPER, RULES
from record_optimisers import sets as oriented
from recording import PLANE, Setting, enter, rounded, swept
from tqdm import tqdm

from lingrok import (
    MeanField,
    accuracy,
    clock,
    critical_l2,
    crossing_time,
    depth_law,
    fast_forward,
    mean_field,
    minimiser,
    predicted_grokking_time,
    quadrature_time,
    records,
    rules,
)
from lingrok.data import Dataset
from lingrok.descent import Trajectory
from lingrok.kernels import circle, features
from lingrok.nets import Net, train
from lingrok.runs.recipes import Column

CUBE = ("n_pos", "n_neg", "sv_pos", "sv_neg", "d", "gamma", "lr", "alpha")
NOTHING = {"loss": "logistic", "l2": 0.0, "rule": "plain", "orientation": "diagonal", "depth": 1,
           "flips": 0, "kernel": "none"}  # fmt: skip
MOMENTA = {f"momentum {beta:g}": rules.HeavyBall(1e-2, beta) for beta in (0.9, 0.99)}
ALL_RULES = RULES | MOMENTA
# How far a predicted time may be off: what chapters ask for of a time or a clock, 10 % elsewhere
ALLOWED = {"planting": 0.1, "loss": 0.05, "penalty": 0.05, "rule": 0.1, "depth": 0.05,
           "kernel": 0.5, "noise": 0.1}  # fmt: skip
ADAPTIVE = 0.2  # Adam and RMSprop
FINE = np.unique(np.round(np.geomspace(1e3, 1e13, 401)).astype(np.int64))
STEPS = np.unique(np.round(np.geomspace(1, 1e14, 421)).astype(np.int64))


BASE = {"lr": 1e-2, "alpha": 10.0}
PLACES = {"plane": PLANE | BASE, "d = 16": DEEP | BASE, "d = 64": DEEPER | BASE}
KERNELS = ("polynomial, degree 2", "polynomial, degree 3", "Gaussian, width 5", "Gaussian, width 3",
           "Gaussian, width 2")  # fmt: skip


def settings() -> list[Setting]:
    """All settings, in the order of the chapters; what one does not name is as in the paper."""
    kinds = (planting, loss, penalty, rule, depth, kernel, noise)
    return [one for kind in kinds for one in kind()]


def setting(kind: str, name: str, cube: Setting, **rest: Any) -> Setting:
    """Complete a setting."""
    allowed = {"allowed": ADAPTIVE if name.startswith(("Adam", "RMS")) else ALLOWED[kind]}
    placed = {key: cube[key] for key in CUBE}
    return {"kind": kind, "name": name} | placed | NOTHING | allowed | rest


def planting() -> Iterator[Setting]:
    """All of chapters 3 and 7, but for lines that only count steps in other units."""
    for i, cube in enumerate(_unique(records.load("grokking-times"), ["family", *CUBE])):
        if cube["family"] != "lr":
            yield setting("planting", f"{cube['family']} {i}", cube)
    outside = records.load("outside-the-design")
    for cube in _unique(outside[outside["bias"] == 1], ["family", *CUBE]):
        yield setting("planting", f"outside: {cube['family']}", cube)
    yield setting("planting", "plane, 350 and 350", PLACES["plane"] | {"sv_neg": 350})


def loss() -> Iterator[Setting]:
    """All of chapter 9's."""
    for cube in _unique(records.load("losses"), ["loss", "family", *CUBE]):
        yield setting("loss", f"{cube['loss']}, {cube['family']}", cube, loss=cube["loss"])


def penalty() -> Iterator[Setting]:
    """Parts of the critical penalty, as in chapter 10."""
    for place, cube in PLACES.items():
        for part in (0.03, 0.1, 0.3, 0.5, 0.7, 0.9):
            l2 = float(f"{part * critical(cube):.3g}")
            yield setting("penalty", f"{part:g} of the critical one, {place}", cube, l2=l2)


def rule() -> Iterator[Setting]:
    """All of chapter 11's that have a clock and an end: not sign descent, and not AdamW."""
    for name in ALL_RULES:
        for place, cube in PLACES.items():
            turns: tuple[str, ...] = ("turned",)
            if name.startswith(("Adam", "RMS")) and place != "d = 64":
                turns = (
                    ("diagonal", "tilted", "turned") if place == "plane" else ("diagonal", "turned")
                )
            if name == "sign" or "decay" in name or (place != "plane" and name.startswith("Adam,")):
                continue
            for turn in turns:
                full = f"{name}, {place}, {turn}"
                yield setting("rule", full, cube, rule=name, orientation=turn)


def depth() -> Iterator[Setting]:
    """Deep linear nets as in chapter 13; those of 900 and 300 come to the edge of stability."""
    wide = PLANE | BASE | {"gamma": 1e-2}
    nets = {
        "margin 0.01": (wide, (2e-2, 6e-3, 3e-3)),
        "margin 0.01, 900 and 300": (wide | {"sv_pos": 900, "sv_neg": 300}, (2e-2, 6e-3, 3e-3)),
        "margin 0.003": (wide | {"gamma": 3e-3}, (3e-3, 1e-3, 5e-4)),
        "d = 16": (DEEP | BASE, (1e-2, 3e-3, 1.5e-3)),
    }
    for name, (cube, rates) in nets.items():
        for layers, lr in zip((2, 3, 4), rates, strict=True):
            yield setting("depth", f"{layers} layers, {name}", cube | {"lr": lr}, depth=layers)


def kernel() -> Iterator[Setting]:
    """Kernels of chapter 13, and two more."""
    for name in KERNELS:
        for separator in ("line", "circle"):
            full = f"{name}, {separator}"
            lr = 1e-3 if name == "polynomial, degree 3" else 1e-2  # its features are large
            yield setting("kernel", full, PLACES["plane"] | {"lr": lr}, kernel=full)


def noise() -> Iterator[Setting]:
    """Wrong labels, fewer than the critical number, as in chapter 12."""
    noisy = (
        (20_000, 2, 1e-2, (1, 2, 4, 6)), (200_000, 2, 3e-3, (2, 7, 14)),
        (200_000, 2, 1e-2, (10, 40, 80)), (200_000, 8, 1e-2, (10, 40, 80)),
    )  # fmt: skip
    for n, d, gamma, flips in noisy:
        classes = {"n_pos": n // 2, "n_neg": n // 2, "sv_pos": 7 * n // 40, "sv_neg": n // 8}
        for k in flips:
            name = f"{k} wrong of {n}, d = {d}, margin {gamma:g}"
            yield setting("noise", name, BASE | classes | {"d": d, "gamma": gamma}, flips=k)


def _unique(table: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    return table[names].drop_duplicates().to_dict("records")


def critical(cube: Setting) -> float:
    known = {name: cube[name] for name in CUBE if name != "lr"}
    return critical_l2(0.05, n=cube["n_pos"] + cube["n_neg"], **known)


def field(one: Setting, steps: int = 10**14, **rest: Any) -> MeanField:
    """Return the mean field of plain descent on such data."""
    cube = {name: one[name] for name in CUBE if name != "alpha"} | rest
    return mean_field(
        cube.pop("n_pos"), cube.pop("n_neg"), steps, **cube, loss=LOSSES[one["loss"]],
        l2=one["l2"], flips=int(one["flips"]), checkpoints=STEPS[steps >= STEPS],
    )  # fmt: skip


def predicted(one: Setting) -> float:
    """Predict the time from the mean field of the setting, and its rule's or its layers' clock."""
    plain = {} if one["rule"] == "plain" and one["depth"] == 1 else {"lr": 1e-2}
    path = field(one, **plain)
    time = predicted_grokking_time(path, eps=0.05, alpha=one["alpha"]).median
    if one["kernel"] != "none":
        # Step t is as accurate as the minimum under 1 / (lr t) is a factor later: the plain one's
        return foreseen(one["kernel"]) / one["lr"] * time / (1 / (one["lr"] * critical(one)))
    if not plain or not np.isfinite(time):
        return time
    # A set of its own, which no run has seen, for the curvature along the path; what the field has
    # across points to a drawn side, as chance makes it
    rng = np.random.default_rng(10**6)
    data, shell = turned(10**6, one)
    side = rng.standard_normal(data.d)
    side -= side @ data.w_true * data.w_true
    known = np.isfinite(path.along) & (path.steps <= 10 * time)
    w = np.outer(path.along, data.w_true) + np.outer(path.lateral, side / np.linalg.norm(side))
    run = Trajectory(
        path.steps[known], w[known], path.b[known], data.w_true, np.zeros(known.sum()), 0
    )
    if one["depth"] > 1:
        return _deep(one, run, data, shell, time)
    there = clock(run, ALL_RULES[one["rule"]], data=data)
    logs = np.log(run.steps), np.log(np.maximum(there, 1e-9))
    return float(np.exp(np.interp(np.log(time), *logs)))


def _deep(one: Setting, run: Trajectory, data: Dataset, shell: Dataset, time: float) -> float:
    """Predict a deep linear net's time from that of plain descent, its path, and one shell."""
    layers = int(one["depth"])
    net = depth_law(run, data, rate=one["lr"], lengths=(0.1 ** (1 / layers),) * layers)
    norm = np.linalg.norm(net.w, axis=1)
    # Plain descent is so far on its way in the median, and on this shell; the net swings, and is
    # worse on one side
    plain = crossing_time(run.steps, 1 - accuracy(run, shell), 0.05)
    logs = np.interp(np.log([time, plain]), np.log(run.steps), run.norm)
    middle, here = np.interp(logs, norm, net.steps)
    swung = crossing_time(net.steps, 1 - net.sides(shell).min(axis=0), 0.05)
    return float(swung * middle / here)


def limit(one: Setting) -> float:
    """Quadrature law of the support vectors, for what it knows; NaN for the rest."""
    if one["kernel"] != "none" or one["flips"] or one["l2"] or one["depth"] > 1 or (
        one["rule"] != "plain" and one["rule"] not in MOMENTA
    ):  # fmt: skip
        return np.nan
    time = quadrature_time(
        0.05, n=one["n_pos"] + one["n_neg"], sv_pos=one["sv_pos"], sv_neg=one["sv_neg"],
        gamma=one["gamma"], lr=one["lr"], alpha=one["alpha"], loss=LOSSES[one["loss"]],
    )  # fmt: skip
    return time * (1 - ALL_RULES[one["rule"]].momentum if one["rule"] in MOMENTA else 1)


def turned(seed: int, one: Setting) -> tuple[Dataset, Dataset]:
    """Draw a training set and a concentrated test, oriented as the setting says."""
    cube = {name: one[name] for name in (*CUBE[:4], "d", "gamma")}
    return oriented(seed, one["orientation"], **cube)


def foreseen(kernel: str) -> float:
    """Return 1 / lambda of the strongest penalty under which the minimum has 95 %, 4 fresh seeds.

    Not one of them is among those that are measured.
    """
    found = []
    for seed in range(100, 104):
        data, shell = mapped(kernel, seed)
        inverse, right = np.geomspace(1e4, 1e11, 71), []
        for one_over in inverse:
            try:
                one = minimiser(data, l2=(1 / one_over, 1 / one_over))
            except ValueError:  # so weak a penalty is lost in rounding
                break
            right.append(np.mean(shell.y * (shell.X @ one.w + one.b) > 0))
        found.append(crossing_time(inverse[: len(right)], 1 - np.array(right), 0.05))
    return float(np.median(found))


def mapped(kernel: str, seed: int) -> tuple[Dataset, Dataset]:
    """Draw what a kernel machine is trained on and tested with, in the kernel's features."""
    kind, _, separator = kernel.rpartition(", ")
    pair = circle(seed) if separator == "circle" else drawn(seed, **PLANE)[::2]
    return features(kind, *pair)


def measured(name: str, seed: int, **one: Any) -> dict[str, float]:  # noqa: ARG001 - a label
    """Measure the step from which on 95 % of the concentrated test are right."""
    if one["kernel"] != "none":
        data, shell = mapped(one["kernel"], seed)
        run = fast_forward(data, FINE[-1], lr=one["lr"], rtol=1e-3, checkpoints=FINE)
    elif one["flips"]:
        cube = {key: one[key] for key in ("sv_pos", "sv_neg", "d", "gamma")}
        data, shell = draw(one["flips"], seed, n=one["n_pos"] + one["n_neg"], **cube)
        run = fast_forward(data, 10**10, rtol=1e-4, checkpoints=FINE[FINE <= 10**10])
    elif one["depth"] > 1:
        data, shell = turned(seed, one)
        net = Net(one["d"], (2,) * (one["depth"] - 1), "linear", "last")
        start = net.start(seed=seed, balanced=0.1, along=data.y @ data.X)
        last = int(2.5 * one["until"])
        at = np.unique(np.round(np.geomspace(1, last, 400)).astype(np.int64))
        run = train(data, net, last, start=start, lr=one["lr"], checkpoints=at).trajectory()
    else:
        data, shell = turned(seed, one)
        momentum = {"rule": ALL_RULES[one["rule"]]} if one["rule"] != "plain" else {}
        run = fast_forward(data, FINE[-1], rtol=1e-5, l2=one["l2"], checkpoints=FINE, **momentum)
    time = crossing_time(run.steps, 1 - accuracy(run, shell), 0.05)
    return rounded({"time": time}, 6)


def recorded(one: Setting) -> np.ndarray | None:
    """Return the times that another record has of a setting, a number a seed; None if none has."""
    if one["kind"] == "planting":
        if one["name"] == "plane, 350 and 350":
            return None
        outside = one["name"].startswith("outside: ")
        table = records.load("outside-the-design" if outside else "grokking-times")
        family = one["name"].removeprefix("outside: ") if outside else one["name"].split()[0]
        table = table[(table["family"] == family) & (table["bias"] == 1 if outside else True)]
    elif one["kind"] == "loss":
        table = records.load("losses")
        table = table[table["loss"] == one["loss"]]
    elif one["rule"] in RULES:
        table = records.load("optimisers")
        table = table[(table["rule"] == one["rule"]) & (table["orientation"] == one["orientation"])]
        # The longest walks alone see the end of the slow ones
        long = one["rule"] in {"normalised", "RMSprop"} and one["d"] == 2
        table = table[(table["steps"] == 10**7) == long]
    else:
        return None
    names = [name for name in CUBE if name in table]
    same = (table[names] == [one[name] for name in names]).all(axis=1)
    return table.loc[same, "accuracy 0.05"].to_numpy()


def seeds(one: Setting) -> range:
    """Return as many seeds as a setting's spread and price allow."""
    large = one["kind"] == "noise" and one["n_pos"] > 10**4
    if one["kind"] == "depth" and not (one["d"] == 2 and one["gamma"] == 1e-2):
        return range(4)  # millions of steps
    many = 48 if one["kind"] == "penalty" else 24  # near the critical one a seed says little
    return range(8 if one["kind"] == "kernel" else 12 if large else many)


def write_settings() -> None:
    """Write the list of settings, which must not know a result."""
    table = pd.DataFrame(settings())
    words = {
        "kind": "what the setting varies", "name": "of the setting", "loss": "of the margin",
        "l2": "lambda of the penalty on w", "rule": "update rule", "depth": "layers",
        "flips": "wrong labels", "kernel": "its name and the separator",
        "allowed": "factor less one that a prediction may be off by",
        "orientation": "of the separator, as in optimisers.csv",
    }  # fmt: skip
    numbers = {"l2": "number", "allowed": "number", "depth": "integer", "flips": "integer"}
    own = {name: Column(numbers.get(name, "string"), what) for name, what in words.items()}
    enter(
        "record_delays.py settings", "delay-settings",
        "Settings whose delays chapter 14 predicts, a row a setting", table, seconds=0.0,
        key=["kind", "name"], own=own.get,
    )  # fmt: skip


def main(jobs: int = 2) -> None:
    began, rows = time.perf_counter(), []
    listed = records.load("delay-settings").to_dict("records")
    told = Parallel(n_jobs=jobs)(delayed(predicted)(one) for one in listed)
    for one, foretold in tqdm(list(zip(listed, told, strict=True))):
        times = recorded(one)
        if times is None:
            part = {key: value for key, value in one.items() if key not in {"kind", "allowed"}}
            until = foretold if one["depth"] > 1 else 0
            parts = [([part | {"until": until}], seeds(one))]
            times = swept("delays", measured, parts, jobs=jobs)["time"].to_numpy()
        low, high = np.quantile(times, (0.1, 0.9), method="inverted_cdf")
        found = {"predicted": foretold, "law": limit(one), "low": low, "measured": np.median(times),
                 "high": high}  # fmt: skip
        told_of = {name: one[name] for name in ("kind", "name", "allowed")}
        rows.append(told_of | {"seeds": len(times)} | rounded(found, 5))
    number = {
        "allowed": "factor less one that the prediction may be off by",
        "predicted": "step from which on 95 % are right, by the mean field and a clock",
        "law": "that by the quadrature law; NaN where it has nothing to say",
        "low": "10 % of seeds", "measured": "median over seeds", "high": "90 % of seeds",
    }  # fmt: skip
    columns = {
        "kind": Column("string", "what the setting varies"),
        "name": Column("string", "of the setting, as in delay-settings.csv"),
        "seeds": Column("integer", "runs"),
    } | {name: Column("number", what) for name, what in number.items()}
    enter(
        "record_delays.py", "delays", "Delays, predicted and measured, a row a setting",
        pd.DataFrame(rows), key=["kind", "name"], own=columns.get,
        seconds=time.perf_counter() - began,
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["settings"]:
        write_settings()
    else:
        main(*map(int, sys.argv[1:]))
