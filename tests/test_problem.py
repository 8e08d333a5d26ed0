"""Value, gradient and Hessian of every problem, by every way through the data."""

import multiprocessing
import os
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
from problems import blobs, central, planted, refuses
from scipy.optimize import approx_fprime

from lingrok import Dataset, _threads
from lingrok._threads import ThreadedRows
from lingrok.losses import (
    EXPONENTIAL,
    HINGE,
    LOGISTIC,
    SQUARED,
    SQUARED_HINGE,
    polynomial,
)
from lingrok.problem import Problem, one_blas_thread, sums_of

LOSSES = pytest.mark.parametrize(
    "loss", [LOGISTIC, EXPONENTIAL, HINGE, SQUARED_HINGE, SQUARED, polynomial(1.5)], ids=repr
)
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum"])
BIAS = pytest.mark.parametrize("bias", [True, False])
L2 = pytest.mark.parametrize("l2", [0.0, 0.3, (0.2, 0.5)])


@pytest.fixture(params=["copied", "chunked"])
def path(request, monkeypatch):
    """Both ways through the data: signed rows in memory, and chunks of 64 rows."""
    if request.param == "chunked":
        monkeypatch.setattr("lingrok.problem._SMALL", 0)
        monkeypatch.setattr("lingrok._sums._CHUNK", 1)
        monkeypatch.setattr("lingrok._threads._NEGLIGIBLE", -1.0)
    return request.param


@LOSSES
@REDUCTIONS
@BIAS
@L2
def test_the_value_is_what_the_definition_says(path, loss, reduction, bias, l2):  # noqa: ARG001
    data = blobs(150, 4, positive=0.3)
    theta = np.random.default_rng(1).standard_normal(4 + bias)
    w, b = theta[:4], theta[4] if bias else 0.0
    losses = loss.value(data.y * (data.X @ w + b))
    of_w, of_b = l2 if isinstance(l2, tuple) else (l2, 0.0)
    total = losses.mean() if reduction == "mean" else losses.sum()
    total += of_w / 2 * w @ w + of_b / 2 * b * b
    problem = Problem(data, loss=loss, l2=l2, bias=bias, reduction=reduction)
    assert problem.value(theta) == pytest.approx(total, rel=1e-13)


@LOSSES
@REDUCTIONS
@BIAS
@L2
def test_the_gradient_is_the_derivative_of_the_value(path, loss, reduction, bias, l2):  # noqa: ARG001
    problem = Problem(blobs(150, 4), loss=loss, l2=l2, bias=bias, reduction=reduction)
    theta = np.random.default_rng(1).standard_normal(4 + bias)
    gradient = problem.gradient(theta)
    near = np.abs(gradient).max()
    np.testing.assert_allclose(gradient, central(problem.value, theta), atol=1e-8 * near)
    forward = approx_fprime(theta, problem.value)  # scipy's own opinion
    np.testing.assert_allclose(gradient, forward, atol=1e-5 * near)


@LOSSES
@REDUCTIONS
@BIAS
@L2
def test_the_hessian_is_the_derivative_of_the_gradient(path, loss, reduction, bias, l2):
    problem = Problem(blobs(150, 4), loss=loss, l2=l2, bias=bias, reduction=reduction)
    theta = np.random.default_rng(2).standard_normal(4 + bias)
    hessian, expected = problem.hessian(theta), central(problem.gradient, theta)
    atol = (1e-8 if path == "copied" else 1e-6) * max(np.abs(expected).max(), 1e-3)  # float32
    np.testing.assert_allclose(hessian, expected, atol=atol)
    np.testing.assert_allclose(hessian, hessian.T, atol=atol)


@LOSSES
@L2
def test_both_at_once_are_the_two_and_count_as_such(path, loss, l2):  # noqa: ARG001
    theta = np.random.default_rng(3).standard_normal(5)
    problem = Problem(blobs(150, 4), loss=loss, l2=l2)
    gradient, hessian = problem.gradient_and_hessian(theta)
    assert (problem.gradients, problem.hessians) == (1, 1)
    np.testing.assert_allclose(gradient, problem.gradient(theta), rtol=1e-13)
    assert (problem.gradients, problem.hessians) == (2, 1)
    np.testing.assert_allclose(hessian, problem.hessian(theta), rtol=1e-13)
    assert (problem.gradients, problem.hessians) == (2, 2)


