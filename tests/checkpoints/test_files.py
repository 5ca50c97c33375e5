"""Generators on disk: our format, NVIDIA's, and files that are neither."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ganvas.checkpoints import load as files
from ganvas.checkpoints import zoo
from ganvas.checkpoints.load import convert, hash_tensors, info, load, named_regions, save_generator
from ganvas.errors import CheckpointError, GanvasError, LatentError, RegionError, UnsafeFileError
from ganvas.generators.protocol import About, Generator
from ganvas.regions import Region
from tests.generators.small import small_stylegan2


@pytest.mark.parametrize("half", [False, True])
def test_a_saved_generator_loads_with_equal_weights(tmp_path: Path, half: bool) -> None:
    generator = small_stylegan2(16, "resnet", label_dim=3, clamp=256.0)
    named = {"top": Region.box(0, 0, 1, 0.5), "spot": Region.brush([(0.5, 0.5)], 0.2).feather(0.1)}
    about = About("small", "", {"license": "test"}, named, "2-3")
    again = load(save_generator(tmp_path / "small.safetensors", generator, about, half=half))
    z = generator.sample([1, 2])
    expected = generator.synthesize(z, "z", label=1, truncation=0.7)
    tolerance = 0.02 if half else 0.0
    torch.testing.assert_close(again.synthesize(z, "z", label=1, truncation=0.7), expected, rtol=0, atol=tolerance)
    assert (again.about.name, again.about.edit_layers, again.about.source["license"]) == ("small", "2-3", "test")
    for name, region in named_regions(again).items():
        torch.testing.assert_close(region.mask(16, 16), named[name].mask(16, 16))


@pytest.mark.slow
def test_converting_an_nvidia_pickle_keeps_every_bit(shared: Path, tmp_path: Path) -> None:
    source = shared / "conformance" / "stylegan2-conditional.pkl"
    before, after = load(source), load(convert(source, tmp_path / "converted.safetensors", facts={"license": "test"}))
    assert before.architecture == after.architecture
    assert before.about.hash == after.about.hash == after.about.source["hash"]
    for (name, tensor), (other, copy) in zip(before.state_dict().items(), after.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(tensor, copy)


def test_the_bundled_faces_load_by_name() -> None:
    faces = load("faces")
    assert isinstance(faces, Generator)
    assert (faces.resolution, faces.layers, faces.about.edit_layers) == (128, 12, "4-6")
    assert {"eyes", "left_eye", "right_eye", "brows", "nose", "mouth", "chin", "forehead"} == set(named_regions(faces))
    facts = info("faces")
    assert json.loads(json.dumps(facts))["parameters"] == 4_558_333
    assert "non-commercial" in facts["source"]["license"]
    card = files.resolve("faces").with_suffix(".md").read_text()
    assert "UTKFace" in card


@pytest.mark.slow
@pytest.mark.float32
def test_half_precision_keeps_the_images(shared: Path, tmp_path: Path) -> None:
    source = shared / "models" / "faces-64.pkl"
    trained, halved = load(source), load(convert(source, tmp_path / "half.safetensors", half=True))
    assert halved.about.source["hash"] == trained.about.hash
    ws = trained.map(trained.sample(range(4)), truncation=0.7)
    difference = halved.synthesize(halved.map(halved.sample(range(4)), truncation=0.7), "w+") - trained.synthesize(
        ws, "w+"
    )
    assert difference.square().mean().sqrt() < 1e-3


def test_the_hash_is_of_names_shapes_and_bytes() -> None:
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 3)}
    same = hash_tensors({"b": torch.ones(2, 3), "a": torch.arange(6.0)})
    assert hash_tensors(tensors) == same
    assert same != hash_tensors({"a": torch.arange(6.0), "b": torch.ones(3, 2)})
    assert same != hash_tensors({"a": torch.arange(6.0), "c": torch.ones(2, 3)})
    assert same != hash_tensors({"a": torch.arange(6.0).half(), "b": torch.ones(2, 3)})


def test_a_precision_that_is_not_offered_is_refused() -> None:
    with pytest.raises(CheckpointError, match="bfloat16"):
        load("faces", dtype=torch.float16)


def damaged(tmp_path: Path, change: dict, drop: str = "", reshape: str = "") -> Path:
    """Write a generator file whose header or tensors are changed."""
    path = save_generator(tmp_path / "g.safetensors", small_stylegan2(8), About("g", ""))
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["ganvas"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors.pop(drop, None)
    if reshape:
        tensors[reshape] = tensors[reshape].flatten()
    save_file(tensors, path, metadata={"ganvas": json.dumps(header | change)})
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "latent"}, "holds latent, not generator"),
        ({"family": "painter"}, "family painter"),
        ({"architecture": {"resolution": 8}}, "damaged header"),
        ({"architecture": 5}, "damaged header"),
        ({"regions": {"a": {"kind": "blob"}}}, "damaged header"),
        ({"name": None, "regions": 3}, "damaged header"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(damaged(tmp_path, change))


def test_missing_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing \['mapping\.w_avg'\]"):
        load(damaged(tmp_path, {}, drop="mapping.w_avg"))
    with pytest.raises(CheckpointError, match="weight has shape"):
        load(damaged(tmp_path, {}, reshape="synthesis.blocks.b8.conv1.weight"))


def test_files_that_are_no_generators_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "network.pkl"
    page.write_text("<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(CheckpointError, match="a web page, not a generator"):
        load(page)
    page.write_bytes(pickle.dumps({"D": 1}))
    with pytest.raises(CheckpointError, match=r"Found: D\. Looked for:\n(.*\n)*  StyleGAN2 of NVIDIA"):
        load(page)
    page.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(CheckpointError, match="Found: a list of 2"):
        load(page)
    with pytest.raises(CheckpointError, match="bundled names: faces"):
        load("no-such-thing")
    with pytest.raises(CheckpointError, match="There is no generator"):
        load(tmp_path)


def test_a_pickle_that_wants_to_run_something(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {trace}",)

    path = tmp_path / "network.pkl"
    path.write_bytes(pickle.dumps({"G_ema": Hostile()}))
    with pytest.raises(UnsafeFileError, match="system"):
        load(path)
    assert not trace.exists()


def test_a_checkpoint_is_told_by_its_content_not_its_name(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes((shared / "conformance" / "rosinality.pt").read_bytes())
    assert info(path)["format"] == "rosinality .pt"


@pytest.mark.parametrize(
    "change",
    [
        {"channels": ["a"] * 2},
        {"channels": [-1, 5]},
        {"channels": [1] * 40000},
        {"clamp": "x"},
        {"z_dim": 7.0},
        {"resolution": 1024},
        {"mapping_rate": 0},
        {"kind": "best"},
        {"hidden": []},
        {"label_dim": -1},
    ],
)
def test_impossible_architectures_are_refused(tmp_path: Path, change: dict) -> None:
    path = save_generator(tmp_path / "g.safetensors", small_stylegan2(8), About("g", ""))
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["ganvas"])
    with pytest.raises(CheckpointError):
        load(damaged(tmp_path, {"architecture": header["architecture"] | change}))


def test_bfloat16_is_offered_from_64_pixels_up(tmp_path: Path) -> None:
    path = save_generator(tmp_path / "g.safetensors", small_stylegan2(8), About("g", ""))
    with pytest.raises(CheckpointError, match="from 64 pixels"):
        load(path, dtype=torch.bfloat16)


@pytest.mark.slow
def test_a_half_precision_copy_knows_its_original(shared: Path, tmp_path: Path) -> None:
    source = shared / "conformance" / "stylegan2-orig.pkl"
    half = load(convert(source, tmp_path / "half.safetensors", half=True))
    assert load(source).about.hash in half.about.hashes


def test_regions_may_recommend_layers_of_their_own(tmp_path: Path):
    path = convert("cats", tmp_path / "mine.safetensors", region_layers={"nose": "5"})
    about = load(path).about
    texts = ("ears", "left_ear + right_ear", "nose", "mouth", "ears+nose", "box:0,0,0.5,0.5")
    assert [about.layers_for(text) for text in texts] == ["0-3", "0-3", "5", "4-6", "4-6", "4-6"]
    with pytest.raises(RegionError, match=r"no region 'snout'.*named are: "):
        convert("cats", tmp_path / "other.safetensors", region_layers={"snout": "5"})
    with pytest.raises(LatentError):
        convert("cats", tmp_path / "other.safetensors", region_layers={"nose": "12"})
    assert not (tmp_path / "other.safetensors").exists()


def test_a_generator_says_what_finds_faces_for_it(tmp_path: Path):
    assert [load(name).about.face_finder for name in ("faces", "cats", "faces-dcgan", "cats-dcgan")] == [
        "",
        "cats",
        "",
        "cats",
    ]
    own = convert("cats-dcgan", tmp_path / "own.safetensors")
    assert load(own).about.face_finder == "cats"
    assert load(convert(own, tmp_path / "people.safetensors", face_finder="people")).about.face_finder == "people"
    with pytest.raises(GanvasError, match="no face finder 'dogs'; there are people, cats"):
        convert("cats-dcgan", tmp_path / "dogs.safetensors", face_finder="dogs")
    assert zoo.find("stylegan2-ada-afhqcat").face_finder == "cats"
