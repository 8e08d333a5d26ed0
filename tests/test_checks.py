"""Wrong arguments are named, with their value, whatever their type."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from problems import refuses

from lingrok import _checks
from lingrok._format import number, short

NUMBERS = (_checks.number, _checks.positive, _checks.at_least_zero, _checks.share, _checks.count)
NO_NUMBERS = (
    "1",
    b"1",
    1j,
    1 + 0j,
    np.complex64(1),
    True,
    np.True_,
    None,
    [1.0],
    np.array(["1"])[0],
)
NO_NUMBERS += (np.array([1.0]), np.array("1"), np.array("1", dtype=object), {}, 10**400)


@pytest.mark.parametrize("check", [*NUMBERS, lambda _, value: _checks.alpha(value)])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_a_number_is_no_string_complex_boolean_or_array(check, value):
    with refuses("alpha", repr(value)[-40:]):
        check("alpha", value)


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2), Decimal("0.5")]
)
def test_any_real_number_will_do(value):
    for check in (_checks.number, _checks.positive, _checks.at_least_zero, _checks.share):
        assert check("x", value) == 0.5
        assert type(check("x", value)) is float
    assert _checks.count("n", 1e7) == 10_000_000
    assert _checks.count("n", np.int32(3)) == 3


@pytest.mark.parametrize("value", [0.5, 0.0, -1, np.nan, np.inf])
def test_a_shell_has_its_outer_edge_beyond_the_inner_one(value):
    with refuses("alpha", repr(value)):
        _checks.alpha(value)
    assert _checks.alpha(0.51) == 0.51


@pytest.mark.parametrize(
    "value",
    [
        ["1", "1e2"], [1j, 2.0], [b"1"], [[1], [1, 2]], ["1", 2.0], np.array(["1"], dtype=object),
        np.array([1j], dtype=object), np.array(["2026-01-01"], dtype="datetime64[D]"), [10**400],
    ],
    ids=repr,
)  # fmt: skip
def test_an_array_is_of_numbers(value):
    with refuses("steps", repr(value)):
        _checks.finite("steps", value, 1)


def test_arrays_of_any_real_numbers_become_floats():
    for value in ([1, 2], [True, False], np.float32([1, 2]), [Fraction(1, 2), 1], range(3)):
        array = _checks.finite("steps", value, 1)
        assert array.dtype == np.float64
        assert array.tolist() == [float(one) for one in value]


def test_numbers_are_written_short_and_infinities_with_their_sign():
    values = (np.inf, -np.inf, 0, -2e-7)
    assert [number(value) for value in values] == ["never", "-inf", "0", "-2.0e-7"]
    assert [short(text) for text in ("1e+09", "1e-06", "1e+100", "-2.5e-10", "0.5")] == [
        "1e9", "1e-6", "1e100", "-2.5e-10", "0.5",
    ]  # fmt: skip
