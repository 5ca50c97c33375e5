"""Any module as a generator: the same images, maps by path, its derivative, and what cannot be wrapped."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Directions
from ganvas.directions.jvp import default_measure, derivative
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator
from ganvas.generators.wrapped.generator import Wrapped
from ganvas.latents.latent import Latent
from tests.generators.test_dcgan import by_torch_layers, small_dcgan

SIGNS = torch.ones(3, 4, 4).index_fill_(1, torch.tensor([2, 3]), -1)
BOX = ganvas.Region.box(0.2, 0.2, 0.7, 0.6)


class Painter(nn.Module):
    """A linear layer, an in-place ReLU and a convolution to `colors`; with classes, a label is added to the code."""

    def __init__(self, colors: int = 3, width: int = 6, classes: int = 0, rows: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(colors + width)
        self.body = nn.Sequential(nn.Linear(width, 5 * 16), nn.Unflatten(1, (5, 4, 4)), nn.ReLU(inplace=True))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.colors = nn.Conv2d(5, colors, 3, padding=1)
        self.embed = nn.Linear(classes, width) if classes else None
        self.rows = rows
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random) / 2
        self.eval().requires_grad_(False)

    def forward(self, codes: Tensor, *label: Tensor) -> Tensor:
        if self.embed is not None:
            codes = codes + self.embed(label[0])
        if self.rows:
            codes = codes.mean(dim=1) + 0.5 * codes[:, -1]
        return torch.tanh(self.colors(self.up(self.body(codes))))


class Function(nn.Module):
    """A module that is one function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function
        self.eval()

    def forward(self, *arguments: Tensor) -> Tensor:
        return self.function(*arguments)


def spread(z: Tensor) -> Tensor:
    """Return images of 4 px: the sine of the code's first number, and its opposite in the lower half."""
    return z[:, :1, None, None].sin() * SIGNS


def test_wrapping_changes_nothing_of_the_images():
    module = Painter()
    generator = ganvas.wrap(module, z_dim=6)
    z = generator.sample([0, 9])
    assert isinstance(generator, Generator)
    assert (generator.resolution, generator.spaces, generator.layers) == (8, ("z",), 0)
    assert torch.equal(generator.synthesize(z, "z"), module(z))
    assert torch.equal(generator.synthesize(z, "z", truncation=0.5), module(0.5 * z))
    assert generator.device == torch.device("cpu")
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.float32
def test_modules_that_start_with_a_convolution():
    ours = small_dcgan()
    generator = ganvas.wrap(by_torch_layers(ours).eval(), z_dim=(7, 1, 1))
    z = generator.sample([3, 4])
    assert z.shape == (2, 7)
    torch.testing.assert_close(generator.synthesize(z, "z"), ours.synthesize(z, "z"), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        generator.features(z, ["5"], "z")["5"], ours.features(z, ["b8"], "z")["b8"], atol=1e-5, rtol=1e-4
    )


def test_maps_are_named_in_the_order_in_which_they_are_made():
    assert ganvas.wrap(Painter(), z_dim=6).feature_names == ("body.1", "body.2", "body", "up", "colors")
    assert ganvas.wrap(Painter(), z_dim=6, feature_names=["up", "body.1"]).feature_names == ("body.1", "up")


def test_maps_are_what_a_module_put_out_before_others_work_in_place():
    generator = ganvas.wrap(Painter(), z_dim=6)
    z = generator.sample([0])
    maps = generator.features(z, ["body.1", "body.2"], "z", with_image=True)
    assert (maps["body.1"] < 0).any()
    assert torch.equal(maps["body.1"].relu(), maps["body.2"])
    assert torch.equal(maps["image"], generator.synthesize(z, "z"))
    assert generator.features(z, [], "z") == {}


def test_maps_stop_the_module_when_all_are_there():
    module = Painter()
    generator = ganvas.wrap(module, z_dim=6)
    module.colors.forward = None  # would fail if it were called
    assert generator.features(generator.sample([0]), ["up"], "z")["up"].shape == (1, 5, 8, 8)


