from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import ganvas
from ganvas.errors import RegionError, ResultFileError
from ganvas.generators.protocol import About
from ganvas.parts.find import default_feature, samples_of
from ganvas.parts.located import located, regions_in
from ganvas.parts.maps import maps_of, on_image
from ganvas.parts.model_part import ModelPart, label_maps, shares_in
from ganvas.regions.part_model import stored_part_model
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def generator():
    return small_stylegan2(32)


@pytest.fixture
def model(generator):
    return ganvas.find_parts(generator, count=4, samples=6)


def test_every_pixel_belongs_to_one_part(generator, model):
    latent = ganvas.sample(generator, [1, 2])
    shares, images = shares_in(generator, latent, model)
    assert shares.shape == (2, 4, 32, 32)
    assert images.shape == (2, 3, 32, 32)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 32, 32))
    assert set(label_maps(generator, latent, model).unique().tolist()) <= set(range(4))


def test_a_part_is_the_same_alone_and_in_a_batch(generator, model):
    part, latent = ModelPart(model, (1,), "1"), ganvas.sample(generator, [1, 2, 3])
    together = part.mask_for(generator, latent)
    alone = torch.cat([part.mask_for(generator, one) for one in latent])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert together.min() >= 0
    assert together.max() <= 1


def test_all_parts_together_are_the_whole_image(generator, model):
    whole = ModelPart(model, (0, 1, 2, 3), "all").mask_for(generator, ganvas.sample(generator, [5]))
    assert (whole == 1).all()


def test_parts_of_another_seed_are_found_on_other_samples(generator):
    first, second = samples_of(generator, 6, 0), samples_of(generator, 6, 1)
    assert not set(first.seeds) & set(second.seeds)


