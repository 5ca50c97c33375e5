"""ReSeFa: against the published computation, against its own prediction, and against a dense solution."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.checkpoints.load import load, named_regions
from ganvas.directions import resefa
from ganvas.directions.find import find_directions
from ganvas.directions.jacobian import Jacobian, mean_grams, region_grams
from ganvas.directions.jvp import Measure
from ganvas.directions.linalg import NO_RIDGE, Ridge
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.move import edit
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.protocol import About
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import mean_squared_change
from ganvas.regions import Region
from ganvas.regions.named import FFHQ
from tests.generators.small import small_stylegan2
from tests.generators.test_codes import unchecked


@pytest.mark.parametrize("precision", [torch.float16, torch.float64])
@pytest.mark.parametrize("region", ["eyes", "mouth", "nose"])
@pytest.mark.parametrize(("key", "ridge"), [("ridge0", NO_RIDGE), ("ridge1", Ridge())])
def test_published_directions(shared: Path, region: str, key: str, ridge: Ridge, precision: torch.dtype) -> None:
    published = np.load(shared / "conformance" / "resefa-directions.npz")
    columns = torch.from_numpy(published["jacobian_f16"]).reshape(256 * 256, 16).T.contiguous().to(precision)
    masks = FFHQ[region].split(256, 256)
    found = resefa.factorize(*mean_grams(Jacobian(columns, 1, 256), *masks), 4, ridge)
    expected = torch.from_numpy(published[f"{region}_{key}_directions"][:4]).double()
    cosines = (found.vectors.T * expected).sum(1).abs() / expected.norm(dim=1)
    assert (1 - cosines).max() < (1e-10 if precision == torch.float64 else 1e-6)
    np.testing.assert_allclose(found.eigenvalues, published[f"{region}_{key}_eigenvalues"][:4], rtol=1e-3)


def published_algorithm(generator, w: torch.Tensor, mask: torch.Tensor, size: int, ridge: float) -> np.ndarray:
    """The published computation, written out: one reverse pass per value of the image, inverse, non-symmetric
    eigen-solver.
    """
    w = w.clone().requires_grad_()
    image = generator.synthesize(w[:, None].expand(-1, generator.layers, -1), "w+")
    values = torch.nn.functional.interpolate(image, scale_factor=size / generator.resolution).sum(1).flatten()
    rows = torch.stack([torch.autograd.grad(value, w, retain_graph=True)[0][0] for value in values]).double().numpy()
    inside = mask.flatten().numpy() > 0
    front, back = rows[inside], rows[~inside]
    front_gram, back_gram = front.T @ front / len(front), back.T @ back / len(back)
    back_gram += ridge * np.trace(back_gram) * np.eye(len(back_gram))
    values, vectors = np.linalg.eig(np.linalg.inv(back_gram) @ front_gram)
    return vectors.real[:, np.argsort(-values.real)].T


@pytest.mark.slow
@pytest.mark.float32
@pytest.mark.parametrize("ridge", [None, Ridge(1e-3)])
def test_compat_official_end_to_end(monkeypatch: pytest.MonkeyPatch, ridge: Ridge | None) -> None:
    monkeypatch.setattr(resefa, "OFFICIAL_RESOLUTION", 8)
    generator = small_stylegan2(32, width=8)
    w = generator.map(generator.sample([4]), "w")
    region = Region.box(0.25, 0.375, 0.75, 0.625)
    expected = published_algorithm(generator, w, region.mask(8, 8), 8, 0.0 if ridge is None else ridge.tau)
    method = ReSeFa(compat="official", ridge=ridge)
    found = find_directions(generator, w, region, space="w", layers="4-7", count=8, method=method)
    cosines = (found.vectors.double().numpy() * expected).sum(1)
    assert (1 - np.abs(cosines[:4])).max() < 1e-6
    assert found.layers == (4, 5, 6, 7)
    assert (found.origin.channels, found.origin.resolution) == ("sum", 8)
    assert len(found) == 8


def test_compat_official_at_256_pixels_and_below_keeps_three_channels() -> None:
    measure = ReSeFa(compat="official").measure(small_stylegan2(16))
    assert measure == Measure(16, "all")


def measured_ratio(generator, latent: Latent, direction, masks, measure: Measure, step: float = 0.01) -> float:
    """Return the mean squared change inside over that outside, for a small step to both sides."""
    ahead, behind = (measure(generator.synthesize(edit(generator, latent, direction, sign * step))) for sign in (1, -1))
    inside, outside = (mean_squared_change(ahead, behind, mask) for mask in masks)
    return float(inside / outside)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "space", "layers", "resolution", "channels"),
    [
        ("eyes", "w", "3-5", 64, "all"),
        ("mouth", "w", "3-5", 64, "all"),
        ("eyes", "w", None, 32, "luma"),
        ("mouth", "s", "5", 64, "all"),
    ],
)
def test_predicted_ratio_is_the_measured_ratio(
    name: str, space: str, layers: str | None, resolution: int, channels: str
) -> None:
    generator = load("faces")
    latent = sample(generator, [2], truncation=0.7)
    region = named_regions(generator)[name]
    method = ReSeFa(resolution=resolution, channels=channels)
    found = find_directions(generator, latent, name, method=method, space=space, layers=layers, count=3)
    assert found.origin.region_name == name
    measure = Measure(resolution, channels)
    masks = region.split(resolution, resolution)
    for direction in found:
        ratio = measured_ratio(generator, latent, direction, masks, measure)
        assert ratio == pytest.approx(direction.predicted_ratio, rel=0.02)


def test_eigenvalue_includes_the_ridge_and_orders_the_directions() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1])
    found = find_directions(generator, ws, Region.box(0.2, 0.2, 0.6, 0.6), count=6)
    assert (found.eigenvalues.diff() <= 0).all()
    assert (found.eigenvalues < found.predicted_ratios).all()
    bare = find_directions(generator, ws, Region.box(0.2, 0.2, 0.6, 0.6), count=6, method=ReSeFa(NO_RIDGE))
    torch.testing.assert_close(bare.eigenvalues, bare.predicted_ratios, rtol=1e-6, atol=0)
    assert bare.predicted_ratios[0] >= found.predicted_ratios[0]


@pytest.mark.slow
def test_several_codes_average_their_grams() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1, 2])
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    both = find_directions(generator, ws, region)
    again = find_directions(generator, ws.rows([1, 0, 0, 1]), region)
    torch.testing.assert_close(both.eigenvalues, again.eigenvalues, rtol=1e-5, atol=0)
    first = find_directions(generator, ws[:1], region)
    assert not torch.allclose(both.eigenvalues, first.eigenvalues, rtol=1e-2)


@pytest.mark.slow
def test_a_small_budget_gives_the_same_directions() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1])
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    whole = find_directions(generator, ws, region, count=3)
    for budget in (4 * 768 * 9, 2 * 768 * 6):
        small = find_directions(generator, ws, region, count=3, method=ReSeFa(budget=budget))
        torch.testing.assert_close(small.eigenvalues, whole.eigenvalues, rtol=2e-3, atol=0)


def test_full_rank_equals_the_dense_solution() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1])
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    dense = find_directions(generator, ws, region, count=3)
    low = find_directions(generator, ws, region, count=3, method=ReSeFa(rank=6))
    torch.testing.assert_close(low.eigenvalues, dense.eigenvalues, rtol=1e-8, atol=0)
    torch.testing.assert_close(low.vectors, dense.vectors, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_directions_are_unit_vectors_of_the_edited_layers() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1])
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    for space, shape in (("w", (6,)), ("w+", (6, 6)), ("s", generator.dimensions("s"))):
        found = find_directions(generator, ws, region, space=space, layers="1,3", count=2)
        assert found.vectors.shape == (2, *shape)
        torch.testing.assert_close(found.vectors.flatten(1).norm(dim=1), torch.ones(2))
        assert found.vectors.flatten(1).gather(1, found.vectors.flatten(1).abs().argmax(1, keepdim=True)).min() > 0
        if space == "w+":
            assert found.vectors[:, [0, 2, 4, 5]].abs().max() == 0


@pytest.mark.parametrize("budget", [2**20, 20_000])  # J whole, and in blocks of columns
def test_progress_of_a_search_counts_the_columns_of_all_images(budget: int):
    generator, calls = small_stylegan2(16), []
    method, latent = ReSeFa(budget=budget), sample(generator, [1, 2, 3])
    find_directions(generator, latent, "box:0,0,0.5,0.5", method=method, progress=lambda *call: calls.append(call))
    assert len({(what, total) for what, _, total in calls}) == 1
    assert calls == sorted(calls)
    assert calls[-1][1] == calls[-1][2] >= 3 * 6


def test_one_jacobian_serves_many_regions() -> None:
    generator = small_stylegan2(16)
    ws = sample(generator, [1])
    many = {"a": Region.box(0.2, 0.2, 0.6, 0.6), "b": Region.box(0.5, 0.1, 0.9, 0.4)}
    calls: list[tuple[str, int, int]] = []
    found = ReSeFa().find(generator, ws, many, space="w", count=2, progress=lambda *call: calls.append(call))
    assert [call[1:] for call in calls] == [(6, 6)]
    alone = find_directions(generator, ws, many["b"], count=2)
    torch.testing.assert_close(found["b"].vectors, alone.vectors, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"space": "v"}, LatentError, "has z, w, w\\+, s"),
        ({"layers": "3-9"}, LatentError, "layers 0-5"),
        ({"space": "z"}, LatentError, "Codes of space w\\+ do not lead to space z"),
        ({"count": 0}, GanvasError, "at least 1"),
        ({"method": "resefa"}, GanvasError, "A method is an object"),
        ({"region": "mouht"}, RegionError, "There is no region 'mouht'; did you mean 'mouth'"),
        ({"region": [0.1, 0.2]}, RegionError, "A region is a Region, or a text"),
        ({"latent": [0.1, 0.2]}, LatentError, "Codes are a Latent"),
        ({"latent": torch.zeros(1, 6)}, LatentError, "does not say in which space its codes lie: give space="),
        ({"generator": "faces"}, GanvasError, "A generator is what ganvas.load"),
    ],
)
def test_what_cannot_be_searched_is_refused(settings: dict, error: type[Exception], message: str) -> None:
    generator = small_stylegan2(16)
    generator.about = About("small", "", regions={"mouth": Region.box(0.2, 0.2, 0.6, 0.6)})
    given = {"generator": generator, "latent": sample(generator, [1]), "region": "mouth"} | settings
    with pytest.raises(error, match=message):
        unchecked(find_directions)(**given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 3, "ridge": NO_RIDGE}, "with rank"),
        ({"rank": 3, "ridge": 0}, "with rank"),
        ({"ridge": -1.0}, "ridge -1.0 is not possible"),
        ({"compat": "official", "resolution": 8}, "leave yours out"),
        ({"rank": 0}, "rank 0 is not possible; give 1 to"),
        ({"compat": "unofficial"}, "give 'official'"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_made(settings: dict, message: str) -> None:
    with pytest.raises(GanvasError, match=message):
        ReSeFa(**settings)


@pytest.mark.parametrize(
    ("settings", "message"), [({"resolution": 99}, "at most that"), ({"budget": 10}, "give at least")]
)
def test_settings_that_the_generator_does_not_allow_are_refused(settings: dict, message: str) -> None:
    generator = small_stylegan2(16)
    with pytest.raises(GanvasError, match=message):
        find_directions(generator, sample(generator, [1]), "box:0.2,0.2,0.6,0.6", method=ReSeFa(**settings))


def test_a_count_of_zero_is_refused_before_any_jacobian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resefa, "summed_grams", None)
    generator = small_stylegan2(16)
    with pytest.raises(GanvasError, match="at least 1"):
        find_directions(generator, sample(generator, [0]), Region.box(0, 0, 0.5, 0.5), count=0)


def test_settings_show_what_was_changed() -> None:
    assert repr(ReSeFa()) == "ReSeFa()"
    assert repr(ReSeFa(1e-2, rank=3)) == "ReSeFa(ridge=0.01 of the trace, rank=3)"


@pytest.mark.slow
def test_z_codes_are_mapped_where_z_and_w_are_equally_wide() -> None:
    """The directions at codes of z are those at the codes of w that they are mapped to, never those at z read as w."""
    generator = small_stylegan2(16, z_dim=6)
    z = Latent(generator.sample([1]), "z", truncation=0.7)
    w = Latent(generator.map(generator.sample([1]), "w", truncation=0.7), "w")
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    by_z, by_w, misread = (
        find_directions(generator, latent, region, space="w", count=1).vectors[0]
        for latent in (z, w, Latent(z.codes, "w"))
    )
    torch.testing.assert_close(by_z, by_w)
    assert abs(float(misread @ by_w)) < 0.99


@pytest.mark.slow
def test_a_latents_own_noise_and_tuned_weights_count() -> None:
    generator = small_stylegan2(16)
    latent, region = sample(generator, [1]), Region.box(0.2, 0.2, 0.6, 0.6)
    name = "b8.conv1"
    loud = replace(latent, noise={name: 50 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0))})
    tuned = replace(latent, tuned={"synthesis.blocks.b16.conv1.weight": torch.ones(5, 5, 3, 3)})
    plain, with_noise, with_weights = (
        find_directions(generator, one, region, count=1).eigenvalues for one in (latent, loud, tuned)
    )
    assert not torch.allclose(plain, with_noise, rtol=1e-3)
    assert not torch.allclose(plain, with_weights, rtol=1e-3)


def test_a_region_that_covers_everything() -> None:
    generator = small_stylegan2(16)
    with pytest.raises(RegionError, match="background"):
        find_directions(generator, sample(generator, [1]), Region.box(0, 0, 1, 1))


@pytest.mark.slow
def test_every_code_has_its_label() -> None:
    generator = small_stylegan2(8, label_dim=3)
    z, region = generator.sample([1, 2]), Region.box(0.2, 0.2, 0.6, 0.6)
    both = find_directions(generator, Latent(z, "z", label=(0, 1)), region, space="z", count=2)
    alone = [find_directions(generator, Latent(z[i, None], "z", label=i), region, space="z", count=2) for i in (0, 1)]
    assert not torch.allclose(alone[0].eigenvalues, both.eigenvalues)
    with pytest.raises(LatentError, match="Label 7"):
        find_directions(generator, Latent(generator.map(z, label=0), "w+", label=7), region)


def test_a_file_says_only_what_is_known() -> None:
    generator = small_stylegan2(8)
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    assert (
        find_directions(generator, generator.map(generator.sample([1])), region, space="w+").origin.truncation is None
    )
    origin = find_directions(generator, sample(generator, [1], truncation=0.7), region).origin
    assert (origin.truncation, origin.seeds) == (0.7, (1,))


def test_codes_that_are_not_finite_are_refused() -> None:
    generator = small_stylegan2(8)
    with pytest.raises(LatentError, match="not finite"):
        find_directions(generator, Latent(torch.full((1, 6), torch.nan), "w"), Region.box(0.2, 0.2, 0.6, 0.6))


def grams_of_random_jacobian(rows: int = 40, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    inside, outside = (torch.randn(rows, size, generator=random, dtype=torch.float64) for _ in range(2))
    return inside.T @ inside / rows, outside.T @ outside / rows


@pytest.mark.parametrize("rank", [None, 6])
def test_without_background_the_directions_are_the_principal_ones_of_the_region(rank: int | None) -> None:
    a, b = grams_of_random_jacobian()
    found = resefa.factorize(a, b, 6, Ridge(1e-3), rank, weight=0.0)
    values, vectors = torch.linalg.eigh(a)
    assert ((found.vectors * vectors.flip(1)).sum(0).abs() > 1 - 1e-9).all()
    # The value of a principal direction over the one number that stands for the background.
    assert torch.allclose(found.eigenvalues, values.flip(0) / (b.trace() / 6 + 1e-3 * b.trace()))


def test_the_change_inside_falls_and_locality_grows_with_the_weight_of_the_background() -> None:
    a, b = grams_of_random_jacobian()
    changes, ratios = [], []
    for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
        found = resefa.factorize(a, b, 1, NO_RIDGE, weight=weight)
        changes.append(float(found.vectors[:, 0] @ a @ found.vectors[:, 0]))
        ratios.append(float(found.predicted_ratios[0]))
    assert changes == sorted(changes, reverse=True)
    assert ratios == sorted(ratios)
    assert ratios[-1] == pytest.approx(float(resefa.factorize(a, b, 1, NO_RIDGE).predicted_ratios[0]))


def test_a_band_around_the_region_is_all_of_the_background_that_counts() -> None:
    region = Region.box(0.25, 0.25, 0.75, 0.75)
    foreground, background = ReSeFa(ignore_band=1 / 16, band=2 / 16).masks(region, 16)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    away = torch.stack([4 - rows, rows - 11, 4 - columns, columns - 11]).amax(0)  # in rows and columns from the box
    assert torch.equal(foreground[0] > 0, away <= 0)
    assert not background[0][(away < 1) | (away > 3)].any()
    straight = ((rows >= 4) & (rows < 12)) | ((columns >= 4) & (columns < 12))
    assert bool((background[0][(away >= 2) & (away <= 3) & straight] == 1).all())
    assert not background[0][(away < 2) & straight].any()


def test_a_band_finds_the_directions_of_the_jacobian_in_it() -> None:
    generator, region = small_stylegan2(16), Region.box(0.2, 0.2, 0.6, 0.6)
    latent, method = sample(generator, [1]), ReSeFa(band=0.2, background_weight=0.5, ridge=1e-2)
    found = find_directions(generator, latent, region, method=method, space="w", count=3)
    linear = method.derivative(generator, latent, "w")
    grams = region_grams(linear, [method.masks(region, 16)], method.plan(generator, "w"))
    dense = resefa.factorize(*grams[0], 3, Ridge(1e-2), weight=0.5)
    assert torch.allclose(found.vectors.double(), dense.vectors.T, atol=1e-4)
    assert (found.origin.band, found.origin.background_weight) == (0.2, 0.5)


def test_an_empty_band_is_refused() -> None:
    with pytest.raises(RegionError, match="widen it"):
        ReSeFa(band=0.0).masks(Region.box(0.25, 0.25, 0.75, 0.75), 16)
    with pytest.raises(GanvasError, match="counts all of the background"):
        ReSeFa(compat="official", band=0.1)
