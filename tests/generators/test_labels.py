import pytest
import torch

from ganvas.errors import LatentError
from ganvas.generators.labels import class_number, one_hot, parse_label

NAMES = ("tench, Tinca tinca", "goldfish", "great white shark, white shark", "tiger shark", "crane", "crane, machine")
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("label", "numbers"),
    [
        (3, [3, 3]),
        ("goldfish", [1, 1]),
        ([1, "tiger shark"], [1, 3]),
        (torch.tensor([0, 5]), [0, 5]),
        ((2,), [2, 2]),
        (torch.eye(6)[[4, 1]], [4, 1]),
    ],
)
def test_labels_are_numbers_names_lists_or_tensors(label, numbers: list[int]) -> None:
    assert torch.equal(one_hot(label, 2, 6, CPU, NAMES), torch.eye(6)[numbers])


def test_soft_rows_are_taken_as_they_are() -> None:
    mixed = torch.tensor([[0.3, 0.7]])
    assert torch.equal(one_hot(mixed, 1, 2, CPU), mixed)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("TENCH", 0),
        ("tinca  tinca", 0),
        ("white_shark", 2),
        ("great white shark, white shark", 2),
        ("crane", 4),
        ("machine", 5),
    ],
)
def test_names_in_any_case_and_by_synonym(name: str, number: int) -> None:
    assert class_number(name, NAMES) == number


@pytest.mark.parametrize(
    ("label", "names", "message"),
    [
        ("goldfsh", NAMES, "did you mean goldfish"),
        ("shark", NAMES, "did you mean .*tiger shark"),
        ("xyz", NAMES, "for example tench"),
        ("tench", None, "no names; give a number"),
        (6, NAMES, "classes 0-5"),
        (-1, NAMES, "classes 0-5"),
        (None, NAMES, "or its name"),
        ([0, 1, 2], NAMES, "one for each code"),
        ([], NAMES, "one for each code"),
        ([2**70], NAMES, "is no label"),
        (torch.zeros(2, 3), NAMES, r"\[2, 6\]"),
    ],
)
def test_invalid_labels_are_refused(label, names, message: str) -> None:
    with pytest.raises(LatentError, match=message):
        one_hot(label, 2, 6, CPU, names)


def test_a_generator_without_classes_refuses_a_label() -> None:
    assert one_hot(None, 2, 0, CPU) is None
    with pytest.raises(LatentError, match="no classes"):
        one_hot(1, 2, 0, CPU)


def test_numbers_below_zero_are_numbers() -> None:
    """Else the message would say that no class is called -1."""
    assert parse_label("1, -2", NAMES) == (1, -2)
    with pytest.raises(LatentError, match="Label -1 does not exist"):
        one_hot(parse_label("-1", None), 2, 6, CPU)