@BIAS
@LOSSES
def test_batches_add_up_to_the_whole(loss, bias):
    data = blobs(60, 3)
    theta = np.random.default_rng(3).standard_normal(3 + bias)
    for reduction in ("mean", "sum"):
        problem = Problem(data, loss=loss, l2=0.2, bias=bias, reduction=reduction)
        order = np.random.default_rng(4).permutation(60)
        parts = [problem.batch_gradient(theta, rows) for rows in np.split(order, 4)]
        np.testing.assert_allclose(np.mean(parts, axis=0), problem.gradient(theta), rtol=1e-12)
        assert problem.gradients == 5


def test_penalties_fall_on_w_or_on_both():
    data = blobs(20, 2)
    theta = np.array([1.0, -2.0, 3.0])
    free = Problem(data).gradient(theta)
    np.testing.assert_allclose(Problem(data, l2=0.5).gradient(theta) - free, [0.5, -1, 0])
    both = Problem(data, l2=(0.5, 0.1))
    np.testing.assert_allclose(both.gradient(theta) - free, [0.5, -1, 0.3])
    assert both.l2 == (0.5, 0.1)
    np.testing.assert_array_equal(both.decay, [0.5, 0.5, 0.1])


def test_hessian_of_large_data_leaves_out_a_thousandth(monkeypatch):
    data = planted(4000)
    theta = np.array([30.0, 30.0, 0.3])  # most points far behind the margin
    full = Problem(data).hessian(theta)
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    sparing = Problem(data).hessian(theta)
    assert np.abs(sparing - full).max() < 1e-3 * np.abs(full).max()
    monkeypatch.setattr("lingrok._threads._NEGLIGIBLE", 0.9)
    assert np.abs(Problem(data).hessian(theta) - full).max() > 1e-3 * np.abs(full).max()


@LOSSES
@BIAS
def test_several_gradients_at_once_are_each_of_them_and_count_as_such(path, loss, bias):  # noqa: ARG001
    problem = Problem(blobs(151, 4), loss=loss, l2=0.3, bias=bias)
    thetas = np.random.default_rng(3).standard_normal((5, 4 + bias))
    found = problem.gradients_at(thetas)
    assert problem.gradients == 5
    np.testing.assert_allclose(found, [problem.gradient(theta) for theta in thetas], rtol=1e-12)