@pytest.mark.parametrize("name", ["body.1", "body.2", "up", "colors"])
def test_resuming_from_a_submodule_gives_its_image(name: str):
    generator = ganvas.wrap(Painter(), z_dim=6)
    z, other = generator.sample([0]), generator.sample([1])
    maps = generator.features(z, [name], "z", with_image=True)
    assert torch.equal(generator.resume(name, maps[name], other, "z"), maps["image"])
    moved = maps[name].clone().requires_grad_()
    generator.resume(name, moved, other, "z").square().sum().backward()
    assert moved.grad is not None
    assert moved.grad.any()


def test_resuming_refuses_a_map_of_another_shape():
    generator = ganvas.wrap(Painter(), z_dim=6)
    with pytest.raises(LatentError, match=r"which has \[1, 5, 8, 8\] here"):
        generator.resume("up", torch.zeros(1, 5, 4, 4), generator.sample([0]), "z")
    with pytest.raises(LatentError, match="Feature map 'down' does not exist"):
        generator.resume("down", torch.zeros(1, 5, 4, 4), generator.sample([0]), "z")


def test_gray_and_other_ranges_become_three_colors_around_zero():
    gray = ganvas.wrap(Painter(1), z_dim=6)
    z = gray.sample([0, 1])
    assert torch.equal(gray.synthesize(z, "z"), gray.module(z).expand(-1, 3, -1, -1))
    bytes_of = Function(lambda z: 127.5 * (spread(z) + 1))
    wide = ganvas.wrap(bytes_of, z_dim=6, image_range=(0, 255))
    torch.testing.assert_close(wide.synthesize(z, "z"), spread(z), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("scale", "shift"), [(127.5, 127.5), (0.5, 0.5)])
def test_images_that_do_not_look_like_the_range_are_warned_of(scale: float, shift: float):
    with pytest.warns(UserWarning, match="give image_range"):
        ganvas.wrap(Function(lambda z: scale * spread(z) + shift), z_dim=6)


def test_priors_are_normal_uniform_or_a_function():
    uniform = ganvas.wrap(Painter(), z_dim=6, sample="uniform").sample(range(400))
    assert uniform.abs().max() <= 1
    assert abs(float(uniform.std()) - 3**-0.5) < 0.02
    assert torch.equal(uniform[7], torch.from_numpy(np.random.RandomState(7).uniform(-1, 1, 6)).float())
    own = ganvas.wrap(Painter(), z_dim=6, sample=lambda seeds: torch.tensor([[float(s)] * 6 for s in seeds]))
    assert own.sample([2, 5])[:, 0].tolist() == [2, 5]


@pytest.mark.parametrize(
    ("prior", "told"),
    [
        (lambda seeds: torch.zeros(len(seeds), 5), r"shape \[2, 5\] for two seeds, not \[2, 6\]"),
        (lambda seeds: torch.arange(6.0 * len(seeds)).view(-1, 6), "another code in another batch"),
        ("cauchy", "give normal, uniform, or a function"),
    ],
)
def test_unfit_priors_are_refused(prior, told: str):
    with pytest.raises(GanvasError, match=told):
        ganvas.wrap(Painter(), z_dim=6, sample=prior)


@pytest.mark.parametrize(
    ("label_as", "module"),
    [
        ("one-hot", Painter(classes=2)),
        ("number", Function(lambda z, y: Painter(classes=2)(z, torch.eye(2)[y]))),
    ],
)
def test_labels_go_in_as_rows_or_numbers(label_as: str, module: nn.Module):
    generator = ganvas.wrap(module, z_dim=6, classes=["cat", "dog"], label_as=label_as)
    z = generator.sample([0, 0])
    images = generator.synthesize(z, "z", label=["cat", 1])
    torch.testing.assert_close(images, Painter(classes=2)(z, torch.eye(2)))
    torch.testing.assert_close(generator.synthesize(z, "z", label="dog")[0], images[1])
    maps = generator.features(z, ["body"] if label_as == "one-hot" else [], "z", label=1, with_image=True)
    torch.testing.assert_close(maps["image"][0], images[1])
    with pytest.raises(LatentError, match="needs a label"):
        generator.synthesize(z, "z")
    with pytest.raises(LatentError, match="No class is called"):
        generator.synthesize(z, "z", label="horse")


