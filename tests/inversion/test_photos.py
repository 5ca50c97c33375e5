"""Photo files made ready for inversion."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganvas.errors import GanvasError, ImageError
from ganvas.generators.protocol import About, Generator
from ganvas.images import face_finders, pixels
from ganvas.images.face_finders import FaceFinder
from ganvas.images.faces import Face
from ganvas.images.photos import read_photo
from ganvas.inversion import photos
from ganvas.inversion.photos import (
    PhotoSettings,
    align_photo,
    check_photos_ood,
    photo_files,
    read_photos,
    unique_names,
)
from ganvas.regions.eyes import eye_places_of
from ganvas.regions.region import Region
from tests.generators.small import small_stylegan2

BOX = (0.0, 0.0, 0.5, 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, image in enumerate(torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1):
        pixels.write_image(tmp_path / f"{index}.png", image[None])
    (tmp_path / "bad.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_a_photo_is_read_at_the_resolution_of_the_generator(folder: Path):
    found = align_photo(folder / "0.png", small_stylegan2(16), PhotoSettings(box=BOX)).image
    assert torch.equal(found, read_photo(folder / "0.png", 16, box=BOX))


def test_unreadable_photos_are_named_and_the_others_read(folder: Path):
    paths = [folder / name for name in ("bad.png", "1.png", "none.png", "0.png")]
    found = read_photos(paths, small_stylegan2(16))
    assert found.files == (folder / "1.png", folder / "0.png")
    assert found.rows == (1, 3)
    assert [path.name for path, _ in found.unreadable] == ["bad.png", "none.png"]
    assert torch.equal(found.images[1:], read_photo(folder / "0.png", 16))
    with pytest.raises(ImageError, match="2 of 2 photos cannot be used; nothing was made"):
        read_photos([folder / "bad.png", folder / "none.png"], small_stylegan2(16))


def test_settings_that_do_not_fit_are_refused(folder: Path):
    eyes = ((0.3, 0.4), (0.6, 0.4))
    with pytest.raises(GanvasError, match="leave the crop out, or the eyes"):
        PhotoSettings(box=BOX, eyes=(eyes,))
    with pytest.raises(GanvasError, match="2 times for 1 photos"):
        read_photos([folder / "0.png"], small_stylegan2(16), PhotoSettings(eyes=(eyes, eyes)))
    with pytest.raises(GanvasError, match="not known where this generator has eyes"):
        read_photos([folder / "0.png"], small_stylegan2(16), PhotoSettings(eyes=(eyes,)))


def test_a_folder_stands_for_its_images(folder: Path):
    (folder / "jpeg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.warns(UserWarning, match=r"hold no image: 1 \.txt \(text\)\.$"):
        files = photo_files([folder, folder / "0.png"])
    assert [path.name for path in files] == ["0.png", "1.png", "bad.png", "jpeg", "0.png"]
    (folder / "empty").mkdir()
    with pytest.raises(GanvasError, match="holds no image"):
        photo_files([folder / "empty"])


def test_photos_of_which_nobody_chose_a_part_are_refused_where_they_are_far(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """The others are kept, those of a chosen part with a warning."""
    monkeypatch.setattr(
        photos, "check_photos_ood", lambda g, images, names, **_: ["far" if n == "0" else "" for n in names]
    )
    generator = small_stylegan2(16)
    read = read_photos([folder / "0.png", folder / "1.png"], generator)
    kept, warnings = photos.accept_photos(read, generator, PhotoSettings())
    assert (kept.files, kept.rows, warnings) == ((folder / "1.png",), (1,), [])
    assert torch.equal(kept.images, read.images[1:])
    assert "far It was taken as it is: give a part of the photo with --crop" in str(kept.unreadable[0][1])
    chosen = PhotoSettings(box=BOX)
    kept, warnings = photos.accept_photos(read_photos([folder / "0.png"], generator, chosen), generator, chosen)
    assert (len(kept.files), warnings) == (1, ["far"])
    with pytest.raises(ImageError, match="far It was taken as it is"):
        photos.accept_photos(read_photos([folder / "0.png"], generator), generator, PhotoSettings())


def test_names_are_made_unique_without_regard_to_case():
    assert unique_names(["a", "A", "a-2", "a", "b"]) == ["a", "A-3", "a-2", "a-4", "b"]


def test_the_ood_check_is_off_or_by_size(monkeypatch: pytest.MonkeyPatch):
    """The "auto" check leaves generators above the limit alone and fits nothing for them."""
    monkeypatch.setattr(photos, "fit_ood_detector", lambda *_, **__: pytest.fail("fitted"))
    generator, image = small_stylegan2(16), torch.zeros(1, 3, 16, 16)
    assert check_photos_ood(generator, image, ["me"], check="off") == [""]
    monkeypatch.setattr(photos, "LARGEST_CHECKED", 8)
    assert check_photos_ood(generator, image, ["me"], check="auto") == [""]


EYES = {"left_eye": Region.box(0.2, 0.3, 0.4, 0.5), "right_eye": Region.box(0.6, 0.3, 0.8, 0.5)}
FACES = [Face((0.4, 0.5), (0.6, 0.5), 0.5), Face((0.2, 0.3), (0.3, 0.35), 0.2)]


def maker_of(face_finder: str) -> Generator:
    generator = small_stylegan2(16)
    generator.about = About("mine", "", {}, EYES, face_finder=face_finder)
    return generator


def finder(faces: list[Face], installed: bool = True) -> FaceFinder:
    return FaceFinder(lambda path: faces, "beak of a bird", "its beak", "pip install beaks", lambda: installed)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, FaceFinder]:
    """The finders that there are: none of people, until a test puts one there."""
    finders = {face_finders.PEOPLE: replace(finder([]), find=lambda path: pytest.fail("looked for people"))}
    monkeypatch.setattr(face_finders, "FINDERS", finders)
    return finders


def test_the_finder_that_the_generator_names_aligns_its_photos(folder: Path, known: dict[str, FaceFinder]):
    known["birds"] = finder(FACES)
    photo = align_photo(folder / "0.png", maker_of("birds"))
    assert photo.how == "aligned by its beak, the largest of 2; --face chooses another"
    places = eye_places_of(EYES)
    assert torch.equal(photo.image, read_photo(folder / "0.png", 16, eyes=FACES[0].eyes, eye_places=places))
    second = align_photo(folder / "0.png", maker_of("birds"), PhotoSettings(face=2))
    assert torch.equal(second.image, read_photo(folder / "0.png", 16, eyes=FACES[1].eyes, eye_places=places))
    with pytest.raises(ImageError, match="2 faces were found in"):
        align_photo(folder / "0.png", maker_of("birds"), PhotoSettings(face=3))


def test_people_are_looked_for_where_the_generator_names_no_finder(folder: Path, known: dict[str, FaceFinder]):
    known[face_finders.PEOPLE] = finder(FACES[:1])
    assert align_photo(folder / "0.png", maker_of("")).how == "aligned by its beak"


def test_what_the_user_chooses_comes_before_a_finder(folder: Path, known: dict[str, FaceFinder]):
    known["birds"] = replace(finder([]), find=lambda path: pytest.fail("looked for birds"))
    for settings, how in [
        (PhotoSettings(as_is=True), "taken as it is"),
        (PhotoSettings(box=BOX), "cropped"),
        (PhotoSettings(eyes=(((0.3, 0.4), (0.6, 0.4)),)), "aligned by its eyes"),
    ]:
        assert align_photo(folder / "0.png", maker_of("birds"), settings).how == how


def test_a_photo_in_which_nothing_is_found_is_as_it_is_and_says_what_helps(folder: Path, known: dict[str, FaceFinder]):
    known["birds"] = finder([])
    photo = align_photo(folder / "0.png", maker_of("birds"))
    assert (photo.how, photo.chosen) == ("taken as it is, since no beak of a bird was found in it", False)
    assert photo.advice.startswith("give the eyes with --eyes X,Y:X,Y")
    known["birds"] = finder(FACES, installed=False)
    photo = align_photo(folder / "0.png", maker_of("birds"))
    assert (photo.chosen, photo.advice.startswith("pip install beaks, or give")) == (False, True)
    known["birds"] = finder([])
    with pytest.raises(ImageError, match="0 faces were found"):
        align_photo(folder / "0.png", maker_of("birds"), PhotoSettings(eyes=("auto",)))


def test_a_doubtful_face_aligns_but_does_not_decide(folder: Path, known: dict[str, FaceFinder]):
    """A photo that is out of distribution is then refused."""
    known["birds"] = finder([replace(FACES[0], certain=False)])
    photo = align_photo(folder / "0.png", maker_of("birds"))
    assert (photo.how, photo.chosen) == ("aligned by what may be the beak of a bird", False)
    assert torch.equal(
        photo.image, read_photo(folder / "0.png", 16, eyes=FACES[0].eyes, eye_places=eye_places_of(EYES))
    )
    assert photo.advice.startswith("give the eyes with --eyes X,Y:X,Y")


def test_a_finder_that_this_version_does_not_have_is_an_error(folder: Path):
    with pytest.raises(GanvasError, match="no face finder 'fish'; there are people, cats"):
        align_photo(folder / "0.png", maker_of("fish"))