@LOSSES
@BIAS
@pytest.mark.parametrize("few", [0, 1 << 18])
def test_several_of_both_at_once_are_each_of_them_and_count_as_such(
    path,  # noqa: ARG001
    monkeypatch,
    loss,
    bias,
    few,
):
    monkeypatch.setattr("lingrok.problem._FEW", few)
    monkeypatch.setattr("lingrok.problem._TOGETHER", 40)
    problem = Problem(blobs(151, 4), loss=loss, l2=0.3, bias=bias)
    thetas = np.random.default_rng(3).standard_normal((3, 4 + bias))
    gradients, hessians = problem.gradients_and_hessians(thetas)
    assert (problem.gradients, problem.hessians) == (3, 3)
    for theta, gradient, hessian in zip(thetas, gradients, hessians, strict=True):
        np.testing.assert_allclose(gradient, problem.gradient(theta), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(hessian, problem.hessian(theta), rtol=1e-12, atol=1e-14)


def test_several_gradients_read_large_data_once(monkeypatch):
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    read, margins = [], ThreadedRows._margins

    def counted(self, theta, part):
        read.append(len(self.data.X[part]))
        return margins(self, theta, part)

    monkeypatch.setattr(ThreadedRows, "_margins", counted)
    Problem(blobs(5_000, 3)).gradients_at(np.ones((8, 4)))
    assert sum(read) == 5_000


@BIAS
@pytest.mark.parametrize("n", [1, 3, 4, 199])
def test_a_compiled_pull_is_the_same_within_rounding(monkeypatch, n, bias):
    pytest.importorskip("numba")
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    monkeypatch.setattr("lingrok._sums._CHUNK", 1)
    problem = Problem(blobs(n, 5), bias=bias)
    for size in (1, 1e3):  # where exp overflows, too
        theta = size * np.random.default_rng(3).standard_normal(5 + bias)
        assert _threads._compiled() is not None
        once = problem.gradient(theta)
        with monkeypatch.context() as without:
            without.setattr(_threads, "_compiled", lambda: None)
            plain = problem.gradient(theta)
        np.testing.assert_allclose(once, plain, rtol=1e-12, atol=1e-15)


def test_a_rough_hessian_counts_points_by_their_weight(monkeypatch):
    """Late, few points have most of it, here one in four hundred: none of those may be lost."""
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    data = planted(40_000)
    theta = np.array([300.0, 300.0, 0.01])
    full = Problem(data).hessian(theta)
    rough = Problem(data).hessian(theta, rough=True)
    assert np.linalg.norm(rough - full, 2) < 0.2 * np.linalg.norm(full, 2)


def test_a_rough_hessian_keeps_few_points_of_most_weight(monkeypatch):
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    y = np.tile([1.0, -1.0], 500)
    X = np.c_[6 * y, np.random.default_rng(0).standard_normal(1000)]
    X[:10, 0] = 0  # half of the weight; all others are active, too
    problem, theta = Problem(Dataset(X, y)), np.array([1.0, 0.0, 0.0])
    full, rough = problem.hessian(theta), problem.hessian(theta, rough=True)
    assert np.linalg.norm(rough - full, 2) < 0.2 * np.linalg.norm(full, 2)
    assert rough[1, 1] == pytest.approx(full[1, 1], rel=0.2)


def test_points_without_curvature_have_no_hessian(monkeypatch):
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    problem = Problem(blobs(100, 2), loss=HINGE, l2=0.25)
    np.testing.assert_array_equal(problem.hessian(np.ones(3)), np.diag([0.25, 0.25, 0]))


def test_a_rough_hessian_is_good_to_a_tenth_with_hundreds_of_points_a_dimension(monkeypatch):
    data = planted(4000)
    theta = np.array([0.3, 0.2, 0.1])
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    full, rough = Problem(data).hessian(theta), Problem(data).hessian(theta, rough=True)
    assert 1e-3 < np.linalg.norm(rough - full, 2) / np.linalg.norm(full, 2) < 0.1
    few = planted(200)
    np.testing.assert_array_equal(
        Problem(few).hessian(theta, rough=True), Problem(few).hessian(theta)
    )


@BIAS
def test_chunks_change_nothing(monkeypatch, bias):
    data, theta = blobs(500, 3), np.random.default_rng(3).standard_normal(3 + bias)
    whole = Problem(data, bias=bias).gradient(theta)
    monkeypatch.setattr("lingrok._sums._CHUNK", 3 * 70)  # 7 chunks of 70 rows and one of 10
    few = Problem(data, bias=bias)
    assert [len(rows) for rows in few.sums.parts] == [70] * 7 + [10]
    np.testing.assert_allclose(few.gradient(theta), whole, rtol=1e-13)
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    np.testing.assert_allclose(Problem(data, bias=bias).gradient(theta), whole, rtol=1e-13)


def test_the_number_of_threads_changes_no_digit(monkeypatch):
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    monkeypatch.setattr("lingrok._sums._CHUNK", 3 * 70)
    data, theta = blobs(20_000, 3), np.array([0.3, -0.2, 0.1, 0.05])
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("lingrok._threads._threads", lambda n=threads: ThreadPoolExecutor(n))
        found.append(Problem(data).gradient_and_hessian(theta))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_large_data_are_not_copied(monkeypatch):
    data = blobs(20_000, 50)
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    monkeypatch.setattr("lingrok._sums._CHUNK", data.X.size // 256)
    tracemalloc.start()
    try:
        it = Problem(data)
        it.gradient(np.zeros(51))
        it.hessian(np.zeros(51))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < data.X.nbytes / 3


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2 if hasattr(os, "sched_getaffinity") else True,
                    reason="one core")  # fmt: skip
@pytest.mark.parametrize("of", ["gradient", "hessian"])
def test_chunks_of_wide_rows_keep_two_cores_at_work(of):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8_000, 1024))
    problem = Problem(Dataset(X, rng.choice([-1.0, 1.0], len(X))))
    theta, evaluate = rng.standard_normal(1025) / 100, getattr(problem, of)
    rows = np.split(X, 2)

    def busy(work):
        """Processor time and wall time."""
        wall, processor = time.perf_counter(), time.process_time()
        work()
        return np.array([time.process_time() - processor, time.perf_counter() - wall])

    with one_blas_thread(), ThreadPoolExecutor(2) as pool:

        def peer():  # two products that are known to run side by side
            list(pool.map(lambda part: [np.dot(part, theta[:-1]) for _ in range(4)], rows))

        ours, theirs = np.zeros(2), np.zeros(2)
        for _ in range(40):
            once = busy(lambda: evaluate(theta))
            if once[0] > 1.3 * once[1]:  # where threads wait for a lock it is 1
                return
            ours, theirs = ours + once, theirs + busy(peer)
    # Other programs have the cores: then at least as busy as what waits for nothing
    assert ours[0] / ours[1] > 0.75 * theirs[0] / theirs[1]


