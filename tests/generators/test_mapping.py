import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.generators.mapping import FullyConnected, MappingNetwork


def test_a_mapping_layer_is_its_formula() -> None:
    torch.manual_seed(0)
    layer = FullyConnected(3, 2, rate=0.1).double().requires_grad_(False)
    layer.bias.normal_()
    x = torch.randn(4, 3).double()
    linear = x @ layer.weight.T * 0.1 / 3**0.5 + 0.1 * layer.bias
    torch.testing.assert_close(layer(x), torch.where(linear > 0, linear, 0.2 * linear) * 2**0.5)


@settings(max_examples=20)
@given(st.floats(0.1, 100.0))
def test_the_length_of_z_does_not_matter(length: float) -> None:
    torch.manual_seed(1)
    mapping = MappingNetwork(5, 4, (6, 4), 0, 0.01).double()
    z = torch.randn(3, 5).double()
    torch.testing.assert_close(mapping(z * length, None), mapping(z, None), rtol=1e-5, atol=1e-6)


def test_a_label_joins_as_a_normalized_embedding() -> None:
    torch.manual_seed(2)
    mapping = MappingNetwork(5, 4, (4,), 3, 0.01).double()
    z, label = torch.randn(1, 5).double(), torch.tensor([[0.0, 1.0, 0.0]]).double()
    assert mapping.fc[0].weight.shape == (4, 9)
    torch.testing.assert_close(mapping(z, label), mapping(z, 1 * label))
    assert not torch.allclose(mapping(z, label), mapping(z, label.roll(1, dims=1)))
