"""Predictions beside a sweep: rows, errors and exponents against what one computes by hand."""

import numpy as np
import pytest

from lingrok import (
    bias_limit,
    grokking_bounds,
    mean_field,
    predicted_accuracy,
    predicted_grokking_time,
    records,
    sweep,
)
from lingrok.losses import EXPONENTIAL, SQUARED_HINGE, polynomial
from lingrok.runs.sweep import measured_times
from lingrok.theory.comparison import compare, slope

SETTING = {
    "n_pos": 200, "n_neg": 200, "sv_pos": 70, "sv_neg": 50, "d": 2, "gamma": 1e-2, "lr": 1e-2,
    "alpha": 5.0, "steps": 10**8,
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return sweep(measured_times, [SETTING, SETTING | {"gamma": 2e-2}], range(5))


@pytest.fixture(scope="module")
def compared(table):
    return compare(table)


def test_a_row_for_each_setting_eps_and_way(compared):
    times, accuracies = compared
    assert len(times) == 2 * (4 + 3)
    assert times.groupby("by")["eps"].unique().map(sorted).to_dict() == {
        "distance": [0, 0.01, 0.05, 0.2], "accuracy": [0.01, 0.05, 0.2],
    }  # fmt: skip
    assert set(times["planted"]) == {120}
    assert accuracies["step"].tolist() == [10.0**k for k in range(9)] * 2


@pytest.mark.parametrize("by", ["distance", "accuracy"])
def test_a_row_holds_medians_errors_and_predictions(table, compared, by):
    measured = table.loc[:4, f"{by} 0.05"].to_numpy()
    row = compared[0].query(f"by == '{by}' and eps == 0.05 and gamma == 0.01").iloc[0]
    setting = {name: value for name, value in SETTING.items() if name != "alpha"}
    predicted = predicted_grokking_time(
        mean_field(**setting), eps=0.05, alpha=5.0, by=by, n_test=20_000
    )
    assert (row["low"], row["predicted"], row["high"]) == (
        predicted.low, predicted.median, predicted.high,
    )  # fmt: skip
    assert row["measured"] == np.median(measured)
    assert row["error"] == pytest.approx(1.2533 * np.log(measured).std(ddof=1) / 5**0.5)
    assert row["within"] == np.mean((measured >= predicted.low) & (measured <= predicted.high))
    inside = {1: [], 2: []}
    scale = {"alpha": 5.0, "gamma": 1e-2}
    for factor, found in inside.items():
        for time, rho in zip(measured, table.loc[:4, "rho"], strict=True):
            log_delta = factor * bias_limit(70, 50)
            lower, upper = grokking_bounds(0.05, log_delta=log_delta, rho_bound=rho, **scale)
            found.append(lower <= time <= upper)
    assert row["inside"] == np.mean(inside[1])
    assert row["inside_doubled"] == np.mean(inside[2])
    assert row["formula"] == pytest.approx(np.exp(bias_limit(70, 50) / 1.9))
    assert row["lower"] < row["formula"] < row["upper"]


def test_bounds_with_half_the_bias_fail_where_those_with_all_of_it_hold(table):
    for excess, inside in ((0.5, [1, 1]), (1.5, [0, 1]), (2.5, [0, 0])):
        log_time = np.log(table["distance 0"]) - excess * bias_limit(70, 50)
        times, _ = compare(table.assign(rho=2 / table["gamma"] * log_time))
        row = times.query("by == 'distance' and eps == 0").iloc[0]
        assert [row["inside"], row["inside_doubled"]] == inside


def test_accuracies_are_means_beside_their_expectation(table, compared):
    row = compared[1].query("step == 1e5 and gamma == 0.02").iloc[0]
    measured = table.loc[5:, "at 1e5"]
    setting = {name: value for name, value in SETTING.items() if name != "alpha"}
    field = mean_field(**setting | {"gamma": 2e-2, "checkpoints": [10**5]})
    assert row["measured"] == measured.mean()
    assert row["error"] == pytest.approx(measured.std(ddof=1) / 5**0.5)
    assert row["predicted"] == pytest.approx(predicted_accuracy(field, alpha=5.0)[0], abs=1e-3)


def test_a_loss_is_compared_with_its_own_theory(table):
    times, accuracies = compare(table, loss=EXPONENTIAL)
    setting = {name: value for name, value in SETTING.items() if name != "alpha"}
    field = mean_field(**setting, loss=EXPONENTIAL)
    row = times.query("by == 'distance' and eps == 0 and gamma == 0.01").iloc[0]
    predicted = predicted_grokking_time(field, eps=0, alpha=5.0, by="distance")
    assert row["predicted"] == predicted.median
    row = accuracies.query("step == 1e5 and gamma == 0.01").iloc[0]
    expected = predicted_accuracy(field, alpha=5.0)
    assert row["predicted"] == np.interp(np.log(1e5), np.log(field.steps), expected)


def test_processes_change_nothing(table, compared):
    for here, there in zip(compared, compare(table, jobs=2), strict=True):
        assert there.equals(here)


def test_a_hyperplane_that_never_leaves_the_shell_has_no_time():
    # A gap as wide as the population's push: |b| / ||w|| stays below gamma/2 kappa
    times, _ = compare(sweep(measured_times, [SETTING | {"gamma": 2.0}], range(3)))
    assert "distance" not in set(times.get("by", []))


def test_an_exponent_and_its_interval():
    x = np.geomspace(1, 100, 50)
    exact = slope(x, 3 * x**-2)
    assert exact.value == pytest.approx(-2)
    assert exact.high - exact.low < 1e-9
    noise = np.random.default_rng(0).normal(0, 0.1, (400, 50))
    fits = [slope(x, 3 * x**-2 * np.exp(each)) for each in noise]
    covered = np.mean([fit.low <= -2 <= fit.high for fit in fits])
    assert covered == pytest.approx(0.95, abs=0.04)
    assert str(fits[0]).startswith(f"{fits[0].value:.3f} ± 0.0")


@pytest.mark.parametrize(
    ("name", "loss", "most"),
    [("squared hinge", SQUARED_HINGE, 0.04), ("tail of power 1", polynomial(1), 0.02)],
)
def test_the_theory_times_losses_with_kinks_and_tails(name, loss, most):
    table = records.load("losses")
    plane = table[(table["loss"] == name) & (table["family"] == "d = 2")].drop(columns="loss")
    times, accuracies = compare(plane, loss=loss)
    by_distance = times.query("by == 'distance'")
    np.testing.assert_allclose(by_distance["predicted"], by_distance["measured"], rtol=most)
    late = accuracies.query("step >= 1e3")
    np.testing.assert_allclose(late["predicted"], late["measured"], atol=0.01)
