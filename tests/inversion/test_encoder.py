"""The companion encoder: its sizes, its file, and what is refused."""

from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import CheckpointError
from ganvas.generators.protocol import About
from ganvas.inversion.encoder import (
    Encoder,
    EncoderArchitecture,
    default_start,
    encoder_reconstructor,
    load_encoder,
    save_encoder,
)
from ganvas.inversion.metrics import psnr
from ganvas.inversion.starts import mean_start
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.latents.latent import sample
from ganvas.latents.spaces import statistics
from tests.generators.small import small_stylegan2

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


@pytest.mark.float32
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faces", "cats"])
def test_the_bundled_encoder_is_the_default_start_and_reconstructs_better_than_the_mean(name: str):
    generator = ganvas.load(name)
    start = default_start(generator, "w+")
    assert isinstance(start, Encoder)
    images = torch.cat(list(sample(generator, [3, 5], truncation=0.7, space="w+").images(generator)))
    reconstructor = encoder_reconstructor(generator)
    assert reconstructor is not None
    with torch.no_grad():
        found = reconstructor.reconstruct(images)
        mean = generator.synthesize(mean_start(generator, "w+", statistics(generator, "w+"), 1).codes, "w+")
    assert bool((psnr(found, images) > psnr(mean.expand_as(images), images) + 1).all())
    assert default_start(generator, "w") == "mean"


def test_a_damaged_bundled_encoder_is_an_error_and_not_a_worse_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Otherwise inversions would start at the mean without a word."""
    generator = small_stylegan2(16)
    generator.about = About("small", "abc")
    monkeypatch.setattr("ganvas.inversion.encoder.bundled_path", lambda name: tmp_path / f"{name}.safetensors")
    assert default_start(generator, "w+") == "mean"
    (tmp_path / "small-encoder.safetensors").write_text("damaged")
    with pytest.raises(CheckpointError):
        default_start(generator, "w+")
    save_encoder(tmp_path / "small-encoder.safetensors", encoder(), "another", {})
    assert default_start(generator, "w+") == "mean"
    save_encoder(tmp_path / "small-encoder.safetensors", encoder(), "abc", {})
    assert isinstance(default_start(generator, "w+"), Encoder)
