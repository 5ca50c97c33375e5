"""``ganvas interpolate``: its files, what it says, and what it refuses before it works."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.generators.weight_differences import weights_of
from ganvas.images import video
from ganvas.images.video import can_write_mp4
from ganvas.latents.files import load_latent
from ganvas.latents.latent import sample
from ganvas.latents.noise import with_noise
from ganvas.metrics.ssim import ssim
from tests.generators.small import small_stylegan2

FILES = {
    "interpolate.gif",
    "interpolate.webp",
    "interpolate.png",
    "steps.png",
    "steps.json",
    "latent.safetensors",
    "run.json",
}


@pytest.mark.slow
def test_retimed_video_has_even_steps(run, tmp_path):
    outcome = run("interpolate", "faces", "seed:2", "seed:5", "--frames", 12, "--retime", "--out", tmp_path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    summary = json.loads(outcome.out)
    before, after = summary["timings"].values()
    assert after["unevenness"] < 1.2 < before["unevenness"]
    frames = torch.cat(list(load_latent(tmp_path / "latent.safetensors").images(ganvas.load("faces"))))
    steps = (1 - ssim(frames[:-1], frames[1:])).sqrt()
    assert after["unevenness_ssim"] == pytest.approx(float(steps.max() / steps.mean()), rel=0.02)
    assert len(before["steps"]) == len(after["steps"]) == 11
    assert len(before["distance_to_mean"]) == 12
    assert summary["latents"] == ["seed 2", "seed 5"]
    assert json.loads((tmp_path / "steps.json").read_text())["timings"] == summary["timings"]
    assert len(load_latent(tmp_path / "latent.safetensors")) == 12
    with Image.open(tmp_path / "interpolate.webp") as video:
        assert video.n_frames == 22  # there and back


@pytest.mark.slow
def test_looped_path_through_samples_keeps_other_layers(run, tmp_path):
    assert run("sample", "faces", "--seeds", "0-3", "--out", tmp_path / "one").code == 0
    file = tmp_path / "one" / "latent.safetensors"
    options = ["--loop", "--frames", 6, "--layers", "4-5", "--ease", "--out", tmp_path / "video"]
    outcome = run("interpolate", "faces", f"{file}:1-2", "seed:9", *options)
    assert outcome.code == 0
    assert "easing" in outcome.out
    found = load_latent(tmp_path / "video" / "latent.safetensors")
    first = load_latent(file).codes[1]
    assert torch.allclose(found.codes[0], first, atol=1e-6)
    assert torch.allclose(found.codes[:, 0], first[:1].expand(6, -1), atol=1e-6)
    with Image.open(tmp_path / "video" / "interpolate.gif") as video:
        assert video.n_frames == 6


@pytest.mark.slow
def test_spherical_path_lies_in_z(run, tmp_path):
    outcome = run("interpolate", "faces", "seed:4", "seed:7", "--mode", "spherical", "--frames", 3, "--out", tmp_path)
    assert outcome.code == 0
    found = load_latent(tmp_path / "latent.safetensors")
    assert (found.space, found.truncation) == ("z", 0.7)


def test_path_in_s_reports_no_distance_to_the_mean(run, tmp_path):
    outcome = run("interpolate", "faces", "seed:4", "seed:7", "--space", "s", "--frames", 3, "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    assert "largest step" in outcome.out
    assert "nan" not in outcome.out
    assert "stds" not in outcome.out


@pytest.mark.slow
def test_path_from_tuned_photo_to_seed_blends_weights(run, tmp_path):
    """The weights of each frame lie between both; no one latent file holds them all."""
    generator = small_stylegan2(16)
    model = save_generator(tmp_path / "layers.safetensors", generator, About("layers", "", {}))
    name, weight = next((n, v) for n, v in weights_of(generator).items() if n.endswith("conv1.weight"))
    photo = replace(sample(generator, [0]), seeds=(), generator="", tuned={name: torch.full_like(weight, 0.1)})
    file = photo.save(tmp_path / "photo.safetensors")
    outcome = run("interpolate", model, file, "seed:7", "--frames", 3, "--retime", "--out", tmp_path / "video")
    assert outcome.code == 0, outcome.err
    assert "no latent file" in outcome.out
    assert {path.name for path in (tmp_path / "video").iterdir()} == FILES - {"latent.safetensors"}


@pytest.mark.slow
def test_one_class_for_each_end(run, tmp_path):
    generator = small_stylegan2(16, label_dim=3)
    model = save_generator(tmp_path / "classes.safetensors", generator, About("classes", "", {}))
    frames = ["--frames", 3, "--truncation", 1]
    outcome = run("interpolate", model, "seed:4", "seed:4", "--label", "0,2", *frames, "--out", tmp_path / "video")
    assert outcome.code == 0, outcome.err
    found = load_latent(tmp_path / "video" / "latent.safetensors").codes
    for frame, label in ((0, 0), (-1, 2)):
        torch.testing.assert_close(found[frame], sample(generator, [4], label=label).codes[0])
    outcome = run("interpolate", model, "seed:4", "seed:5", "seed:6", "--label", "0,2", "--out", tmp_path / "none")
    assert (outcome.code, "2 labels do not fit 3 latents" in outcome.err) == (2, True)
    outcome = run("interpolate", model, "seed:4", "seed:4", "--mode", "spherical", "--label", "0,2", *frames)
    assert (outcome.code, "of different classes" in outcome.err) == (2, True)


@pytest.mark.slow
@pytest.mark.float32
def test_noise_seed_gives_the_frames_their_noise(run, tmp_path):
    generator = small_stylegan2(16)
    model = save_generator(tmp_path / "small.safetensors", generator, About("small", "", {}))
    ends, more = ("seed:4", "seed:7", "--frames", 2), ("--noise-seed", 3, "--out", tmp_path / "video")
    assert run("interpolate", model, *ends, *more).code == 0
    frames = load_latent(tmp_path / "video" / "latent.safetensors")
    expected = with_noise(generator, sample(generator, [4], truncation=0.7), 3)
    assert all(torch.equal(values[0, 0], expected.noise[name]) for name, values in frames.noise.items())
    torch.testing.assert_close(next(frames.images(generator))[:1], next(expected.images(generator)))


@pytest.mark.slow
def test_one_video_file_at_the_generators_size(run, tmp_path):
    generator = small_stylegan2(512, channels=2)
    model = save_generator(tmp_path / "large.safetensors", generator, About("large", "", {}))
    ends = ("interpolate", model, "seed:4", "seed:7", "--frames", 2)
    assert run(*ends, "--out", tmp_path / "video.webp").code == 0
    with Image.open(tmp_path / "video.webp") as video:
        assert video.size == (512, 512)
    assert run(*ends, "--size", 64, "--out", tmp_path / "small").code == 0
    with Image.open(tmp_path / "small" / "interpolate.gif") as video:
        assert video.size == (64, 64)
    assert "exists already" in run(*ends, "--out", tmp_path / "video.webp").err
    assert "one file that ends in .gif, .webp, .mp4" in run(*ends, "--out", tmp_path / "video.png").err
    assert "fewer than a size of 1024" in run(*ends, "--size", 1024, "--out", tmp_path / "none").err


def test_too_small_images_are_refused(run, tmp_path):
    """So that every step has a length, by SSIM too."""
    model = save_generator(tmp_path / "small.safetensors", small_stylegan2(8), About("small", "", {}))
    outcome = run("interpolate", model, "seed:4", "seed:7", "--frames", 3, "--out", tmp_path / "video")
    assert (outcome.code, "16 pixels and more" in outcome.err) == (2, True), outcome.err
    assert not (tmp_path / "video").exists()


@pytest.mark.slow
def test_refused_interpolation_leaves_nothing(run, tmp_path):
    photo = tmp_path / "me.jpg"
    photo.write_text("no image")
    for arguments, words in (
        (["seed:4", photo], "me.jpg"),
        (["seed:4"], "at least two"),
        ([], "at least two"),
        (["seed:4", "7"], "seed:4"),
        (["seed:4", "seed:x"], "does not name seeds"),
        (["seed:4", tmp_path / "nowhere.safetensors"], "nowhere.safetensors"),
        (["seed:4", "seed:7", "--frames", 0], "--frames: 0 is not possible; give 2 to 1,000"),
        (["seed:4", "seed:7", "--frames", 100_000], "2 to 1,000"),
        (["seed:4", "seed:7", "--layers", "44"], "Layer 44"),
        (["seed:4", "seed:7", "--space", "w", "--mode", "spherical"], "Spherical"),
        (["seed:0-99"], "at most 64"),
    ):
        outcome = run("interpolate", "faces", *arguments, "--out", tmp_path / "video")
        assert outcome.code == 2, arguments
        assert words in outcome.err, arguments
    assert not (tmp_path / "video").exists()


@pytest.mark.skipif(can_write_mp4(), reason="the extra video is installed")
def test_mp4_is_refused_at_once_without_its_extra(run, tmp_path):
    outcome = run("interpolate", "faces", "seed:4", "seed:7", "--mp4", "--out", tmp_path / "video")
    assert outcome.code == 2
    assert "ganvas[video]" in outcome.err


@pytest.mark.slow
def test_interrupt_leaves_no_partial_file(run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(video, "dithered", stop)
    outcome = run("interpolate", "faces", "seed:4", "seed:7", "--frames", 3, "--out", tmp_path)
    assert outcome.code == 130
    assert list(tmp_path.iterdir()) == []