def test_the_default_parts_are_kept_by_the_generators_hash(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganvas.parts.find.SAMPLES", 4)
    generator = small_stylegan2(16)
    generator.about = About("small", "0123456789abcdef" * 4)
    ask = {"samples": 4, "count": 24}
    found = ganvas.find_parts(generator, **ask)
    file = next((cache / "parts").iterdir())
    assert file.name.startswith("0123456789abcdef01234567-24")
    monkeypatch.setattr("ganvas.parts.find.cluster_parts", lambda *_: pytest.fail("they are kept"))
    assert torch.equal(ganvas.find_parts(generator, **ask).maps[0].weight, found.maps[0].weight)
    file.write_bytes(b"damaged")
    monkeypatch.undo()
    monkeypatch.setenv("GANVAS_HOME", str(cache))
    monkeypatch.setattr("ganvas.parts.find.SAMPLES", 4)
    assert torch.equal(ganvas.find_parts(generator, **ask).maps[0].weight, found.maps[0].weight)


@pytest.mark.parametrize(("resolution", "feature"), [(32, "b8"), (64, "b16"), (128, "b32")])
def test_the_feature_map_is_a_quarter_of_the_image(resolution: int, feature: str):
    assert default_feature(small_stylegan2(resolution, channels=2)) == feature


def test_colors_are_not_clustered_where_maps_of_their_size_have_more_channels():
    deep, colors = torch.nn.Conv2d(4, 12, 1), torch.nn.Conv2d(12, 3, 1)
    layers = [torch.nn.Unflatten(1, (4, 8, 8)), deep, torch.nn.ReLU(), colors, torch.nn.Upsample(scale_factor=4)]
    module = torch.nn.Sequential(*layers).eval().requires_grad_(False)
    assert default_feature(ganvas.wrap(module, z_dim=256)) == "2"


def test_a_generator_without_a_fine_map_has_no_parts():
    with pytest.raises(RegionError, match="no feature map of 8 pixels"):
        ganvas.find_parts(small_stylegan2(4, channels=2))


def test_a_file_of_parts_gives_them_back(generator, model, tmp_path: Path):
    named = model.named({"eyes": [0, 2]})
    read = ganvas.load_parts(named.save(tmp_path / "parts.safetensors"))
    assert read.names == {"eyes": (0, 2)}
    assert repr(read) == "PartModel(4 clusters of b8, named eyes)"
    latent = ganvas.sample(generator, [1])
    assert torch.equal(label_maps(generator, latent, read), label_maps(generator, latent, model))


def test_damaged_parts_are_refused(model, tmp_path: Path):
    tensors, header = model.stored()
    for wrong in ({"bias": torch.zeros(5)}, {"b8.mean": torch.zeros(2)}, {"b8.weight": torch.zeros(4)}):
        with pytest.raises(RegionError, match="damaged"):
            stored_part_model(tensors | wrong, header)
    for what in ({"maps": []}, {"maps": 3}, {"names": {"eyes": ["x"]}}, {"names": None}):
        with pytest.raises(RegionError, match="damaged"):
            stored_part_model(tensors, header | what)
    with pytest.raises(ResultFileError):
        ganvas.load_parts(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["", "7", "a+b", "a:b"])
def test_a_name_that_could_be_something_else_is_refused(model, name: str):
    with pytest.raises(RegionError, match="cannot be called"):
        model.named({name: [0]})


def test_numbers_beyond_the_parts_are_refused(model):
    with pytest.raises(RegionError, match="from 0 to 3"):
        model.named({"eyes": [4]})


def test_a_name_needs_a_number(model):
    with pytest.raises(RegionError, match="'eyes' has no numbers"):
        model.named({"eyes": []})


def test_maps_with_margins_are_cut_to_the_image():
    ramp = torch.linspace(-0.25, 1.25, 13)[None, None, None].expand(1, 1, 13, 13)
    inside = on_image(ramp, (-0.25 - 1 / 16, -0.25 - 1 / 16, 1.25 + 1 / 16, 1.25 + 1 / 16))
    assert inside.shape == (1, 1, 8, 8)
    torch.testing.assert_close(inside[0, 0, 0], (torch.arange(8) + 0.5) / 8)


def test_maps_are_those_of_the_generator(generator):
    latent = ganvas.sample(generator, [1])
    maps = maps_of(generator, latent, ["b8"])
    assert torch.equal(maps["b8"], generator.features(latent, ["b8"])["b8"])
    assert torch.equal(maps["image"], generator.synthesize(latent))


def test_a_drawn_region_is_the_same_in_every_image(generator):
    region = ganvas.Region.box(0.1, 0.1, 0.5, 0.5)
    assert regions_in(generator, ganvas.sample(generator, [1, 2]), region) == [region, region]


def test_an_image_without_the_part_is_named(generator, model):
    part, latent = (
        ModelPart(replace(model, bias=torch.tensor([-100.0, 0, 0, 0])), (0,), "0"),
        ganvas.sample(generator, [4]),
    )
    assert located(generator, latent, part) == [None]
    with pytest.raises(RegionError, match="part:0 is not in the image of seed 4"):
        regions_in(generator, latent, part)


def test_a_wrapped_module_has_parts():
    torch.manual_seed(0)
    upper = [nn.Unflatten(1, (8, 8, 8)), nn.Upsample(scale_factor=2), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU()]
    module = nn.Sequential(nn.Linear(5, 512), *upper, nn.Conv2d(6, 3, 3, padding=1)).eval().requires_grad_(False)
    wrapped = ganvas.wrap(module, z_dim=5)
    latent = ganvas.sample(wrapped, [1, 2])
    parts = ganvas.find_parts(wrapped, count=3, samples=4, feature=wrapped.feature_names[-1])
    assert label_maps(wrapped, latent, parts).shape == (2, 16, 16)
    assert ganvas.ClickFeatures(wrapped, latent[0]).region([(0.5, 0.5)], threshold=0.3).mask(16, 16).max() == 1


@pytest.mark.slow
def test_a_stylegan3_has_parts_without_its_margins():
    generator = small_stylegan3()
    latent = ganvas.sample(generator, [1])
    parts = ganvas.find_parts(generator, count=3, samples=3)
    assert label_maps(generator, latent, parts).shape == (1, generator.resolution, generator.resolution)
    borrowed = ganvas.borrow(generator, latent, ganvas.sample(generator, [2]), ganvas.Region.box(0.2, 0.2, 0.8, 0.8))
    assert borrowed.space == "s"
