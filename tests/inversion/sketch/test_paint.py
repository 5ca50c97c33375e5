"""Scribbling: distances where a sketch is drawn, the closed form of a linear generator, what breaks off."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor

import ganvas
from ganvas.errors import GanvasError, ImageError, LatentError
from ganvas.inversion.objective import Target, image_terms
from ganvas.inversion.sketch.batch import Scribbling
from ganvas.inversion.sketch.nearest import look_at_random
from ganvas.inversion.sketch.paint import Painting, ScribbleSettings, begin, paint_sketch
from ganvas.inversion.sketch.sketch import Sketch
from ganvas.inversion.starts import mean_start
from ganvas.inversion.terms import Weights
from ganvas.latents.latent import load_latent, sample_latent
from ganvas.latents.spaces import statistics
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2
from tests.inversion.parts import Convolved

LOOK = Convolved()
L2 = Weights(l2=1.0)
MIXED = Weights(perceptual=0.1, l1=0.2, l2=1.0)
SHORT = ScribbleSettings(terms=MIXED, steps=6, candidates=2)
SIDE = 16


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    torch.set_num_threads(1)


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


def closed_form(generator: LinearGenerator, sketch: Sketch, start: Tensor, weight: float) -> Tensor:
    """Return the minimum of ``sum m |M c - t|^2 / (3 sum m) + weight mean(((c - s) / std)^2)``: ridge regression
    from a start s.
    """
    matrix, mask = generator.matrix.double(), sketch.alpha.double().flatten().repeat(3)
    share = mask / (3 * sketch.alpha.double().sum())
    ridge = weight / generator.width * statistics(generator, "z").std.double() ** -2
    rest = sketch.colors.double().flatten() - matrix @ start.double()
    return start + torch.linalg.solve(matrix.T @ (share[:, None] * matrix) + ridge.diag(), matrix.T @ (share * rest))


@pytest.mark.parametrize("weight", [0.0, 1.0, 30.0])
def test_candidates_of_a_linear_generator_are_ridge_regressions_from_their_starts(weight: float):
    generator, sketch = LinearGenerator(), random_sketch(side=8)
    settings = ScribbleSettings(weight, L2, "z", candidates=3, steps=30, optimizer="lbfgs")
    nearest = look_at_random(generator, [sketch], 10, L2, LOOK)
    painter = begin(generator, sketch, settings, LOOK, nearest)
    for _ in painter.steps():
        pass
    found = painter.painting()
    starts = {f"seed {seed}": generator.sample([seed])[0] for seed in range(10)} | {"the mean": torch.zeros(6)}
    assert {mark.start for mark in found.marks} >= {"the mean"}
    for codes, mark in zip(found.latent.codes, found.marks, strict=True):
        expected = closed_form(generator, sketch, starts[mark.start], weight)
        torch.testing.assert_close(codes.double(), expected, atol=2e-4, rtol=1e-3)
        assert mark.loss == pytest.approx(mark.distance + weight * mark.delta, rel=1e-5)
        assert mark.from_mean == pytest.approx(float(statistics(generator, "z").distances(codes[None])), rel=1e-4)


def test_a_heavier_weight_stays_nearer_to_the_start_and_further_from_the_sketch():
    generator, sketch = LayeredGenerator(), random_sketch(side=8)
    settings = ScribbleSettings(0.0, L2, "w+", candidates=1, steps=25, optimizer="lbfgs")
    marks = [
        paint_sketch(
            generator, sketch.colors, sketch.alpha, replace(settings, delta=weight), look=LOOK, random=0
        ).marks[0]
        for weight in (0.0, 3.0, 300.0, 30000.0)
    ]
    deltas, distances = [mark.delta for mark in marks], [mark.distance for mark in marks]
    assert deltas == sorted(deltas, reverse=True)
    assert distances == sorted(distances)
    assert deltas[-1] < 0.1 * deltas[0]


def test_what_lies_under_clear_parts_changes_nothing():
    generator, sketch = small_stylegan2(SIDE), random_sketch()
    other = torch.where(sketch.alpha > 0, sketch.colors, 1 - 2 * torch.rand_like(sketch.colors))
    settings = replace(SHORT, candidates=1)
    found = [
        paint_sketch(generator, colors, sketch.alpha, settings, look=LOOK, random=4)
        for colors in (sketch.colors, other)
    ]
    assert torch.equal(found[0].latent.codes, found[1].latent.codes)
    assert found[0].marks == found[1].marks


@settings(max_examples=10)
@given(st.floats(0.1, 1.0))
def test_alpha_is_soft_and_counts_as_a_weight(strength: float):
    sketch, generator = random_sketch(side=8), LinearGenerator()
    fainter = Sketch("fainter", sketch.colors, sketch.alpha * strength)
    found = look_at_random(generator, [sketch, fainter], 3, L2, LOOK).distances
    torch.testing.assert_close(found[:, 0], found[:, 1], rtol=1e-4, atol=1e-5)  # a mean over what is drawn
    halved = Sketch("halved", sketch.colors, torch.where(sketch.alpha > 0.5, sketch.alpha, sketch.alpha * strength / 2))
    assert not torch.allclose(look_at_random(generator, [halved], 3, L2, LOOK).distances[:, 0], found[:, 0])


def test_no_edge_is_asked_for_at_the_rim():
    """A part of one of the generator's own images is met by that image, whatever is round the part."""
    generator = small_stylegan2(SIDE)
    own = next(sample_latent(generator, [5]).images(generator))
    alpha = torch.zeros(1, SIDE, SIDE)
    alpha[:, 3:11, 4:12] = 1
    alpha[:, 4:10, 3] = 0.4
    found = look_at_random(generator, [Sketch("part", own, alpha)], 8, MIXED, LOOK)
    assert found.seeds(0, 1) == [5]
    assert found.distance(0) == pytest.approx(0, abs=1e-6)
    assert found.distances[:, 0].sort().values[1] > 0.01


