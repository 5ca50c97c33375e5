import pytest
import torch
import torch.nn.functional as F

import ganvas
from ganvas.errors import RegionError
from ganvas.parts.labels import _values_at, drawn_pixels, softmax_regression
from ganvas.parts.maps import maps_of
from ganvas.parts.model_part import label_maps
from tests.generators.small import small_stylegan2


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(32)


@pytest.fixture(scope="module")
def latent(generator):
    return ganvas.sample(generator, [1, 2, 3])


def test_labels_that_are_linear_in_the_maps_are_learned(generator, latent):
    values = maps_of(generator, latent, ["b32"])["b32"]
    labels = (values[:, 0] > values[:, 0].mean()).long()
    model = ganvas.learn_parts(generator, latent, labels, {"bright": [1]})
    right = (label_maps(generator, latent, model) == labels).double().mean()
    assert right > 0.9
    other = ganvas.sample(generator, [7])
    there = maps_of(generator, other, ["b32"])["b32"][:, 0] > values[:, 0].mean()
    assert (label_maps(generator, other, model) == there).double().mean() > 0.85
    assert repr(model) == "PartModel(2 labels of b4, b8, b16, b32, named bright)"


def test_labels_of_another_size_are_enlarged(generator, latent):
    small = torch.zeros(3, 8, 8, dtype=torch.long)
    small[:, 4:] = 1
    large = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
    first, second = (ganvas.learn_parts(generator, latent, one).maps[0].weight for one in (small, large))
    assert torch.equal(first, second)


def test_the_gradient_vanishes_where_the_regression_ends():
    random = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(200, 4, generator=random), torch.randint(0, 3, (200,), generator=random)
    weights = torch.rand(200, generator=random)
    weight, bias = softmax_regression(inputs, targets, weights, 3)
    weight.requires_grad_(), bias.requires_grad_()
    loss = (F.cross_entropy(inputs @ weight.T + bias, targets, reduction="none") * weights).mean()
    (loss + 1e-2 * weight.square().sum()).backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() < 1e-3


def test_values_at_pixels_are_those_of_the_enlarged_map(generator, latent):
    places = torch.tensor([[0, 31, 500], [1023, 7, 33], [5, 6, 7]])
    read = _values_at(generator, latent, ["b8"], places, lambda *_: None)["b8"]
    whole = F.interpolate(maps_of(generator, latent, ["b8"])["b8"], (32, 32), mode="bilinear", align_corners=False)
    wanted = whole.flatten(2).gather(2, places[:, None].expand(-1, whole.shape[1], -1)).mT
    torch.testing.assert_close(read, wanted, atol=1e-5, rtol=1e-4)


def test_small_parts_are_drawn_more_often_and_weigh_less():
    labels = torch.zeros(1, 40, 40, dtype=torch.long)
    labels[0, :4, :4] = 1
    places, weights = drawn_pixels(labels, 2, 200)
    assert len(places[0].unique()) == 200
    small = labels.flatten()[places[0]] == 1
    assert small.double().mean() > 3 * labels.double().mean()
    assert weights[0, small].max() < weights[0, ~small].min()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.long), "one label"),
        (torch.arange(2)[:, None, None].expand(2, 8, 8), "2 label maps do not fit 3 images"),
        (torch.full((3, 8, 8), 300), "range from 300"),
        (torch.full((3, 8, 8), -1), "range from -1"),
    ],
)
def test_labels_that_teach_nothing_are_refused(generator, latent, labels: torch.Tensor, message: str):
    with pytest.raises(RegionError, match=message):
        ganvas.learn_parts(generator, latent, labels)
