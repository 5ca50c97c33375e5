"""The two named drags as tables, strips and films of both methods side by side. Measures nothing."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas import images
from ganvas.drag.film import at_viewing_size, marked
from ganvas.studies.drags.poster import DIRECTION, FOLLOWED, NAMED, Face, face_path, steps_of
from ganvas.studies.drags.report import NAMES, NOTHING, mean, share
from ganvas.studies.drags.settings import Settings
from ganvas.studies.drags.sheets import shown
from ganvas.studies.drags.trials import Bench, painted
from ganvas.studies.pictures import write_jpeg
from ganvas.studies.tables import table

FILM_SIDE, SECONDS, PAUSE = 256, 0.1, 10
SHOWN = 4
TURNS = 1 / 3  # of the nose's way: the chin goes so far along where a head turns


def poster_markdown(found: Sequence[Face], settings: Settings, name: str) -> str:
    """Return the tables of both drags with the answers in words."""
    count = len({face.seed for face in found})
    parts = [
        f"# Two drags by name on {name}",
        f"{count} faces, at most {settings.steps} steps. Movements by the tracker in % of the width, means with 95 % "
        "intervals over the faces on which it finds the part again.",
    ]
    for named in NAMED:
        mine = [face for face in found if face.named == named]
        parts += [f"## {named.capitalize()}", (_direction if named == DIRECTION else _smile)(mine, settings)]
    return "\n\n".join(parts) + "\n"


def _direction(found: Sequence[Face], settings: Settings) -> str:
    """Return how far parts go sideways, counted towards the target."""
    followed = FOLLOWED[:4]
    rows = [["method", "asked of the nose", *(f"{part.replace('_', ' ')} goes" for part in followed), "reached"]]
    words = []
    for method in settings.methods:
        mine = [face for face in found if face.method == method]
        ways = {part: sideways(mine, part) for part in followed}
        asked = mean([100 * abs(face.asked[0]) for face in mine], 1)
        rows.append([NAMES.get(method, method), asked, *(_cell(ways[part], len(mine)) for part in followed),
                     share([face.reason == "reached" for face in mine])])  # fmt: skip
        words.append(f"* {NAMES.get(method, method)}: {turning(ways['nose'], ways['chin'])}")
    return table(rows) + "\n\nDoes the head turn?\n\n" + "\n".join(words)


def sideways(found: Sequence[Face], part: str) -> list[float]:
    """Return how far a part went along x towards the target, in % of the width, where it was found again."""
    ways = [(face.went[part], face.asked[0]) for face in found]
    return [100 * way[0] * (1 if asked > 0 else -1) for way, asked in ways if way is not None]


def turning(nose: Sequence[float], chin: Sequence[float]) -> str:
    """Return in words whether heads turned: whether the chin came along by a third of the nose's way."""
    if not nose or not chin:
        return "the nose or the chin is not found again on any face, so that this cannot be told."
    both = sum(nose) / len(nose), sum(chin) / len(chin)
    if both[0] < 1:
        return f"no: the nose itself goes {both[0]:.1f} % of the width."
    verdict = "it does" if both[1] >= TURNS * both[0] else "it does not: the nose alone is pulled"
    return f"{verdict}; the nose goes {both[0]:.1f} % of the width, the chin {both[1]:.1f}."


