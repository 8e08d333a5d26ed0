"""Runs that are stopped: they go on to the same result, and take nobody else's state for theirs."""

import errno
import os
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from problems import planted, thetas

from lingrok import _state, collocation, fast_forward, flip_labels, gradient_descent
from lingrok.problem import Problem


class StopError(Exception):
    """In place of a kill."""


@pytest.fixture(autouse=True)
def _every_state(monkeypatch):
    monkeypatch.setattr(_state, "_SECONDS", 0.0)


@pytest.fixture
def stops(monkeypatch):
    """Count gradients, in all and between two states, and stop after a random number of them."""

    class Counter:
        def __init__(self):
            self.rng = np.random.default_rng(5)
            self.left, self.calls, self.interval, self.longest = np.inf, 0, 0, 0

        def drive(self, run, most):
            attempts = self.calls = self.interval = self.longest = 0
            while attempts < 1000:
                attempts += 1
                self.left = int(self.rng.integers(1, most))
                try:
                    return run(), attempts
                except StopError:
                    self.interval = 0
            return pytest.fail("it never gets on")

    counter, write = Counter(), _state.write

    def counted(evaluate):
        def counting(self, theta):
            if counter.left == 0:
                raise StopError
            counter.left -= 1
            counter.calls += 1
            counter.interval += 1
            counter.longest = max(counter.longest, counter.interval)
            return evaluate(self, theta)

        return counting

    def written(path, content):
        write(path, content)
        counter.interval = 0

    for evaluate in (Problem.gradient, Problem.gradients_at):
        monkeypatch.setattr(Problem, evaluate.__name__, counted(evaluate))
    monkeypatch.setattr(_state, "write", written)
    monkeypatch.setattr(collocation, "_FEW", 0)  # so that leaps are stopped, too
    return counter


def assert_same(run, other):
    np.testing.assert_array_equal(thetas(run), thetas(other))
    np.testing.assert_array_equal(run.error_estimate, other.error_estimate)
    assert run.gradient_evaluations == other.gradient_evaluations
    assert run.hessian_evaluations == other.hessian_evaluations


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(partial(fast_forward, planted(400), 1e6), id="leaps"),
        pytest.param(partial(fast_forward, planted(400, d=40), 1e5), id="leaps in 40 dimensions"),
        pytest.param(partial(fast_forward, planted(400), 1e4, lr=0.6), id="oscillating"),
        pytest.param(partial(gradient_descent, planted(400), 3000), id="every step"),
    ],
)
def test_a_stopped_run_ends_like_one_that_was_not_and_loses_one_interval_a_stop(
    run, stops, tmp_path
):
    whole = run()
    calls = stops.calls
    resumed, attempts = stops.drive(partial(run, state=tmp_path / "run.npz"), calls // 2)
    assert attempts > 3
    assert_same(resumed, whole)
    assert stops.calls <= calls + attempts * stops.longest
    assert stops.longest < calls / 3


@pytest.mark.parametrize("descend", [fast_forward, gradient_descent])
def test_a_finished_run_is_only_read(descend, stops, tmp_path):
    whole = descend(planted(200), 1000, state=tmp_path / "run.npz")
    stops.left = 0
    assert_same(descend(planted(200), 1000, state=tmp_path / "run.npz"), whole)


@pytest.mark.parametrize("descend", [fast_forward, gradient_descent])
@pytest.mark.parametrize(
    "other",
    [
        {"steps": 1001},
        {"lr": 0.011},
        {"bias": False},
        {"reduction": "sum", "lr": 1e-4},
        {"checkpoints": [10, 1000]},
        {"data": planted(200, seed=2)},
        {"data": planted(240)},
        {"data": replace(planted(200), gamma=2e-3)},
        {"data": flip_labels(planted(200), 1, seed=0)},
        {"data": flip_labels(planted(200), 1, seed=1)},
    ],
)
def test_refuses_the_state_of_another_run(descend, other, tmp_path):
    mine = {"data": planted(200), "steps": 1000, "state": tmp_path / "run.npz"}
    descend(**mine)
    with pytest.raises(ValueError, match=r"state must belong to this run, got .*run\.npz"):
        descend(**mine | other)


def test_refuses_the_state_of_another_tolerance_or_method(tmp_path):
    fast_forward(planted(200), 1000, state=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="belong to this run"):
        fast_forward(planted(200), 1000, rtol=1e-4, state=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="belong to this run"):
        gradient_descent(planted(200), 1000, state=tmp_path / "run.npz")


@pytest.mark.parametrize("part", [0, 0.3, 0.7, 0.99])
def test_refuses_a_truncated_state(part, tmp_path):
    path = tmp_path / "run.npz"
    fast_forward(planted(200), 1000, state=path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"damaged .*run\.npz.*remove it"):
        fast_forward(planted(200), 1000, state=path)


def test_refuses_a_pickle(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, run=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"damaged .*run\.npz"):
        fast_forward(planted(200), 1000, state=path)


def test_keeps_no_state_without_a_path(monkeypatch):
    monkeypatch.setattr(_state, "write", lambda *_: pytest.fail("wrote"))
    fast_forward(planted(200), 1000)
    gradient_descent(planted(200), 1000)


def test_does_not_write_at_every_one_of_many_checkpoints(monkeypatch, tmp_path):
    monkeypatch.setattr(_state, "_SECONDS", 60.0)
    written = []
    monkeypatch.setattr(_state, "write", lambda _, content: written.append(content))
    gradient_descent(planted(200), 1000, checkpoints=range(1, 1001), state=tmp_path / "run.npz")
    assert [len(np.load(BytesIO(content))["thetas"]) for content in written] == [1, 1000]


def test_a_failed_write_leaves_the_file_as_it_was(monkeypatch, tmp_path):
    path = tmp_path / "file"
    _state.write(path, b"before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_state.os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left .*{path}"):
        _state.write(path, b"after")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"before"


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    _state.write(path, b"before")
    with path.open("rb") as reader:  # who reads the old one goes on to
        _state.write(path, b"after it")
        assert reader.read() == b"before"
    assert path.read_bytes() == b"after it"
