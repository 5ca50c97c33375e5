"""DCGAN against torch's own layers, its published size, its derivative, and its way of refusing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ganvas.directions.basis import make_basis
from ganvas.directions.jvp import default_measure, derivative
from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.dcgan.generator import DCGAN, DCGANArchitecture, initialize
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent


def small_dcgan(resolution: int = 32, dtype: torch.dtype = torch.float32) -> DCGAN:
    """Return a generator in which nothing is 0 or 1, so that nothing passes unseen."""
    generator = initialize(DCGAN(DCGANArchitecture.standard(resolution, 3, 7)), torch.Generator().manual_seed(1))
    for name, tensor in generator.state_dict().items():
        if tensor.ndim == 4:
            tensor.mul_(8)
        else:
            low, high = (
                (0.2, 0.6) if name.endswith("variance") else (0.8, 1.2) if name.endswith("weight") else (-0.3, 0.3)
            )
            tensor.copy_(torch.linspace(low, high, len(tensor)))
    return generator.eval().requires_grad_(False).to(dtype)


def by_torch_layers(generator: DCGAN) -> nn.Sequential:
    """Return the same network made of torch's modules, for codes [n, z_dim, 1, 1]: a second implementation."""
    layers: list[nn.Module] = []
    for i, part in enumerate(generator.parts()):
        inputs, outputs = part.weight.shape[:2]
        stride, padding = (1, 0) if i == 0 else (2, 1)
        convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)
        convolution.weight = nn.Parameter(part.weight.clone())
        layers.append(convolution)
        if outputs == 3 and i == len(generator.parts()) - 1:
            return nn.Sequential(*layers, nn.Tanh()).to(part.weight.dtype)
        norm = nn.BatchNorm2d(outputs)
        ours = {name: tensor.clone() for name, tensor in part.norm.state_dict().items()}
        norm.load_state_dict(
            {
                "weight": ours["weight"],
                "bias": ours["bias"],
                "running_mean": ours["mean"],
                "running_var": ours["variance"],
                "num_batches_tracked": torch.tensor(0),
            }
        )
        layers += [norm, nn.ReLU()]
    raise AssertionError("no colors")


@pytest.mark.parametrize(("resolution", "parameters"), [(32, 1_068_928), (64, 3_576_704), (128, 12_786_560)])
def test_the_standard_dcgan_has_the_published_sizes(resolution: int, parameters: int):
    with torch.device("meta"):
        generator = DCGAN(DCGANArchitecture.standard(resolution))
    assert sum(p.numel() for p in generator.parameters()) == parameters


@pytest.mark.float32
@pytest.mark.parametrize("resolution", [8, 32, 64, 128])
def test_equals_torch_layers_outside_training(resolution: int):
    generator = small_dcgan(resolution)
    z = generator.sample([0, 5])
    images = generator.synthesize(z, "z")
    assert images.shape == (2, 3, resolution, resolution)
    torch.testing.assert_close(images, by_torch_layers(generator).eval()(z[:, :, None, None]), atol=1e-5, rtol=1e-4)


