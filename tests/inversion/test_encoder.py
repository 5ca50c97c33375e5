"""The companion encoder: its sizes, its file, and what is refused."""

from pathlib import Path

import pytest
import torch

from ganvas.errors import CheckpointError
from ganvas.inversion.encoder import Encoder, EncoderArchitecture, load_encoder, save_encoder
from ganvas.io.tensor_files import read_tensors, write_tensors

SMALL = EncoderArchitecture(16, layers=4, w_dim=8, widths=(4, 6, 8), hidden=8)


def encoder(architecture: EncoderArchitecture = SMALL) -> Encoder:
    torch.manual_seed(0)
    made = Encoder(architecture)
    made.mean.normal_()
    made.std.uniform_(0.5, 2)
    torch.nn.init.normal_(made.apart.weight)
    return made


def test_the_standard_encoder_has_at_most_three_million_parameters():
    """For the bundled generators' size: 128 px, 12 layers, w of 256."""
    made = Encoder(EncoderArchitecture(128, 12, 256, (24, 48, 96, 128, 160, 160)))
    assert sum(parameter.numel() for parameter in made.parameters()) <= 3_000_000


def test_an_untrained_encoder_gives_one_code_for_all_layers():
    """What each layer adds begins at nothing, so that training starts from one code for all layers."""
    torch.manual_seed(0)
    codes = Encoder(SMALL)(torch.randn(2, 3, 16, 16))
    assert codes.shape == (2, 4, 8)
    assert torch.equal(codes, codes[:, :1].expand(-1, 4, -1))


def test_codes_are_offsets_from_the_mean_in_standard_deviations():
    made, images = encoder(), torch.randn(3, 3, 16, 16)
    steps = (made(images) - made.mean) / made.std
    made.mean.fill_(3.0)
    made.std.fill_(0.1)
    assert torch.allclose((made(images) - 3.0) / 0.1, steps, atol=1e-4)


def test_samples_do_not_depend_on_each_other_and_sizes_are_free():
    made, images = encoder(), torch.randn(3, 3, 40, 24)
    assert torch.allclose(made(images)[1:2], made(images[1:2]), atol=1e-5)


def test_a_saved_encoder_is_read_back_in_half_precision(tmp_path: Path):
    made = encoder()
    path = save_encoder(tmp_path / "encoder.safetensors", made, "abc", {"steps": 3})
    again, of = load_encoder(path)
    assert of == "abc"
    assert again.architecture == SMALL
    assert not any(parameter.requires_grad for parameter in again.parameters())
    images = torch.randn(2, 3, 16, 16)
    difference = (again(images) - made(images)).abs().max() / made(images).std()
    assert difference < 0.01  # half precision


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"resolution": 32}, "3 maps do not lead from 32 pixels to 4"),
        ({"layers": 0}, "whole numbers from 1 up"),
        ({"hidden": "many"}, "encoder"),
        ({"widths": 3}, "damaged encoder"),
        ({"w_dim": 9}, "damaged encoder"),
        ({"color": 1}, "damaged encoder"),
    ],
)
def test_damaged_encoder_files_are_refused(tmp_path: Path, change: dict, word: str):
    path = save_encoder(tmp_path / "encoder.safetensors", encoder(), "abc", {})
    tensors, header = read_tensors(path, "encoder", CheckpointError)
    header["architecture"] |= change
    known = {name: header[name] for name in ("architecture", "generator", "facts")}
    write_tensors(path, "encoder", tensors, known, CheckpointError)
    with pytest.raises(CheckpointError, match=word):
        load_encoder(path)


def test_a_missing_encoder_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="nowhere"):
        load_encoder("nowhere")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(CheckpointError):
        load_encoder(tmp_path / "text.safetensors")
