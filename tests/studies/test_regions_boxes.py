"""The study of regions: its boxes and small parts."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from studies.regions import boxes

from ganvas.errors import RegionError
from ganvas.regions import Region
from ganvas.regions.named import AFHQ_CAT, FACES

edges = st.tuples(*[st.floats(0.05, 0.45)] * 2, *[st.floats(0.55, 0.95)] * 2)


@examples(max_examples=30)
@given(edges)
def test_the_bounding_box_of_a_box_is_the_box(box):
    found = boxes.bounding_box(Region.box(*box).mask(512, 512))
    assert found == pytest.approx(box, abs=1 / 512)


@given(edges, st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_moving_there_and_back_gives_the_box(box, right, down):
    there = boxes.moved(box, right, down)
    if min(there) > 0 and max(there) < 1:
        assert boxes.moved(there, -right, -down) == pytest.approx(box)
        assert there[0] - box[0] == pytest.approx(right * (box[2] - box[0]))


@given(edges, st.floats(0.5, 2))
def test_scaling_keeps_the_middle_and_the_image(box, factor):
    left, top, right, bottom = boxes.scaled(box, factor)
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    if min(left, top) > 0 and max(right, bottom) < 1:
        assert (left + right, top + bottom) == pytest.approx((box[0] + box[2], box[1] + box[3]))
        assert (right - left) / (box[2] - box[0]) == pytest.approx(factor)


@given(edges)
def test_a_rough_box_holds_the_box_and_roughens_once(box):
    rough = boxes.rough(box)
    assert rough[0] <= box[0] + 1e-6
    assert rough[2] >= box[2] - 1e-6
    assert all(edge * boxes.ROUGH_GRID == pytest.approx(round(edge * boxes.ROUGH_GRID)) for edge in rough)
    assert boxes.rough(rough) == rough


def test_variants_of_a_region_have_a_kind_and_a_name():
    kinds = [kind for kind, _ in boxes.variants(FACES["mouth"], (0.1, 0.3), ("right", "up"))]
    assert kinds[:2] == ["box", "rough box"]
    assert kinds.count("moved 30%") == 2
    assert kinds.count("smaller 10%") == kinds.count("larger 30%") == 1


@pytest.mark.parametrize(("regions", "subject"), [(FACES, "face"), (AFHQ_CAT, "cat")])
def test_counterparts_are_the_mirrored_parts(regions, subject):
    found, reasons = boxes.small_parts(regions, subject)
    assert set(found) == set(boxes.SMALL_PARTS[subject])
    assert len(reasons) == (1 if subject == "face" else 0)
    for part, twin in found.values():
        ours, other = (boxes.bounding_box(each.mask(512, 512)) for each in (part, twin))
        assert (1 - other[2], 1 - other[0]) == pytest.approx((ours[0], ours[2]), abs=0.03)
        assert (ours[1], ours[3]) == pytest.approx((other[1], other[3]), abs=0.01)
        assert not (part.mask(64, 64).bool() & twin.mask(64, 64).bool()).all()


def test_missing_parts_have_a_reason():
    found, reasons = boxes.small_parts({"nose": FACES["nose"]}, "face")
    assert set(found) == {"one nostril"}
    assert "left_eye" in reasons[0]
    assert "whiskers" in reasons[1]
    assert boxes.small_parts(FACES, "")[0] == {}
    assert [boxes.subject_of(name) for name in ("faces-64", "Cats", "car")] == ["face", "cat", ""]


def test_boxes_beside_the_image_are_left_out():
    with pytest.raises(RegionError):
        Region.box(*boxes.moved((0.0, 0.0, 0.2, 0.2), -1.0, 0.0))