@pytest.mark.slow
def test_a_mapping_gives_w():
    mapping = nn.Linear(4, 6).eval().requires_grad_(False)
    generator = ganvas.wrap(Painter(), z_dim=4, mapping=mapping)
    z = generator.sample([0, 1])
    assert (generator.spaces, generator.dimensions("w")) == (("z", "w"), (6,))
    w = generator.map(z, "w")
    assert torch.equal(w, mapping(z))
    assert torch.equal(generator.synthesize(w, "w"), generator.synthesize(z, "z"))
    average = mapping(generator.sample(range(2048))).mean(dim=0)
    torch.testing.assert_close(generator.map(z, "w", truncation=0.3), average + 0.3 * (w - average))
    torch.testing.assert_close(
        generator.synthesize(z, "z", truncation=0.3), generator.synthesize(average + 0.3 * (w - average), "w")
    )
    found = ganvas.find_directions(generator, w[:1], BOX, space="w", count=2)
    assert found.vectors.shape == (2, 6)
    assert ganvas.edit(generator, Latent(w, "w"), found[0], 2.0).space == "w"


def test_a_mapping_and_layers_give_w_plus():
    mapping = nn.Linear(4, 6).eval().requires_grad_(False)
    generator = ganvas.wrap(Painter(rows=3), z_dim=4, mapping=mapping, layers=3)
    ws = generator.map(generator.sample([0, 1]))
    assert (generator.spaces, ws.shape) == (("z", "w", "w+"), (2, 3, 6))
    assert torch.equal(generator.synthesize(ws[:, 0], "w"), generator.synthesize(ws, "w+"))
    truncated = generator.map(generator.sample([0, 1]), truncation=0.0, truncation_layers=1)
    assert torch.equal(truncated[:, 1:], ws[:, 1:])
    torch.testing.assert_close(truncated[0, 0], truncated[1, 0])
    found = ganvas.find_directions(generator, Latent(ws[:1], "w+"), BOX, space="w", layers="2", count=1)
    edited = ganvas.edit(generator, Latent(ws, "w+"), found[0], 2.0).codes
    assert torch.equal(edited[:, :2], ws[:, :2])
    torch.testing.assert_close((edited - ws)[:, 2].norm(dim=1), torch.full((2,), 2.0))


def measured_ratio(generator: Wrapped, z: Tensor, found: Directions) -> float:
    """Return the mean squared change inside over that outside for a small step along the first direction."""
    step = 1e-3 * found[0].vector
    change = (
        (generator.synthesize(z + step, "z") - generator.synthesize(z - step, "z")).square().mean(dim=1, keepdim=True)
    )
    inside, outside = BOX.split(generator.resolution, generator.resolution)
    return float((change * inside).sum() / inside.sum() / ((change * outside).sum() / outside.sum()))


def test_directions_of_a_wrapped_module_change_what_they_predict():
    generator = ganvas.wrap(Painter(), z_dim=6)
    z = generator.sample([2])
    found = ganvas.find_directions(generator, z, BOX, space="z", count=3)
    assert measured_ratio(generator, z, found) == pytest.approx(float(found.predicted_ratios[0]), rel=1e-2)
    assert found.origin.generator == "Painter"
    assert found.origin.generator_hash == generator.about.hash != ganvas.wrap(Painter(1), z_dim=6).about.hash


def steps_by_python(z: Tensor) -> Tensor:
    """Return `spread`, by a branch on a value, which vmap cannot follow."""
    return spread(z) * (1.0 if float(z.detach().sum()) < 1e9 else 2.0)


def test_modules_that_vmap_cannot_follow_are_differentiated_one_tangent_at_a_time():
    generator = ganvas.wrap(Function(steps_by_python), z_dim=6)
    z = generator.sample([0])
    columns = derivative(generator, Latent(z, "z"), make_basis(generator, "z"), default_measure(generator)).columns(
        0, 6
    )
    torch.testing.assert_close(columns[0], z[0, 0].cos() * SIGNS.flatten())
    assert not columns[1:].any()


