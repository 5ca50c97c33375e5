"""Every numeric option of every command, found by walking the commands, and a cheap call of each command."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from ganvas.checkpoints.own_format import save_generator
from ganvas.cli import COMMANDS, GROUPS_OF_COMMANDS, make_app
from ganvas.edits.recipe import Recipe
from ganvas.generators.protocol import About
from ganvas.latents.latent import sample
from tests.generators.small import small_stylegan2
from tests.training.tiny import write_images

VALUES = ("0", "-1", "nan", "inf", "1e308", "1" + "0" * 30, "9" * 5000)
FORMS = {
    "INT": ("{}",),
    "FLOAT": ("{}",),
    "SEEDS": ("{}", "0-{}", "{}-0"),
    "SAMPLES": ("{}", "0-{}"),
    "STRENGTHS": ("{}", "{}s", "0,{}", "{}:1:3", "0:{}:3", "0:1:{}"),
    "LAYERS": ("{}", "0-{}"),
    "REGION": (
        "box:0,0,{},0.5",
        "brush:{}:0.5,0.5",
        "feather:{}:box:0,0,0.5,0.5",
        "polygon:0,0;{},0;0.5,0.5",
        "click:{},0.5",
        "click:0.5,0.5:{}",
    ),
    "NUMBERS": ("{}", "1,{}"),
    "X,Y:X,Y": ("{},0.5:0.4,0.4", "0.5,0.5:0.4,{}", "0.4,0.4>{},0.5"),
    "X,Y": ("{},0", "0,{}"),
    "LEFT,TOP,RIGHT,BOTTOM": ("{},0,1,1", "0,0,{},1"),
    "auto|0..1": ("{}",),
    "NAME,NAME": (),
}
"""How numbers stand in the text of an option, by the start of what the help shows for it."""
TEXTS = {
    "--label": ("{}",),
    "--weights": ("l1={}",),
    "--fidelity": ("{}",),
    "--add": ("{}:1", "0:{}"),
    "--device": ("cuda:{}",),
    "--size": ("{}",),
}
"""The same for options that take any text, by name."""
TEXTS_OF_COMMAND = {
    ("train stylegan2", "--channels"): ("{},4", "{}"),
    ("train biggan", "--channels"): ("{},4", "{}"),
    ("train stylegan3", "--channels"): ("{},4", "{}"),
    ("train r3gan", "--channels"): ("{},8", "{}"),
    ("sample", "--layers"): ("{}", "0-{}"),
    ("invert", "--start"): ("random:{}",),
    ("compare inversion", "--start"): ("random:{}",),
    ("models convert", "--layers"): ("{}", "0-{}"),
    ("models convert", "--region"): ("lips=box:0,0,{},0.5",),
    ("models convert", "--region-layers"): ("mouth={}", "mouth=0-{}"),
    ("compare directions", "--region"): ("box:0,0,{},0.5",),
    ("borrow", "--from"): ("seed:{}", "seed:0-{}"),
    ("borrow", "--to"): ("seed:{}",),
    ("parts", "--name"): ("eyes={}", "eyes=1+{}"),
}
WITHOUT_NUMBERS = {
    "--for", "--start", "--resume", "--discriminator", "--loss", "--feature", "--background", "--baseline", "--name",
    "--public", "--models", "--regions", "--fact",
    "--from", "--paper", "--distill", "--model", "--face-finder", "--recipe", "--methods",
}  # fmt: skip
NOT_RUN = ("demo", "studio", "models list", "models fetch", "models info")


@dataclass(frozen=True)
class Option:
    """An option of a command, with the texts in which numbers are tried."""

    command: str
    name: str
    forms: tuple[str, ...]

    def texts(self, values: tuple[str, ...] = VALUES) -> Iterator[str]:
        """Yield what is tried for the option."""
        for form in self.forms:
            yield from (form.format(value) for value in values)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command by its words, as an app."""
    app = make_app()
    for name in COMMANDS:
        if name in GROUPS_OF_COMMANDS:
            group = app[name]
            yield from ((f"{name} {word}", group[word]) for word in group if not word.startswith("-"))
        else:
            yield name, app[name]


def options() -> Iterator[Option]:
    """Yield every option that takes numbers; fails for one of which this file does not know whether it does."""
    for command, app in commands():
        for argument in app.assemble_argument_collection():
            name = argument.name
            if not argument.show or argument.hint is bool or not name.startswith("--"):
                continue
            forms = _forms(command, name, argument)
            if forms:
                yield Option(command, name, forms)


