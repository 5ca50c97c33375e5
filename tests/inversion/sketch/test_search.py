"""Sketches: masked distances, the closed form of a linear generator, interrupted searches."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor

import ganvas
from ganvas.errors import GanvasError, ImageError, LatentError
from ganvas.images.photos import read_sketch
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Target, image_terms
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.nearest import compare_random_images
from ganvas.inversion.sketch.realness import choose_candidate
from ganvas.inversion.sketch.search import SketchResult, SketchSettings, start_search
from ganvas.inversion.sketch.sketch import read_drawing, sketch
from ganvas.inversion.sketch.target import Sketch
from ganvas.inversion.starts import mean_start
from ganvas.latents.files import load_latent
from ganvas.latents.latent import sample
from ganvas.latents.spaces import statistics
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2
from tests.inversion.parts import Convolved

pytestmark = pytest.mark.usefixtures("one_thread")

FEATURES = Convolved()
L2 = LossWeights(l2=1.0)
MIXED = LossWeights(perceptual=0.1, l1=0.2, l2=1.0)
SHORT = SketchSettings(terms=MIXED, steps=6, candidates=2)
SIDE = 16


def random_sketch(seed: int = 0, side: int = SIDE, name: str = "sketch") -> Sketch:
    """A sketch with soft alpha, and a half of it clear."""
    random = torch.Generator().manual_seed(seed)
    alpha = torch.rand(1, side, side, generator=random)
    alpha[..., side // 2 :] = 0
    return Sketch(name, torch.rand(1, 3, side, side, generator=random) * 2 - 1, alpha)


def face_sketch(side: int) -> tuple[Tensor, Tensor]:
    """An oval of skin, two dark eyes and a red mouth, on nothing; drawn large and made smaller: rims are soft."""
    large = Image.new("RGBA", (512, 512))
    draw = ImageDraw.Draw(large)
    for center, radii, color in (
        ((256, 246), (210, 262), (225, 180, 150)),
        ((150, 150), (44, 20), (30, 25, 25)),
        ((362, 150), (44, 20), (30, 25, 25)),
        ((256, 358), (92, 30), (190, 50, 60)),
    ):
        box = [center[0] - radii[0], center[1] - radii[1], center[0] + radii[0], center[1] + radii[1]]
        draw.ellipse(box, fill=(*color, 255))
    small = torch.tensor(list(large.resize((side, side), Image.Resampling.BOX).get_flattened_data()))
    values = small.reshape(side, side, 4).movedim(2, 0).float()
    return values[None, :3] / 127.5 - 1, values[3:] / 255


def closed_form(generator: LinearGenerator, drawing: Sketch, start: Tensor, weight: float) -> Tensor:
    """Return the minimum of ``sum m |M c - t|^2 / (3 sum m) + weight mean(((c - s) / std)^2)``: ridge regression
    from a start s.
    """
    matrix, mask = generator.matrix.double(), drawing.alpha.double().flatten().repeat(3)
    share = mask / (3 * drawing.alpha.double().sum())
    ridge = weight / generator.width * statistics(generator, "z").std.double() ** -2
    rest = drawing.colors.double().flatten() - matrix @ start.double()
    return start + torch.linalg.solve(matrix.T @ (share[:, None] * matrix) + ridge.diag(), matrix.T @ (share * rest))


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_candidates_of_a_linear_generator_are_ridge_regressions_from_their_starts(weight: float):
    generator, drawing = LinearGenerator(), random_sketch(side=8)
    settings = SketchSettings(weight, L2, "z", candidates=3, steps=30, optimizer="lbfgs")
    nearest = compare_random_images(generator, [drawing], 10, L2, FEATURES)
    search = start_search(generator, drawing, settings, FEATURES, nearest)
    for _ in search.steps():
        pass
    found = search.result()
    starts = {f"seed {seed}": generator.sample([seed])[0] for seed in range(10)} | {"the mean": torch.zeros(6)}
    assert {one.start for one in found.metrics} >= {"the mean"}
    for codes, one in zip(found.latent.codes, found.metrics, strict=True):
        expected = closed_form(generator, drawing, starts[one.start], weight)
        torch.testing.assert_close(codes.double(), expected, atol=2e-4, rtol=1e-3)
        assert one.loss == pytest.approx(one.distance + weight * one.delta, rel=1e-5)
        assert one.from_mean == pytest.approx(float(statistics(generator, "z").distances(codes[None])), rel=1e-4)


@pytest.mark.slow
def test_a_larger_delta_weight_stays_nearer_to_the_start_and_further_from_the_sketch():
    generator, drawing = LayeredGenerator(), random_sketch(side=8)
    settings = SketchSettings(0.0, L2, "w+", candidates=1, steps=25, optimizer="lbfgs")
    metrics = [
        sketch(
            generator,
            (drawing.colors, drawing.alpha),
            replace(settings, delta_weight=weight),
            features=FEATURES,
            random=0,
        ).metrics[0]
        for weight in (0.0, 3.0, 300.0, 30000.0)
    ]
    deltas, distances = [one.delta for one in metrics], [one.distance for one in metrics]
    assert deltas == sorted(deltas, reverse=True)
    assert distances == sorted(distances)
    assert deltas[-1] < 0.1 * deltas[0]


@pytest.mark.slow
def test_colors_of_transparent_pixels_change_nothing():
    generator, drawing = small_stylegan2(SIDE), random_sketch()
    other = torch.where(drawing.alpha > 0, drawing.colors, 1 - 2 * torch.rand_like(drawing.colors))
    settings = replace(SHORT, candidates=1)
    found = [
        sketch(generator, (colors, drawing.alpha), settings, features=FEATURES, random=4)
        for colors in (drawing.colors, other)
    ]
    assert torch.equal(found[0].latent.codes, found[1].latent.codes)
    assert found[0].metrics == found[1].metrics


@settings(max_examples=10)
@given(st.floats(0.1, 1.0))
def test_alpha_counts_as_a_weight(strength: float):
    drawing, generator = random_sketch(side=8), LinearGenerator()
    fainter = Sketch("fainter", drawing.colors, drawing.alpha * strength)
    found = compare_random_images(generator, [drawing, fainter], 3, L2, FEATURES).distances
    torch.testing.assert_close(found[:, 0], found[:, 1], rtol=1e-4, atol=1e-5)  # a mean over what is drawn
    halved = Sketch(
        "halved", drawing.colors, torch.where(drawing.alpha > 0.5, drawing.alpha, drawing.alpha * strength / 2)
    )
    assert not torch.allclose(compare_random_images(generator, [halved], 3, L2, FEATURES).distances[:, 0], found[:, 0])


@pytest.mark.float32
def test_a_part_of_an_image_is_matched_by_the_image_without_an_edge_at_the_rim():
    """A part of one of the generator's own images is met by that image, whatever is round the part."""
    generator = small_stylegan2(SIDE)
    own = next(sample(generator, [5]).images(generator))
    alpha = torch.zeros(1, SIDE, SIDE)
    alpha[:, 3:11, 4:12] = 1
    alpha[:, 4:10, 3] = 0.4
    found = compare_random_images(generator, [Sketch("part", own, alpha)], 8, MIXED, FEATURES)
    assert found.nearest_seeds(0, 1) == [5]
    assert found.smallest_distance(0) == pytest.approx(0, abs=1e-6)
    assert found.distances[:, 0].sort().values[1] > 0.01