@pytest.mark.float32
def test_equals_torch_layers_in_training_with_its_statistics():
    generator = small_dcgan().requires_grad_(True)
    other = by_torch_layers(generator).train()
    z = torch.randn(6, 7, generator=torch.Generator().manual_seed(3))
    ours, theirs = generator.train()(z), other(z[:, :, None, None])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(generator.blocks["b4"].weight.grad, other[0].weight.grad, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(generator.blocks["b8"].norm.variance, other[4].running_var)
    torch.testing.assert_close(generator.blocks["b8"].norm.mean, other[4].running_mean)


def test_dcgan_satisfies_the_protocol():
    generator = small_dcgan()
    assert isinstance(generator, Generator)
    assert (generator.spaces, generator.layers, generator.dimensions("z")) == (("z",), 0, (7,))
    assert generator.feature_names == ("b4", "b8", "b16")


def test_initial_weights_have_the_published_stds():
    generator = initialize(DCGAN(DCGANArchitecture.standard(64, 32)), torch.Generator().manual_seed(0))
    again = initialize(DCGAN(DCGANArchitecture.standard(64, 32)), torch.Generator().manual_seed(0))
    for name, parameter in generator.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
    for part in generator.parts():
        assert abs(float(part.weight.detach().std()) - 0.02) < 0.002
    norm = generator.blocks["b4"].norm
    assert abs(float(norm.weight.detach().mean()) - 1) < 0.01
    assert abs(float(norm.weight.detach().std()) - 0.02) < 0.004
    assert not norm.bias.any()


def test_truncation_pulls_codes_towards_zero():
    generator = small_dcgan()
    z = generator.sample([3])
    assert torch.equal(generator.synthesize(z, "z", truncation=0.5), generator.synthesize(0.5 * z, "z"))


def test_rows_do_not_depend_on_their_batch():
    generator = small_dcgan()
    z = generator.sample([0, 1, 2])
    torch.testing.assert_close(
        generator.synthesize(z, "z")[1:2], generator.synthesize(z[1:2], "z"), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("name", ["b4", "b8", "b16"])
def test_resuming_from_a_map_gives_the_same_image(name: str):
    generator = small_dcgan()
    z = generator.sample([0, 1])
    maps = generator.features(z, [name], "z", with_image=True)
    assert maps[name].shape[2:] == (int(name[1:]),) * 2
    assert torch.equal(generator.features(z, [name], "z")[name], maps[name])
    assert torch.equal(generator.resume(name, maps[name], z, "z"), maps["image"])
    assert not torch.equal(generator.resume(name, maps[name] + 1, z, "z"), maps["image"])


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), psi=st.floats(0.2, 1.5))
def test_derivative_equals_forward_mode(seed: int, psi: float):
    generator = small_dcgan(dtype=torch.float64)
    z = generator.sample([seed]).double()
    tangents = torch.eye(7, dtype=torch.float64)
    image, push = generator.linearize(z, "z", truncation=psi)
    torch.testing.assert_close(image, generator.synthesize(z, "z", truncation=psi))

    def along(tangent: Tensor) -> Tensor:
        return torch.func.jvp(lambda z: generator.synthesize(z, "z", truncation=psi), (z,), (tangent[None],))[1][0]

    torch.testing.assert_close(push(tangents), torch.func.vmap(along)(tangents))


@pytest.mark.slow
def test_gradients_equal_finite_differences():
    generator = small_dcgan(8, torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: generator.synthesize(z, "z"), (generator.sample([0]).double().requires_grad_(),)
    )


def test_jacobian_uses_the_truncated_code():
    generator = small_dcgan(8)
    z = generator.sample([0])
    basis, measure = make_basis(generator, "z"), default_measure(generator)
    truncated = derivative(generator, Latent(z, "z", truncation=0.5), basis, measure)
    torch.testing.assert_close(truncated.image, generator.synthesize(z, "z", truncation=0.5))
    torch.testing.assert_close(
        truncated.columns(0, 7), derivative(generator, Latent(0.5 * z, "z"), basis, measure).columns(0, 7) / 2
    )


def test_bfloat16_images_are_near_those_in_float32():
    generator = small_dcgan(64)
    z = generator.sample([0, 1])
    exact = generator.synthesize(z, "z")
    rounded = generator.set_precision(torch.bfloat16).synthesize(z, "z")
    assert rounded.dtype == torch.float32
    assert (rounded - exact).std() < 0.02 * exact.std()
    assert generator.linearize(z[:1], "z")[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g, z: g.map(z), "space z only"),
        (lambda g, z: g.synthesize(z, "w"), "Space 'w' does not exist"),
        (lambda g, z: g.synthesize(z[:, :3], "z"), r"wants \[n, 7\]"),
        (lambda g, z: g.synthesize(z.double(), "z"), "convert them first"),
        (lambda g, z: g.synthesize(z, "z", label=3), "no classes"),
        (lambda g, z: g.synthesize(z, "z", noise={"b4": z}), "has none; leave noise out"),
        (lambda g, z: g.synthesize(z, "z", noise="random"), "Noise 'random' is not known"),
        (lambda g, z: g.features(z, ["b64"], "z"), "has b4, b8, b16"),
        (lambda g, z: g.resume("b5", z[..., None, None], z, "z"), "Feature map 'b5' does not exist"),
        (lambda g, z: g.linearize(z, "z", layers=[1]), "leave layers out"),
        (lambda g, z: g.train().linearize(z, "z"), r"call eval\(\) first"),
    ],
)
def test_unfit_calls_are_refused(call, told: str):
    generator = small_dcgan()
    with pytest.raises(LatentError, match=told):
        call(generator, generator.sample([0]))


@pytest.mark.parametrize("sizes", [(48, (4, 4, 4)), (64, (4, 4, 4)), (4, ()), (32, (4, 0, 4)), (2**40, (4,) * 38)])
def test_impossible_architectures_are_refused(sizes):
    with pytest.raises(CheckpointError):
        DCGANArchitecture(*sizes)


def test_standard_refuses_odd_resolutions():
    with pytest.raises(CheckpointError, match="up to half its resolution"):
        DCGANArchitecture.standard(48)
    with pytest.raises(CheckpointError):
        DCGANArchitecture.standard(0)