def _forms(command: str, name: str, argument: Any) -> tuple[str, ...]:
    shown = argument.parameter.metavar
    if (command, name) in TEXTS_OF_COMMAND:
        return TEXTS_OF_COMMAND[command, name]
    if isinstance(shown, str) and shown not in ("NAME=TEXT", "MODEL"):
        return FORMS[shown.split(" ")[0]]
    if name in TEXTS:
        return TEXTS[name]
    kinds = set(_leaves(argument.hint))
    assert not kinds & {int, float}, f"{command} {name} takes numbers without a range: annotate it by cli.numbers"
    known = kinds <= {bool, Path, Literal, NoneType} or name in WITHOUT_NUMBERS
    assert known, f"{command} {name} takes text: add it to TEXTS or WITHOUT_NUMBERS ({argument.hint})"
    return ()


def _leaves(hint: Any) -> Iterator[Any]:
    """Yield the classes in an annotation; `Literal` for one."""
    if get_origin(hint) is Literal or not get_args(hint):
        yield get_origin(hint) or hint
    else:
        for part in get_args(hint):
            yield from _leaves(part)


def cheap_calls(folder: Path) -> dict[str, list[str]]:
    """Return arguments for each command, but its options, with which it takes next to no time."""
    images = write_images(folder / "images", 20, (32, 32))
    photo = str(images / "00.png")
    classes = write_images(folder / "classes" / "one", 9, (16, 16)).parent
    write_images(classes / "two", 9, (16, 16))
    generator = small_stylegan2(32, channels=3)
    small = str(save_generator(folder / "small.safetensors", generator, About("small", "")))
    recipe = str(Recipe(sample(generator, [4])).save(folder / "small.recipe"))
    tiny = ["--resolution", "8", "--channel-base", "64", "--channel-max", "4", "--z-dim", "4", "--batch", "4"]
    run = ["--images", "8", "--dry-run", "--precision", "float32"]
    sketching = ["--steps", "1", "--nearest", "0", "--candidates", "1"]
    return {
        "sample": [small, "--seeds", "0"],
        "directions": [small, "--region", "box:0.2,0.2,0.7,0.7", "--seeds", "0", "--count", "1", "--resolution", "8"],
        "edit": [small, str(folder / "found" / "directions.safetensors"), "--seeds", "4", "--frames", "0"],
        "borrow": [small, "--part", "box:0.2,0.2,0.7,0.7", "--from", "seed:1"],
        "drag": [small, "--point", "0.4,0.4>0.6,0.6", "--steps", "1", "--frames", "0"],
        "region": [small],
        "parts": [small, "--samples", "2", "--count", "3", "--seeds", "0"],
        "render": [recipe, "--model", small],
        "align": [photo, "--for", small],
        "invert": [small, photo, "--steps", "1", "--frames", "0", "--ood", "off"],
        "sketch": [small, photo, *sketching],
        "interpolate": [small, "seed:1", "seed:2", "--frames", "2"],
        "train dcgan": [str(images), "--resolution", "32", "--width", "4", "--batch", "8", *run],
        "train biggan": [str(classes), "--resolution", "16", "--channels", "16,8,8", "--batch", "4", *run],
        "train r3gan": [str(images), "--resolution", "16", "--channels", "16,8,8", "--batch", "4", *run],
        "train stylegan2": [str(images), *tiny, *run],
        "train stylegan3": [str(images), "--resolution", "16", "--channels", "8,8,8,8", "--batch", "4", *run],
        "train adapt": [small, str(images), "--batch", "4", *run],
        "train encoder": [small, str(images), "--steps", "1", "--batch", "2", "--precision", "float32"],
        "evaluate": [small, str(images), "--seeds", "0-9", "--images", "10"],
        "compare directions": [
            small,
            "--region",
            "box:0.2,0.2,0.7,0.7",
            "--seeds",
            "0",
            "--images",
            "2",
            "--count",
            "1",
            "--level",
            "0.1",
            "--methods",
            "sefa",
        ],
        "compare drag": [small, "--drags", "1"],
        "compare inversion": [small, photo, "--steps", "1"],
        "models convert": [small, str(folder / "converted.safetensors")],
    }
