"""The study of drags: what its tables claim, and that the tracker is measured where the truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies.drag import accuracy, qualitative, qualitative_report
from studies.drag.command import run_qualitative, write_tracker
from studies.drag.qualitative import DIRECTION, MASKED_SMILE, SMILE, landmarks, request_of
from studies.drag.qualitative_report import corners_pulled, sideways, turning, warps_are_distinguished
from studies.drag.settings import DragStudySettings
from studies.drag.yaw import HEAD, NOSE, smile

from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.estimates import Estimate
from ganvas.drag.request import DragRequest
from ganvas.errors import GanvasError, RegionError
from ganvas.regions.named import FACES
from tests.comparisons.test_drag import SMALL, bench, pattern, quiet
from tests.drag.sliding import SlidingGenerator
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = DragStudySettings(faces=1, tracked=1, learned=4)


def test_shifted_and_warped_images_have_known_displacements():
    """Moving by splines is sliding, away from the border; a warped image shows what its places say."""
    generator = SlidingGenerator(64)
    still, slid = (generator.synthesize(torch.tensor([[10 * x / 64, 0.0, 0.0]]), "z") for x in (0.0, 2.3))
    shifted = accuracy.moved_by(still, torch.tensor([2.3, 0.0]).double().numpy())
    assert (shifted - slid)[..., 8:-8, 8:-8].abs().max() < 1e-3
    bent, places = accuracy.warped(still, 3)
    x, y = places[0, :, 30, 20].tolist()
    moved = generator.synthesize(torch.tensor([[10 * ((20.5 / 64) - x), 10 * ((30.5 / 64) - y), 0.0]]), "z")
    assert (bent - moved)[0, :, 30, 20].abs().max() < 0.02


@pytest.mark.slow
def test_qualitative_drags_write_tables_angles_and_videos(tmp_path: Path):
    generator = small_stylegan2(32)
    setting = bench(tmp_path, replace(SMALL, steps=3), generator)
    paths = run_qualitative(setting, "nobody", FACES, FEW, quiet)
    text = (tmp_path / "qualitative.md").read_text("utf-8")
    assert "Does the head turn?" in text
    angles = json.loads((tmp_path / "qualitative.json").read_text("utf-8"))["yaw, degrees"]
    assert {name: len(degrees) for name, degrees in angles.items()} == dict.fromkeys(
        ("draggan", "freedrag", smile("draggan"), smile("freedrag"), HEAD, NOSE), 1
    )
    assert {"face-direction.gif", "smile.webp", "smile-only-the-mouth-may-move.jpg"} <= {path.name for path in paths}
    with pytest.raises(RegionError, match="no region named nose"):
        run_qualitative(setting, "nobody", {}, FEW, quiet)


def test_qualitative_requests_move_the_nose_aside_and_the_mouth_corners_up():
    at = landmarks(pattern(2), FACES)
    assert at["left mouth corner"][0] < at["right mouth corner"][0]

    def request(edit: str) -> DragRequest:
        return request_of(edit, at, FACES["mouth"], "draggan", 10)

    ((handle, target),) = request(DIRECTION).points
    assert abs(target[0] - handle[0]) == pytest.approx(0.1)
    assert request(SMILE).movable is None
    smile = request(MASKED_SMILE)
    assert smile.movable == FACES["mouth"]
    assert all(target[1] < handle[1] for handle, target in smile.points)


def face(seed: int, shifts: dict, edit: str = DIRECTION, method: str = "draggan") -> qualitative.FaceDrag:
    at = dict.fromkeys(qualitative.FOLLOWED, (0.5, 0.5))
    whole = dict.fromkeys(qualitative.FOLLOWED) | shifts
    return qualitative.FaceDrag(edit, seed, method, "reached", 1, (-0.1, 0.0), (), (), at, whole, 0.1, 0.1)


def test_turning_is_decided_by_angles_beyond_a_pushed_nose_and_their_share():
    """By the angle beyond that of a pushed nose, and by the share of a turn that would carry it as far."""
    more, none = Estimate(5.0, 3.0, 7.0), Estimate(1.0, -1.0, 3.0)
    assert turning(more, Estimate(0.8, 0.5, 1.1), 8) == "yes"
    assert turning(more, Estimate(0.4, 0.2, 0.6), 8) == "in part"
    assert turning(none, Estimate(0.1, -0.2, 0.3), 8) == "no"
    assert turning(none, Estimate(0.4, 0.3, 0.5), 8) == "undecided"
    assert turning(more, Estimate(1.0, 1.0, 1.0), 7) == "undecided from 7"
    for head, nose, apart in ((12.0, 1.0, True), (12.0, 6.0, False), (-2.0, 0.1, False)):
        assert warps_are_distinguished({HEAD: [head] * 3, NOSE: [nose] * 3}, 100) is apart
    assert sideways([face(0, {"nose": (-0.05, 0.0)})], "nose") == [5.0]


def test_qualitative_tables_compare_parts_of_the_same_faces():
    """Shifts of nose and chin are of the faces on which both are found; the corners of one mouth are one number."""
    setting = replace(DragBenchmarkSettings(), methods=("draggan",))
    both = {"nose": (-0.08, 0.0), "chin": (-0.04, 0.0)}
    found = [face(n, both) for n in range(3)] + [face(3, {"nose": (0.5, 0.0)}), face(4, {"chin": (0.5, 0.0)})]
    smiles = [
        face(n, {"left mouth corner": (-0.02, -0.04), "right mouth corner": (0.04, -0.02)}, edit)
        for edit in (SMILE, MASKED_SMILE)
        for n in range(2)
    ]
    assert corners_pulled([*smiles[:1], face(9, {"left mouth corner": (0.0, 0.0)}, SMILE)]) == [(3.0, 3.0)]
    angles = {"draggan": [5.0, 7.0] * 4, smile("draggan"): [0.0] * 8, HEAD: [12.0] * 8, NOSE: [0.4] * 8}
    text = qualitative_report.markdown([*found, *smiles], angles, setting, "nobody")
    assert "| 8.0 (8.0–8.0), 3 of 5 | – | – | 4.0 (4.0–4.0), 3 of 5 |" in text
    assert "| DragGAN | 6.0 (5.2–6.8) | 0.50 (0.44–0.56) | in part |" in text
    assert "| DragGAN, the smile | 0.0 (0.0–0.0) | 0.00 (0.00–0.00) |  |" in text
    assert f"| {NOSE} | 0.4 (0.4–0.4) | 0.03 (0.03–0.03) |  |" in text
    assert "| DragGAN | 3.0 (3.0–3.0) | 3.0 (3.0–3.0) |" in text
    text = qualitative_report.markdown([*found, *smiles], {**angles, NOSE: [12.0] * 8}, setting, "nobody")
    assert "| undecided: the warps are not distinguished either |" in text


def test_handles_are_shown_where_their_content_is_found():
    assert face(0, {"nose": (-0.05, 0.1)}).found == (pytest.approx((0.45, 0.6)),)
    assert face(0, {"left mouth corner": (0.1, 0.0)}, SMILE).found == (pytest.approx((0.6, 0.5)), None)


def test_tracker_table_has_a_row_for_each_condition_and_kind_of_handle(tmp_path: Path):
    rows = write_tracker(bench(tmp_path), FEW, quiet).read_text("utf-8").splitlines()
    assert sum(row.startswith(("| moved", "| warped")) for row in rows) == 8


def test_studies_of_nothing_are_refused():
    with pytest.raises(GanvasError, match="measure nothing"):
        DragStudySettings(faces=0)