def test_random_images_are_looked_at_once_and_measured_as_one_by_one():
    generator, sketches = small_stylegan2(SIDE), [random_sketch(seed) for seed in range(3)]
    rows = 0

    class Counted(Convolved):
        def __call__(self, images: Tensor) -> list[Tensor]:
            nonlocal rows
            rows += len(images)
            return super().__call__(images)

    found = look_at_random(generator, sketches, 20, MIXED, Counted())
    assert rows == 20 * (1 + len(sketches))
    for seed, column in ((0, 0), (17, 2)):
        image = next(sample_latent(generator, [seed]).images(generator))
        target = Target(sketches[column].colors, sketches[column].alpha[None])
        terms = image_terms(MIXED, LOOK, target, image)
        expected = 0.1 * terms["perceptual"] + 0.2 * terms["l1"] + terms["l2"]
        torch.testing.assert_close(found.distances[seed, column], expected[0], rtol=1e-5, atol=1e-6)
    order = found.seeds(1, 20)
    assert sorted(order) == list(range(20))
    assert found.distances[order, 1].diff().min() >= 0


def test_candidates_start_at_the_mean_and_at_the_nearest_and_do_not_know_each_other():
    generator, sketch = small_stylegan2(SIDE), random_sketch()
    nearest = look_at_random(generator, [sketch], 6, MIXED, LOOK)
    painter = begin(generator, sketch, replace(SHORT, candidates=3), LOOK, nearest)
    seeds = nearest.seeds(0, 2)
    assert painter.run.names == ("the mean", *(f"seed {seed}" for seed in seeds))
    torch.testing.assert_close(painter.run.variables.start[1:], generator.map(generator.sample(seeds), "w+"))
    torch.testing.assert_close(
        painter.run.variables.start[:1], mean_start(generator, "w+", statistics(generator, "w+"), 1).codes
    )
    for _ in painter.steps():
        pass
    together = painter.painting()
    alone = paint_sketch(generator, sketch.colors, sketch.alpha, replace(SHORT, candidates=1), look=LOOK, random=0)
    place = [mark.start for mark in together.marks].index("the mean")
    torch.testing.assert_close(together.latent.codes[place], alone.latent.codes[0], atol=1e-4, rtol=1e-3)
    assert math.isnan(alone.marks[0].nearest)
    assert math.isnan(alone.marks[0].quotient)
    losses = [mark.loss for mark in together.marks]
    assert losses == sorted(losses)
    for mark in together.marks:
        assert mark.nearest == pytest.approx(nearest.distance(0))
        assert mark.quotient == pytest.approx(mark.distance / mark.nearest)


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_every_space_gives_a_latent_that_paints_the_images(space: str, tmp_path):
    generator, sketch = small_stylegan2(SIDE), random_sketch()
    found = paint_sketch(generator, sketch.colors, sketch.alpha, replace(SHORT, space=space), look=LOOK, random=5)
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    assert latent.space == space
    assert latent.captions == tuple(f"sketch from {mark.start}" for mark in found.marks)
    torch.testing.assert_close(next(latent.images(generator)), found.images)
    seen = image_terms(MIXED, LOOK, Target(sketch.colors.expand(2, -1, -1, -1), sketch.alpha[None]), found.images)
    for name, values in seen.items():
        assert [getattr(mark, name) for mark in found.marks] == pytest.approx(values.tolist(), rel=1e-4)