@pytest.mark.float32
def test_distances_of_random_images_are_those_of_each_alone():
    generator, sketches = small_stylegan2(SIDE), [random_sketch(seed) for seed in range(3)]
    rows = 0

    class Counted(Convolved):
        def __call__(self, images: Tensor) -> list[Tensor]:
            nonlocal rows
            rows += len(images)
            return super().__call__(images)

    found = compare_random_images(generator, sketches, 20, MIXED, Counted())
    assert rows == 20 * (1 + len(sketches))
    for seed, column in ((0, 0), (17, 2)):
        image = next(sample(generator, [seed]).images(generator))
        target = Target(sketches[column].colors, sketches[column].alpha[None])
        terms = image_terms(MIXED, FEATURES, target, image)
        expected = 0.1 * terms["perceptual"] + 0.2 * terms["l1"] + terms["l2"]
        torch.testing.assert_close(found.distances[seed, column], expected[0], rtol=1e-5, atol=1e-6)
    order = found.nearest_seeds(1, 20)
    assert sorted(order) == list(range(20))
    assert found.distances[order, 1].diff().min() >= 0


@pytest.mark.slow
@pytest.mark.float32
def test_candidates_start_at_the_mean_and_at_the_nearest_and_are_independent():
    generator, drawing = small_stylegan2(SIDE), random_sketch()
    nearest = compare_random_images(generator, [drawing], 6, MIXED, FEATURES)
    search = start_search(generator, drawing, replace(SHORT, candidates=3), FEATURES, nearest)
    seeds = nearest.nearest_seeds(0, 2)
    assert search.prepared.names == ("the mean", *(f"seed {seed}" for seed in seeds))
    torch.testing.assert_close(search.prepared.variables.start[1:], generator.map(generator.sample(seeds), "w+"))
    torch.testing.assert_close(
        search.prepared.variables.start[:1], mean_start(generator, "w+", statistics(generator, "w+"), 1).codes
    )
    for _ in search.steps():
        pass
    together = search.result()
    alone = sketch(
        generator, (drawing.colors, drawing.alpha), replace(SHORT, candidates=1), features=FEATURES, random=0
    )
    place = [one.start for one in together.metrics].index("the mean")
    torch.testing.assert_close(together.latent.codes[place], alone.latent.codes[0], atol=1e-4, rtol=1e-3)
    assert math.isnan(alone.metrics[0].nearest)
    assert math.isnan(alone.metrics[0].relative_distance)
    losses = [one.loss for one in together.metrics]
    assert losses == sorted(losses)
    for one in together.metrics:
        assert one.nearest == pytest.approx(nearest.smallest_distance(0))
        assert one.relative_distance == pytest.approx(one.distance / one.nearest)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_every_space_gives_the_latent_of_its_images(space: str, tmp_path):
    generator, drawing = small_stylegan2(SIDE), random_sketch()
    found = sketch(generator, (drawing.colors, drawing.alpha), replace(SHORT, space=space), features=FEATURES, random=5)
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    assert latent.space == space
    assert latent.captions == tuple(f"sketch from {one.start}" for one in found.metrics)
    torch.testing.assert_close(next(latent.images(generator)), found.images)
    seen = image_terms(MIXED, FEATURES, Target(drawing.colors.expand(2, -1, -1, -1), drawing.alpha[None]), found.images)
    for name, values in seen.items():
        assert [getattr(one, name) for one in found.metrics] == pytest.approx(values.tolist(), rel=1e-4)


