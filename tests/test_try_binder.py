"""What is measured of a command, and when it is stopped."""

import sys

import pytest
import try_binder

MB = 1024**2
HOLD = "import time; held = bytes(range(256)) * (400 * 2**20 // 256); time.sleep(0.2)"


def run(code, folder):
    return try_binder.run([sys.executable, "-c", code], folder)


@pytest.mark.parametrize("below", [False, True], ids=["the command", "a process below it"])
def test_peak_is_of_all_processes(tmp_path, below):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"
    took = run(code if below else HOLD, tmp_path)
    assert 400 * MB <= took.peak < 500 * MB
    assert took.processor > 0
    assert took.wrong == ""


def test_too_much_memory_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(try_binder, "MEMORY", 300 * MB)
    took = run(f"{HOLD}; import pathlib; pathlib.Path('after').touch()", tmp_path)
    assert took.peak > 300 * MB
    assert "memory" in took.wrong
    assert not list(tmp_path.glob("after"))


def test_what_a_failing_command_says_is_kept(tmp_path):
    wrong = run("print('before'); raise ValueError('reason')", tmp_path).wrong
    assert "before" in wrong
    assert "reason" in wrong


def test_settings_of_whoever_runs_it_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "surely_not_installed.py").touch()
    other = tmp_path / "folder"
    other.mkdir()
    assert "ModuleNotFoundError" in run("import surely_not_installed", other).wrong
