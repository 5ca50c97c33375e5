"""BigGAN-deep as Hugging Face published it: ``biggan-deep-*-pytorch_model.bin``, a state dict, beside it a config.

Spectral normalization is folded away: a weight is stored as ``weight_orig`` W with u and v, and used as
``W / u^T W v``. Of the colors' 128 channels only the first three are kept: the published forward pass looks at no
others. Shapes tell nearly everything; only which blocks double the size and the epsilon come from the config, and
without one they are what every published BigGAN-deep has.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.search import find_weights
from ganvas.checkpoints.state_dict import renamed, shape_of
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.biggan.synthesis import FIRST, BigGANArchitecture

FORMAT = "Hugging Face BigGAN-deep"
LARGEST_CONFIG = 2**20
COLORS = 3
LAYER = re.compile(r"generator\.layers\.(\d{1,3})\.(.+)")
RENAMED = (
    (r"^embeddings\.weight$", "embedding"),
    (r"^generator\.gen_z\.", "synthesis.start."),
    (r"^generator\.bn\.weight$", "synthesis.colors.norm.scale"),
    (r"^generator\.bn\.bias$", "synthesis.colors.norm.offset"),
    (r"^generator\.bn\.", "synthesis.colors.norm."),
    (r"^generator\.conv_to_rgb\.", "synthesis.colors.conv."),
    (r"\.snconv1x1_theta\.", ".query."),
    (r"\.snconv1x1_phi\.", ".key."),
    (r"\.snconv1x1_g\.", ".value."),
    (r"\.snconv1x1_o_conv\.", ".out."),
    (r"\.gamma$", ".gain"),
    (r"\.bn_(\d)\.", r".norms.\1."),
    (r"\.conv_(\d)\.", r".convs.\1."),
    (r"\.(scale|offset)\.weight$", r".\1"),
    (r"\.running_means$", ".means"),
    (r"\.running_vars$", ".variances"),
)


def read_biggan(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a BigGAN-deep generator and the config beside it, where there is one."""
    found = find_weights(tree, "embeddings.weight", "generator.conv_to_rgb.bias")
    if found is None:
        return None
    folded = _folded(found.tensors)
    config, source = _config_beside(path)
    architecture = _architecture(folded, config, source)
    ours = {_our_name(name, architecture.attention): tensor for name, tensor in folded.items()}
    gain = ours.get("synthesis.attention.gain")
    if gain is not None and gain.numel() == 1:
        ours["synthesis.attention.gain"] = gain.reshape(())
    for name, dimensions in (("synthesis.colors.conv.weight", 4), ("synthesis.colors.conv.bias", 1)):
        shape_of(ours, name, dimensions)
        ours[name] = ours[name][:COLORS].clone()
    return UnbuiltGenerator(
        "biggan", architecture, ours, FORMAT, facts={**found.facts(), "config": source or "none: read from the shapes"}
    )


def fold_spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return ``W / (u^T W v)``: W as [outputs, rest], u and v the stored estimates of its first singular vectors."""
    sigma = float(u.double() @ (weight.flatten(1).double() @ v.double()))
    if not sigma > 0 or sigma == float("inf"):
        raise CheckpointError(f"A weight of shape {list(weight.shape)} has the spectral norm {sigma}; it is damaged.")
    return weight.float() / sigma


def _folded(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with every ``weight_orig`` folded to ``weight``."""
    folded = {}
    for name, tensor in theirs.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"{shown(name)} holds {tensor.dtype}; floating point numbers were expected.")
        stem, dot, last = name.rpartition(".")
        if last in ("weight_u", "weight_v"):
            continue
        if last != "weight_orig":
            folded[name] = tensor.float()
            continue
        u, v = theirs.get(f"{stem}.weight_u"), theirs.get(f"{stem}.weight_v")
        rows, columns = len(tensor) if tensor.ndim else 0, tensor[0].numel() if tensor.ndim and len(tensor) else 0
        if u is None or v is None or u.shape != (rows,) or v.shape != (columns,):
            raise CheckpointError(
                f"{shown(name)} {list(tensor.shape)} has no weight_u [{rows}] and weight_v [{columns}]."
            )
        folded[f"{stem}{dot}weight"] = fold_spectral_norm(tensor, u, v)
    return folded


def _our_name(name: str, attention: int | None) -> str:
    layer = LAYER.fullmatch(name)
    if layer:
        number = int(layer[1])
        if number == attention:
            name = f"synthesis.attention.{layer[2]}"
        else:
            name = f"synthesis.blocks.{number - (attention is not None and number > attention)}.{layer[2]}"
    return renamed(name, RENAMED)


