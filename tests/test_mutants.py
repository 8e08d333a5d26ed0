"""The parts of tools/mutants.py that need no Cosmic Ray, which no lock file has."""

import ast

import mutants
import pytest

SOURCE = """
from functools import cache

Number: TypeAlias = int | float

@cache(maxsize=1)
def half(x: int | None = 2, *, strict: bool = False) -> float | None:
    if x < 1:
        raise ValueError(f"at least {1}, got {x + 1}")
    assert x > 0
    y: int | None = 3
    return sum(a * b for a, b in zip([x], [0.5], strict=True))

class Half:
    def __repr__(self):
        return "half" * 1
"""


def test_types_messages_and_assertions_are_left_alone():
    ignored = list(mutants.unjudged(SOURCE))
    kept = [
        node.value
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Constant)
        and not any(first <= (node.lineno, node.col_offset) < last for first, last in ignored)
    ]
    assert sorted(map(str, kept)) == ["0.5", "1", "2", "3", "False"]
    operators = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.BinOp)]
    open_to_change = [
        ast.unparse(node)
        for node in operators
        if not any(first <= (node.lineno, node.col_offset) < last for first, last in ignored)
    ]
    assert open_to_change == ["a * b"]


@pytest.mark.parametrize(
    ("operator", "foreign"),
    [
        ("core/ReplaceBinaryOperator_Mul_Add", False),
        ("core/ReplaceBinaryOperator_Mul_RShift", True),
        ("core/ReplaceBinaryOperator_BitAnd_BitOr", False),
        ("core/ReplaceComparisonOperator_Lt_LtE", False),
        ("core/ReplaceComparisonOperator_Lt_Is", True),
        ("core/ReplaceComparisonOperator_Is_IsNot", False),
        ("core/ReplaceUnaryOperator_USub_Invert", True),
        ("core/RemoveDecorator", True),
        ("core/NumberReplacer", False),
    ],
)
def test_slips_that_nobody_makes_are_left_out(operator, foreign):
    assert bool(mutants.FOREIGN.fullmatch(operator)) == foreign


def many(places=100, each=7):
    return [
        mutants.Mutant("data", (line, 4), f"operator {number}", None)
        for line in range(places)
        for number in range(each if line else 1000)
    ]


def test_the_sample_is_the_same_each_time_and_of_places():
    drawn = mutants.sample(many(), 30, seed=1)
    assert drawn == mutants.sample(reversed(many()), 30, seed=1)
    assert drawn != mutants.sample(many(), 30, seed=2)
    assert len({mutant.start for mutant in drawn}) == len(drawn) == 30
    assert len({mutant.operator for mutant in drawn}) > 3
    assert len(mutants.sample(many(), 1000, seed=1)) == 100


def test_every_module_of_the_core_is_judged():
    core = {path.stem for path in (mutants.ROOT / "lingrok").glob("*.py")} - mutants.NO_MUTANTS
    assert len(core) > 8
    for module in core:
        for name in mutants.judges(module):
            assert (mutants.ROOT / name).is_file()
    with pytest.raises(SystemExit, match="tests/test_nothing"):
        mutants.judges("nothing")


def test_the_table_counts_and_lists_survivors(monkeypatch):
    monkeypatch.setattr(mutants, "judges", lambda module: [f"tests/test_{module}.py"])
    spec = type("Spec", (), {"definition_name": "one"})
    outcomes = ["killed", "survived", "timeout", "killed"]
    found = [
        mutants.Judged(mutants.Mutant(module, (line, 0), "a", spec), outcome, "- x < 1\n+ x > 1")
        for module, line, outcome in zip("aabb", [3, 4, 5, 6], outcomes, strict=True)
    ]
    assert list(mutants.table(found))[2:] == [
        "| `a.py` | test_a | 2 | 1 | 0 | 1 | 50% |",
        "| `b.py` | test_b | 2 | 1 | 1 | 0 | 100% |",
        "| all |  | 4 | 2 | 1 | 1 | 75% |",
    ]
    [only] = mutants.survivors(found)
    assert "`lingrok/a.py:4`, in `one`" in only
    assert "  - x < 1\n  + x > 1\n" in only