def _smile(found: Sequence[Face], settings: Settings) -> str:
    """Return how far the corners of the mouth go out and up, how far the rest goes, and what changes elsewhere."""
    others = FOLLOWED[:4]
    rows = [["method", "corners out", "corners up", *(f"{part.replace('_', ' ')} goes" for part in others),
             "change in the mouth", "elsewhere", "reached"]]  # fmt: skip
    asked = [100 * abs(value) for value in found[0].asked]
    rows.append(["asked", f"{asked[0]:.1f}", f"{asked[1]:.1f}", *["0"] * len(others), "", "0", ""])
    for method in settings.methods:
        mine = [face for face in found if face.method == method]
        pulls = [
            (sign * way[0], -way[1])
            for face in mine
            for side, sign in (("left", -1), ("right", 1))
            if (way := face.went[f"{side} mouth corner"]) is not None
        ]
        out, up = ([100 * pull[axis] for pull in pulls] for axis in (0, 1))
        rows.append([
            NAMES.get(method, method), _cell(out, 2 * len(mine)), _cell(up, 2 * len(mine)),
            *(_cell(_lengths(mine, part), len(mine)) for part in others),
            mean([face.inside for face in mine], 3), mean([face.outside for face in mine], 3),
            share([face.reason == "reached" for face in mine]),
        ])  # fmt: skip
    return table(rows)


def _lengths(found: Sequence[Face], part: str) -> list[float]:
    ways = [face.went[part] for face in found]
    return [100 * (way[0] ** 2 + way[1] ** 2) ** 0.5 for way in ways if way is not None]


def _cell(values: Sequence[float], count: int) -> str:
    """Return the mean with its interval, and of how many where some were not found."""
    if not values:
        return NOTHING
    return mean(values, 1) + ("" if len(values) == count else f", {len(values)} of {count}")


def write_poster(bench: Bench, found: Sequence[Face]) -> list[Path]:
    """Write a strip of the first faces, and films of the first one, for each named drag; returns their paths."""
    paths = []
    for named in NAMED:
        mine = [face for face in found if face.named == named]
        stem = face_path(Path(), named, 0, "").stem.removesuffix("-0-")
        paths.append(write_jpeg(bench.folder / f"{stem}.jpg", strip(bench, mine)))
        film = side_by_side(bench, [face for face in mine if face.seed == mine[0].seed])
        paths += [images.write_animation(bench.folder / f"{stem}.{kind}", film, SECONDS) for kind in ("gif", "webp")]
    return paths


def strip(bench: Bench, found: Sequence[Face]) -> Float[Tensor, "1 3 h w"]:
    """Return faces as columns: before with the points, and in the end by each method."""
    seeds = list(dict.fromkeys(face.seed for face in found))[:SHOWN]
    rows: dict[str, list[Tensor]] = {}
    for seed in seeds:
        session = bench.open(seed)
        for face in (face for face in found if face.seed == seed):
            if len(rows.get("before", [])) < seeds.index(seed) + 1:
                rows.setdefault("before", []).append(shown(painted(session), face.handles, face.targets))
            codes, _ = steps_of(bench.folder, face)
            name = NAMES.get(face.method, face.method)
            rows.setdefault(name, []).append(shown(painted(session, codes[-1:]), face.targets, face.targets))
    tiles = torch.cat([tile for row in rows.values() for tile in row])
    return images.labelled_grid(tiles, len(seeds), [f"seed {seed}" for seed in seeds], list(rows), gap=2, text_size=12)


def side_by_side(bench: Bench, found: Sequence[Face]) -> Float[Tensor, "n 3 h w"]:
    """Return a film of one face by all methods beside each other; who ends first waits."""
    reels = [_frames(bench, face) for face in found]
    longest = max(map(len, reels)) + PAUSE
    full = [torch.cat([reel, reel[-1:].expand(longest - len(reel), -1, -1, -1)]) for reel in reels]
    return torch.cat([images.strip(torch.stack(frames)) for frames in zip(*full, strict=True)])


def _frames(bench: Bench, face: Face) -> Float[Tensor, "n 3 side side"]:
    codes, points = steps_of(bench.folder, face)
    session, resolution = bench.open(face.seed), bench.generator.resolution
    frames = []
    for code, places in zip(codes, points, strict=True):
        picture = at_viewing_size(painted(session, code[None]))
        handles = tuple((x, y) for x, y in (places / resolution).tolist())
        frames.append(images.resize(marked(picture, handles, face.targets), FILM_SIDE, FILM_SIDE))
    return torch.cat(frames)