def test_classes():
    generator, sketch = small_stylegan2(SIDE, label_dim=3), random_sketch()
    settings = replace(SHORT, label=2, steps=2)
    found = paint_sketch(generator, sketch.colors, sketch.alpha, settings, look=LOOK, random=3)
    assert found.latent.label == 2
    with pytest.raises(LatentError):
        paint_sketch(generator, sketch.colors, sketch.alpha, replace(SHORT, steps=2), look=LOOK, random=3)


def test_a_drawn_face_becomes_a_face_that_follows_it():
    faces = ganvas.load("faces")
    colors, alpha = face_sketch(faces.resolution)
    assert bool(((alpha > 0) & (alpha < 1)).any())
    found = paint_sketch(faces, colors, alpha, ScribbleSettings(steps=12, candidates=1), random=8)
    assert found.marks[0].quotient < 0.75
    mean = faces.synthesize(mean_start(faces, "w+", statistics(faces, "w+"), 1).codes, "w+")
    from_mean = ((mean - colors).abs().mean(1) * alpha).sum() / alpha.sum()
    assert found.marks[0].l1 < 0.75 * from_mean
    assert found.marks[0].from_mean < 1


def test_a_work_of_sketches_and_variants_and_its_end_by_ctrl_c():
    generator = small_stylegan2(SIDE)
    sketches = [random_sketch(seed, name=f"s{seed}") for seed in range(2)]
    variants = [replace(SHORT, delta=weight, candidates=1) for weight in (0.0, 3.0)]
    work = Scribbling(generator, sketches, variants, LOOK, random=4)
    seen = []
    assert work.through(lambda what, done, total: seen.append((what, done, total)))
    assert list(work.paintings) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert seen[0] == ("Looking at random images", 4, 4)
    assert seen[-1] == ("Scribbling", 24, 24)
    assert len(work.latent()) == 4
    first, second = work.paintings[1, 0].marks[0], work.paintings[1, 1].marks[0]
    assert first.delta > second.delta

    broken = Scribbling(generator, sketches, variants, LOOK, random=4)
    assert not broken.through(stopping_after(8))
    assert list(broken.paintings) == [(0, 0), (0, 1)]
    assert broken.paintings[0, 0].marks == work.paintings[0, 0].marks
    assert broken.paintings[0, 1].marks[0].steps == 2
    with pytest.raises(KeyboardInterrupt):
        Scribbling(generator, sketches, variants, LOOK, random=4).through(stopping_after(0))


def stopping_after(steps: int) -> Callable[[str, int, int], None]:
    def stop(what: str, done: int, total: int) -> None:
        if what == "Scribbling" and done == steps:
            raise KeyboardInterrupt

    return stop


def test_variants_are_measured_alike():
    with pytest.raises(GanvasError, match="same terms"):
        Scribbling(small_stylegan2(SIDE), [random_sketch()], [SHORT, replace(SHORT, terms=L2)], LOOK)


def painted(**changes) -> Painting:
    sketch = random_sketch()
    given = {"colors": sketch.colors, "alpha": sketch.alpha, "random": 1} | {
        name: changes.pop(name) for name in ("colors", "alpha", "random") if name in changes
    }
    settings = replace(SHORT, **changes)
    return paint_sketch(
        small_stylegan2(SIDE), given["colors"], given["alpha"], settings, look=LOOK, random=given["random"]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": torch.zeros(1, SIDE, SIDE)}, "transparent everywhere"),
        ({"alpha": torch.ones(1, 8, 8)}, "do not fit"),
        ({"alpha": torch.ones(1, 8, 8), "colors": torch.ones(1, 3, 8, 8)}, "8 x 8 pixels and this generator 16 x 16"),
        ({"candidates": 5}, "4 random images, and 1 are looked at"),
        ({"candidates": 0}, "0 candidates"),
        ({"delta": -1.0}, "weight of -1"),
        ({"terms": Weights(l2=1.0, delta=1.0)}, "leave delta and noise out"),
        ({"steps": 0}, "0 steps"),
        ({"space": "s"}, "z, w or w"),
        ({"optimizer": "sgd"}, "no optimizer"),
        ({"random": -1}, "-1 random images"),
    ],
)
def test_wrong_input(changes: dict, message: str):
    with pytest.raises((GanvasError, ImageError), match=message):
        painted(**changes)