class Rounded(torch.autograd.Function):
    """An operation that knows no derivative forwards."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        return gradients[0]


def test_modules_without_a_derivative_are_told_so():
    generator = ganvas.wrap(Function(lambda z: Rounded.apply(9 * spread(z)) / 9), z_dim=6)
    linear = derivative(
        generator, ganvas.sample(generator, [0]), make_basis(generator, "z"), default_measure(generator)
    )
    with pytest.raises(GanvasError, match="no derivative in forward mode"):
        linear.columns(0, 6)


def test_regions_and_names_come_with_the_generator():
    generator = ganvas.wrap(Painter(), z_dim=6, name="mine", regions={"middle": BOX}, resolution=8)
    assert ganvas.named_regions(generator) == {"middle": BOX}
    assert generator.about.name == "mine"


def test_float64_modules_take_float64_codes():
    generator = ganvas.wrap(Painter().double(), z_dim=6)
    assert generator.sample([0]).dtype == torch.float64
    assert generator.synthesize(generator.sample([0]), "z").dtype == torch.float64


def test_bfloat16_modules_take_float32_codes():
    generator = ganvas.wrap(Painter().bfloat16(), z_dim=6)
    assert (generator.sample([0]).dtype, generator.synthesize(generator.sample([0]), "z").dtype) == (torch.float32,) * 2


def noisy(z: Tensor) -> Tensor:
    return spread(z) + torch.randn(len(z), 3, 4, 4)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (Painter().train(), r"call module.eval\(\) first"),
        (nn.Sequential(Painter(), nn.Dropout()).eval().train(), "training mode"),
        (Function(noisy), "draws random numbers"),
        (Function(lambda z: spread(z - z.mean(dim=0))), "normalizes over the batch"),
        (Function(lambda z: (spread(z), z)), "returns a tuple of 2"),
        (Function(lambda z: {"image": spread(z)}), "returns a dict of 1"),
        (Function(lambda z: spread(z).to(torch.uint8)), "a tensor of torch.uint8"),
        (Function(lambda z: spread(z)[:, :2]), r"returns \[2, 2, 4, 4\]"),
        (Function(lambda z: spread(z)[..., :3]), "square images"),
        (Function(lambda z: spread(z)[:1]), r"returns \[1, 3, 4, 4\] for 2 codes"),
        (Function(lambda z: spread(z)[0]), "square images"),
        (Function(lambda z: spread(z) / 0), "not finite"),
        (nn.Linear(5, 7).eval(), "Give z_dim, as"),
        (nn.ConvTranspose2d(6, 3, 4).eval(), "starts with a convolution"),
    ],
)
def test_what_is_no_generator_is_refused(module: nn.Module, told: str):
    with pytest.raises(GanvasError, match=told):
        ganvas.wrap(module, z_dim=6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"resolution": 16}, "of 8 pixels, not of 16"),
        ({"feature_names": ["body.0"]}, "'body.0' is no feature map"),
        ({"feature_names": ["down"]}, "There are body.1, body.2"),
        ({"image_range": (1, -1)}, r"give \(low, high\)"),
        ({"label_as": "word"}, "give one-hot or number"),
        ({"layers": 3}, "3 layers need a mapping"),
        ({"mapping": lambda z: z[:, None]}, r"returns \[2, 1, 6\] for two codes"),
        ({"z_dim": ()}, "hold no number"),
    ],
)
def test_unfit_options_are_refused(options: dict, told: str):
    with pytest.raises(GanvasError, match=told):
        ganvas.wrap(Painter(), **({"z_dim": 6} | options))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g, z: g.map(z), "space z only"),
        (lambda g, z: g.synthesize(z, "w+"), "Space 'w+' does not exist"),
        (lambda g, z: g.synthesize(z[:, :3], "z"), r"wants [n, 6]"),
        (lambda g, z: g.synthesize(z, "z", label=1), "no classes"),
        (lambda g, z: g.synthesize(z, "z", noise="random"), "Noise 'random' is not known"),
        (lambda g, z: g.features(z, ["b8"], "z"), "has body.1, body.2, body, up, colors"),
    ],
)
def test_unfit_calls_are_refused(call, told: str):
    generator = ganvas.wrap(Painter(), z_dim=6)
    with pytest.raises(LatentError, match=re.escape(told)):
        call(generator, generator.sample([0]))


def test_modules_called_twice_give_no_map():
    twice = nn.ReLU()
    module = nn.Sequential(nn.Unflatten(1, (3, 4, 4)), twice, nn.Conv2d(3, 3, 1), twice, nn.Conv2d(3, 3, 1)).eval()
    assert ganvas.wrap(module, z_dim=48).feature_names == ("0", "2", "4")


def test_training_mode_is_refused_after_wrapping_too():
    module = Painter()
    generator = ganvas.wrap(module, z_dim=6)
    module.train()
    with pytest.raises(GanvasError, match="training mode"):
        generator.synthesize(generator.sample([0]), "z")