def _architecture(folded: Mapping[str, Tensor], config: Mapping[str, Any], source: str) -> BigGANArchitecture:
    """Read the architecture off the shapes; raises `CheckpointError` where they or the config say otherwise."""
    kinds = {int(layer[1]): layer[2] for name in folded if (layer := LAYER.fullmatch(name)) and _tells(layer[2])}
    numbers = sorted(kinds)
    places = [number for number in numbers if kinds[number] == "gamma"]
    if numbers != list(range(len(numbers))) or len(places) > 1 or len(numbers) == len(places):
        raise CheckpointError(f"This BigGAN-deep has layers {numbers} with attention in {places}; one row is expected.")
    attention = places[0] if places else None
    blocks = [number for number in numbers if number != attention]
    widths = [shape_of(folded, f"generator.layers.{number}.conv_0.weight", 4)[1] for number in blocks]
    widths.append(shape_of(folded, f"generator.layers.{blocks[-1]}.conv_3.weight", 4)[0])
    embed_dim, classes = shape_of(folded, "embeddings.weight", 2)
    up = _doublings(config, widths, attention, source)
    resolution = FIRST * 2 ** sum(up)
    _check_sizes(config, {"output_dim": resolution, "num_classes": classes}, source)
    return BigGANArchitecture(
        resolution=resolution,
        channels=tuple(widths),
        up=up,
        attention=attention,
        z_dim=shape_of(folded, "generator.gen_z.weight", 2)[1] - embed_dim,
        embed_dim=embed_dim,
        label_dim=classes,
        statistics=shape_of(folded, "generator.bn.running_means", 2)[0],
        epsilon=config.get("eps", BigGANArchitecture.epsilon),
    )


def _check_sizes(config: Mapping[str, Any], sizes: Mapping[str, int], source: str) -> None:
    for name, size in sizes.items():
        if config.get(name, size) != size:
            raise CheckpointError(
                f"'{source}' belongs to other weights: it says {name} {config[name]!r:.20}; these have {size}. Put "
                "their own config beside them, or none."
            )


def _tells(part: str) -> bool:
    return part in ("gamma", "conv_0.weight")


def _doublings(config: Mapping[str, Any], widths: list[int], attention: int | None, source: str) -> tuple[bool, ...]:
    """Return which blocks double the size: as the config says, else every second one, as all published ones do."""
    if not config:
        return tuple(number % 2 == 1 for number in range(len(widths) - 1))
    try:
        layers, channels = [(bool(up), int(i), int(o)) for up, i, o in config["layers"]], int(config["channel_width"])
        place = config["attention_layer_position"]
    except (KeyError, TypeError, ValueError, OverflowError) as reason:
        raise CheckpointError(f"'{source}' is no whole config of BigGAN-deep ({reason}); fetch it anew.") from reason
    described = [channels * inputs for _, inputs, _ in layers] + [channels * outputs for *_, outputs in layers[-1:]]
    if described != widths or (attention is not None and place != attention):
        raise CheckpointError(
            f"'{source}' belongs to other weights: it says widths {described} and attention at {place!r:.20}; these "
            f"have {widths} and {attention}. Put their own config beside them, or none."
        )
    return tuple(up for up, _, _ in layers)


def _config_beside(path: Path) -> tuple[dict[str, Any], str]:
    """Return the config that belongs to the weights, and its name; {} and "" where there is none.

    It has the weights' name with ``config.json`` for ``pytorch_model.bin``, or is plain ``config.json`` and BigGAN's.
    """
    own = path.with_name(re.sub(r"pytorch_model\.\w+$", "", path.name) + "config.json")
    for candidate in dict.fromkeys((own, path.with_name("config.json"))):
        if candidate != path and candidate.is_file():
            config = _read_config(candidate)
            if "channel_width" in config or candidate.name != "config.json":
                return config, candidate.name
    return {}, ""


def _read_config(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST_CONFIG + 1)
        if len(text) > LARGEST_CONFIG:
            raise ValueError(f"more than {LARGEST_CONFIG} bytes")
        config = json.loads(text)
        if not isinstance(config, dict):
            raise TypeError("no table of settings")
    except (OSError, ValueError, TypeError, RecursionError) as reason:
        raise CheckpointError(f"The config '{path}' cannot be read ({reason}); fetch it anew.") from reason
    return config