def test_the_label_of_a_sketch_is_kept_and_needed():
    generator, drawing = small_stylegan2(SIDE, label_dim=3), random_sketch()
    settings = replace(SHORT, label=2, steps=2)
    found = sketch(generator, (drawing.colors, drawing.alpha), settings, features=FEATURES, random=3)
    assert found.latent.label == 2
    with pytest.raises(LatentError):
        sketch(generator, (drawing.colors, drawing.alpha), replace(SHORT, steps=2), features=FEATURES, random=3)


@pytest.mark.slow
def test_a_drawn_face_becomes_a_face_that_matches_it():
    faces = ganvas.load("faces")
    colors, alpha = face_sketch(faces.resolution)
    assert bool(((alpha > 0) & (alpha < 1)).any())
    found = sketch(faces, (colors, alpha), SketchSettings(steps=12, candidates=1), random=8)
    assert found.metrics[0].relative_distance < 0.75
    mean = faces.synthesize(mean_start(faces, "w+", statistics(faces, "w+"), 1).codes, "w+")
    from_mean = ((mean - colors).abs().mean(1) * alpha).sum() / alpha.sum()
    assert found.metrics[0].l1 < 0.75 * from_mean
    assert found.metrics[0].from_mean < 1


@pytest.mark.slow
def test_a_batch_of_sketches_reports_progress_and_an_interrupt_keeps_finished_ones():
    generator = small_stylegan2(SIDE)
    sketches = [random_sketch(seed, name=f"s{seed}") for seed in range(2)]
    variants = [replace(SHORT, delta_weight=weight, candidates=1) for weight in (0.0, 3.0)]
    work = BatchSketch(generator, sketches, variants, FEATURES, random=4)
    seen = []
    assert work.run(lambda what, done, total: seen.append((what, done, total)))
    assert list(work.results) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert seen[0] == ("Comparing random images", 4, 4)
    assert seen[-1] == ("Sketching", 24, 24)
    assert len(work.latent()) == 4
    first, second = work.results[1, 0].metrics[0], work.results[1, 1].metrics[0]
    assert first.delta > second.delta

    broken = BatchSketch(generator, sketches, variants, FEATURES, random=4)
    assert not broken.run(stopping_after(8))
    assert list(broken.results) == [(0, 0), (0, 1)]
    assert broken.results[0, 0].metrics == work.results[0, 0].metrics
    assert broken.results[0, 1].metrics[0].steps == 2
    with pytest.raises(KeyboardInterrupt):
        BatchSketch(generator, sketches, variants, FEATURES, random=4).run(stopping_after(0))


def stopping_after(steps: int) -> Callable[[str, int, int], None]:
    def stop(what: str, done: int, total: int) -> None:
        if what == "Sketching" and done == steps:
            raise KeyboardInterrupt

    return stop