def _gradient_in_a_child(problem, theta, expected):
    sys.exit(not np.array_equal(problem.gradient(theta), expected))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    problem, theta = Problem(blobs(2000, 3)), np.ones(4)
    expected = problem.gradient(theta)  # which starts the parent's
    child = multiprocessing.get_context("fork").Process(
        target=_gradient_in_a_child, args=(problem, theta, expected)
    )
    child.start()
    child.join(30)
    hangs = child.is_alive()
    child.kill()
    assert not hangs
    assert child.exitcode == 0


def test_blas_has_its_threads_back_when_the_last_run_is_done():
    def threads():
        pools = threadpoolctl.threadpool_info()
        return {one["num_threads"] for one in pools if one["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(2):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        with first:
            assert threads() == {1}
            second.__enter__()  # begins within the first and ends after it
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == before


@pytest.mark.parametrize("z", [700.0, 745.0, 1e4, 1e300])
@pytest.mark.parametrize("label", [1.0, -1.0])
def test_extreme_margins_keep_their_sign(path, z, label):  # noqa: ARG001
    it = Problem(Dataset([[1000.0]], [label]))
    wrong = -it.gradient(np.array([-label * z / 1000, 0.0]))  # margin -z: the full pull
    np.testing.assert_allclose(wrong, [label * 1000, label], rtol=1e-15)
    right = -it.gradient(np.array([label * z / 1000, 0.0]))  # +z: exp(-z), as far as it goes
    assert np.isfinite(right).all()
    if z == 700:
        np.testing.assert_allclose(right, np.exp(-700) * np.array([1000, 1]) * label, rtol=1e-12)
    assert (right * label >= 0).all()
    for theta in (z / 1000, -z / 1000):
        hessian = it.hessian(np.array([theta, 0.0]))
        assert np.isfinite(hessian).all()
        assert (np.linalg.eigvalsh(hessian) >= -1e-300).all()


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"data": [[1.0]]}, "data", "list"),
        ({"loss": "logistic"}, "loss", "'logistic'"),
        ({"loss": None}, "loss", "None"),
        ({"l2": -1e-9}, "l2", "-1e-09"),
        ({"l2": np.nan}, "l2", "nan"),
        ({"l2": (1.0, -2.0)}, "l2", "-2.0"),
        ({"l2": (1.0, 2.0, 3.0)}, "l2", "(1.0, 2.0, 3.0)"),
        ({"l2": "1"}, "l2", "'1'"),
        ({"reduction": "average"}, "reduction", "'average'"),
        ({"bias": "yes"}, "bias", "'yes'"),
    ],
)
def test_refuses(wrong, name, value):
    arguments = {"data": blobs(5, 1)} | wrong
    with refuses(name, value):
        Problem(arguments.pop("data"), **arguments)


def test_sums_are_chosen_by_the_kind_of_data():
    with refuses("data", "str"):
        sums_of("points", LOGISTIC, True)
