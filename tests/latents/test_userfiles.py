"""Latents, directions and statistics as people publish them: each real file has one right reading or one refusal."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.directions.direction import Directions
from ganvas.directions.files import load_directions
from ganvas.errors import LatentError, ResultFileError
from ganvas.latents.foreign.codes import read_foreign_codes
from ganvas.latents.open import open_latent_file
from tests.fakes import LayeredGenerator, LinearGenerator


class FaceGenerator(LayeredGenerator):
    """The dimensions of StyleGAN2 of 1024 pixels, on tiny images."""

    layers = 18

    def __init__(self) -> None:
        super().__init__(width=512, resolution=2)


@pytest.fixture(scope="module")
def generator() -> FaceGenerator:
    return FaceGenerator()


@pytest.fixture(scope="module")
def files(shared: Path) -> Path:
    return shared / "userfiles"


def require_unit(found: Directions) -> None:
    torch.testing.assert_close(found.vectors.flatten(1).norm(dim=1), torch.ones(len(found)))


@pytest.mark.parametrize(
    "name", ["genforce--stylegan_ffhq_smile_w_boundary.npy", "zhujiapeng--mouth.npy", "johndpope--rotation.pt"]
)
def test_unit_vectors_are_one_direction_of_w(files: Path, generator: FaceGenerator, name: str):
    for found in (load_directions(files / name), load_directions(files / name, generator=generator)):
        assert (found.space, found.layers, tuple(found.vectors.shape)) == ("w", None, (1, 512))
        assert found.lengths is None
        assert "by convention" in found.origin.notes
        require_unit(found)
        found.check_fits(generator)
    if name.endswith(".npy"):
        torch.testing.assert_close(found.vectors.double().numpy(), np.load(files / name).astype(float))


def test_same_row_for_every_layer_is_one_direction_of_w_that_keeps_its_length(files: Path, generator: FaceGenerator):
    path = files / "a312863063--smile.npy"
    for found in (load_directions(path), load_directions(path, generator=generator)):
        assert (found.space, found.layers, len(found)) == ("w", None, 1)
        assert found[0].length(1) == pytest.approx(0.5533, abs=1e-4)
        torch.testing.assert_close(found[0].vector * found[0].length(1), torch.from_numpy(np.load(path)[0]).float())
        assert "length in the file, 0.553" in found.origin.notes
        require_unit(found)


def test_flattened_direction_is_one_of_all_layers(files: Path, generator: FaceGenerator):
    path = files / "InterDigitalInc--Smiling_boundary.npy"
    found = load_directions(path, generator=generator)
    assert (found.space, tuple(found.vectors.shape), found.layers) == ("w+", (1, 18, 512), tuple(range(18)))
    torch.testing.assert_close(found.vectors.flatten(), torch.from_numpy(np.load(path)[0]))
    with pytest.raises(ResultFileError, match="if it is flattened, give the generator"):
        load_directions(path)


def test_eighty_directions_in_column_order_are_read_in_theirs(files: Path, generator: FaceGenerator):
    path = files / "isno0907--ganspace_directions_ffhq_stylegan2.npy"
    found = load_directions(path, generator=generator)
    assert (found.space, tuple(found.vectors.shape)) == ("w", (80, 512))
    torch.testing.assert_close(found.vectors, torch.from_numpy(np.load(path)[:, 0].copy()))


@pytest.mark.parametrize("name", ["johndpope--ffhq_pca.pt", "AIRI-Institute--church_pca.pt"])
def test_principal_components_are_directions_with_their_std(files: Path, generator: FaceGenerator, name: str):
    found = load_directions(files / name, generator=generator)
    assert (found.space, tuple(found.vectors.shape)) == ("w", (80, 512))
    assert "principal components" in found.origin.notes
    require_unit(found)
    stored = torch.load(files / name, weights_only=True)  # the second implementation
    torch.testing.assert_close(found.stds, stored["std"].double())
    torch.testing.assert_close(found.vectors, stored["comp"][:, 0], atol=1e-6, rtol=0)
    assert found[3].length("2s") == pytest.approx(2 * float(stored["std"][3]))
    with pytest.raises(ResultFileError, match="which are directions; read it with load_directions"):
        open_latent_file(files / name, generator)


def test_named_array_of_all_layers_is_a_latent_of_w_plus(files: Path, generator: FaceGenerator):
    path = files / "johndpope--projected_w.npz"
    latent = open_latent_file(path, generator)
    assert (latent.space, tuple(latent.codes.shape), latent.names) == ("w+", (1, 18, 512), (path.name,))
    torch.testing.assert_close(latent.codes, torch.from_numpy(np.load(path)["w"]))
    assert read_foreign_codes(path).space == "w+"
    with pytest.raises(ResultFileError, match="is called 'w', which is not space z"):
        open_latent_file(path, generator, "z")


@pytest.mark.parametrize("name", ["a312863063--generate_code.txt", "stylegan-human--mean_latent.pkl"])
def test_single_vector_is_a_latent_of_the_space_that_is_said(files: Path, generator: FaceGenerator, name: str):
    with pytest.raises(LatentError, match="1 code \\[512\\] of space z or 1 code \\[512\\] of space w; say which"):
        open_latent_file(files / name, generator)
    for space in ("z", "w"):
        latent = open_latent_file(files / name, generator, space)
        assert (latent.space, tuple(latent.codes.shape)) == (space, (1, 512))
    if name.endswith(".txt"):
        expected = np.loadtxt(files / name)
        torch.testing.assert_close(latent.codes[0], torch.from_numpy(expected).float())


def test_latent_of_the_only_space_of_its_width_needs_no_word(files: Path, generator: FaceGenerator):
    path = files / "chi0tzp--latent_code.pt"
    latent = open_latent_file(path, LinearGenerator(width=120))
    assert (latent.space, tuple(latent.codes.shape)) == ("z", (1, 120))
    torch.testing.assert_close(latent.codes, torch.load(path, weights_only=True))
    with pytest.raises(ResultFileError, match=r"\[1, 120\], which does not fit this generator, .* z \[512\]"):
        open_latent_file(path, generator)


REFUSED = {
    "caopulan--rnet.npy": r"Python objects \(a pickle inside\), not an array of floats",
    "hamzapehlivan--model_params.pkl": r"holds settings: attributes \(the text 'gender,smile.*n_attributes \(the numb",
    "KingJamesSong--FFHQ256_Pre-trained.pt": "Git LFS pointer: the file itself was not fetched; run 'git lfs pull'",
    "KingJamesSong--1028_factor.pt": "holds an empty dict",
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_that_is_neither_latent_nor_direction_is_refused_with_its_reason(
    files: Path, generator: FaceGenerator, name: str
):
    with pytest.raises(ResultFileError, match=REFUSED[name]):
        load_directions(files / name, generator=generator)
    with pytest.raises(ResultFileError, match=REFUSED[name]):
        open_latent_file(files / name, generator)


def test_every_file_of_the_folder_has_a_test_here(files: Path):
    text = Path(__file__).read_text("utf-8")
    assert not [path.name for path in files.iterdir() if path.suffix != ".md" and path.name not in text]