def test_variants_of_different_terms_are_refused():
    with pytest.raises(GanvasError, match="same terms"):
        BatchSketch(small_stylegan2(SIDE), [random_sketch()], [SHORT, replace(SHORT, terms=L2)], FEATURES)


def searched(**changes) -> SketchResult:
    drawing = random_sketch()
    colors, alpha = changes.pop("colors", drawing.colors), changes.pop("alpha", drawing.alpha)
    random = changes.pop("random", 1)
    settings = replace(SHORT, **changes)
    return sketch(small_stylegan2(SIDE), (colors, alpha), settings, features=FEATURES, random=random)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": torch.zeros(1, SIDE, SIDE)}, "transparent everywhere"),
        ({"alpha": torch.ones(1, 8, 8)}, "do not fit"),
        ({"alpha": torch.ones(1, 8, 8), "colors": torch.ones(1, 3, 8, 8)}, "8 x 8 pixels and this generator 16 x 16"),
        ({"candidates": 5}, "4 random images, and there are 1"),
        ({"candidates": 0}, "candidates 0 is not possible"),
        ({"delta_weight": -1.0}, "delta weight -1.0 is not possible"),
        ({"terms": LossWeights(l2=1.0, delta=1.0)}, "leave delta and noise out"),
        ({"steps": 0}, "steps 0 is not possible"),
        ({"space": "s"}, "z, w or w"),
        ({"optimizer": "sgd"}, "no optimizer"),
        ({"random": -1}, "-1 random images"),
    ],
)
def test_impossible_sketches_are_refused(changes: dict, message: str):
    with pytest.raises((GanvasError, ImageError), match=message):
        searched(**changes)


@pytest.mark.slow
def test_a_drawing_is_read_from_a_file(tmp_path):
    generator, path = small_stylegan2(SIDE), tmp_path / "face.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (24, 20, 4), dtype=np.uint8)).save(path)
    settings = replace(SHORT, candidates=1, steps=2)
    found = sketch(generator, path, settings, features=FEATURES, random=1)
    expected = sketch(generator, read_sketch(path, SIDE), settings, features=FEATURES, random=1)
    assert torch.equal(found.latent.codes, expected.latent.codes)
    assert (found.latent.source, found.latent.captions) == (str(path), ("face from the mean",))
    with pytest.raises(ImageError, match="A drawing is an image file"):
        read_drawing([torch.zeros(1)], generator)


def test_the_most_real_of_nearly_the_smallest_losses_is_chosen():
    assert choose_candidate([0.3, 0.1, 0.2]) == 1
    assert choose_candidate([0.112, 0.112, 0.133, 0.152], [-3.6, -4.5, -3.0, -1.0]) == 2  # the last is too far
    assert choose_candidate([1.0, 1.0], [2.0, 2.0]) == 0
    for losses, realness in (([], None), ([1.0], []), ([math.nan], None), ([1.0], [math.inf])):
        with pytest.raises(GanvasError, match="finite loss"):
            choose_candidate(losses, realness)


@pytest.mark.slow
def test_the_chosen_candidate_comes_first_with_its_code_and_image():
    generator, drawing = small_stylegan2(SIDE), random_sketch()
    given = (generator, (drawing.colors, drawing.alpha), replace(SHORT, steps=1, delta_weight=0.0))
    plain = sketch(*given, features=FEATURES, random=1)
    other = sketch(*given, features=FEATURES, random=1, realness=lambda images: -plain_order(images, plain))
    assert plain.metrics[1].loss < 1.35 * plain.metrics[0].loss
    assert [one.start for one in other.metrics] == [one.start for one in reversed(plain.metrics)]
    assert torch.equal(other.latent.codes, plain.latent.codes.flip(0))


def plain_order(images: Tensor, found: SketchResult) -> Tensor:
    """1 for the image that the loss alone chooses, 0 for others."""
    return torch.tensor([float(torch.equal(image, found.images[0])) for image in images])


@pytest.mark.slow
def test_paper_is_free_and_said_in_python_too(tmp_path):
    drawing = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(drawing).ellipse((16, 16, 48, 48), fill=(200, 60, 40))
    drawing.save(tmp_path / "a.png")
    given = (small_stylegan2(SIDE), tmp_path / "a.png", replace(SHORT, candidates=1, steps=1))
    with pytest.warns(UserWarning, match="its paper, #ffffff"):
        free = sketch(*given, features=FEATURES, random=0)
    assert float(free.sketch.alpha[0, 0, 0]) == 0
    assert bool((sketch(*given, features=FEATURES, random=0, paper="none").sketch.alpha == 1).all())
