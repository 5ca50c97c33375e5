"""The OOD study: its numbers and its table."""

import pytest
import torch
from studies.command import run
from studies.ood.command import _row, roc_area, study


def test_roc_area_is_the_share_of_pairs_in_order():
    assert roc_area(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])) == 1
    assert roc_area(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 2.0])) == pytest.approx((1 + 0 + 1 + 0.5) / 4)


def test_row_of_the_table_has_count_warnings_and_area():
    default, strange = torch.linspace(0, 1, 100), torch.linspace(0.5, 1.5, 10)
    assert _row("dogs", strange, default).startswith("| dogs | 10 | 50.0 % | 0.8")


def test_error_for_a_missing_model_names_it(capsys, tmp_path):
    assert run(study, ["nowhere.safetensors", "--known", str(tmp_path), "--ood", "a", str(tmp_path)]) == 2
    assert "nowhere" in capsys.readouterr().err
