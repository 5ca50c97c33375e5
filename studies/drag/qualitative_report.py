"""The qualitative drags as tables, strips and videos of both methods side by side. Measures nothing."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.formatting import NOTHING, format_estimate, mean, name_of, share
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.sheets import shown
from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.comparisons.estimates import Estimate, mean_estimate, quotient_of_means
from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table
from ganvas.drag.state import REACHED
from ganvas.drag.video import at_viewing_size, marked
from ganvas.images import pixels, sheets
from ganvas.images.video import write_animation
from studies.drag.qualitative import DIRECTION, EDITS, FOLLOWED, MOUTH, FaceDrag, face_path, steps_of
from studies.drag.yaw import HEAD, NOSE, Angles, smile

VIDEO_SIDE, SECONDS, PAUSE = 256, 0.1, 10
SHOWN = 4
LEAST_TURN = 1 / 3  # of the turn that would carry the nose to its target: with less a head does not turn
FEWEST = 8  # faces for an answer


def markdown(found: Sequence[FaceDrag], angles: Angles, settings: DragBenchmarkSettings, name: str) -> str:
    """Return the tables of the edits, with the answers."""
    count = len({face.seed for face in found})
    parts = [
        f"# Qualitative drags on {name}",
        f"{count} faces, at most {settings.steps} steps. Movements by the tracker in % of the width, means with 95 % "
        "intervals over the faces on which it finds the part again; for nose and chin, and for the two corners of the "
        "mouth, over those on which it finds both.",
    ]
    for edit in EDITS:
        mine = [face for face in found if face.edit == edit]
        tables = _direction(mine, angles, settings) if edit == DIRECTION else _smile(mine, settings)
        parts += [f"## {edit.capitalize()}", tables]
    return "\n\n".join(parts) + "\n"


def _direction(found: Sequence[FaceDrag], angles: Angles, settings: DragBenchmarkSettings) -> str:
    """Return how far parts go sideways, counted towards the target: nose and chin of the same faces; and how far heads
    turn.
    """
    followed = FOLLOWED[:4]
    rows = [["method", "asked of the nose", *(f"{part.replace('_', ' ')} moves" for part in followed), "reached"]]
    for method in settings.methods:
        mine = [face for face in found if face.method == method]
        both = [face for face in mine if face.shifts["nose"] is not None and face.shifts["chin"] is not None]
        ways = {part: sideways(both if part in ("nose", "chin") else mine, part) for part in followed}
        asked = mean([100 * abs(face.asked[0]) for face in mine], 1)
        rows.append([name_of(method), asked, *(_cell(ways[part], len(mine)) for part in followed),
                     share([face.reason == REACHED for face in mine])])  # fmt: skip
    return "\n\n".join([table(rows), "Does the head turn?", _turning(angles, settings)])


def _turning(angles: Angles, settings: DragBenchmarkSettings) -> str:
    """Return the yaw of heads, with that of the same faces warped by known amounts, and the answer."""
    rows = [["estimated from the images", "yaw, degrees", "share of the yaw by a warp", "does it turn?"]]
    titles = {method: name_of(method) for method in settings.methods}
    titles |= {smile(method): smile(name_of(method)) for method in settings.methods} | {HEAD: HEAD, NOSE: NOSE}
    for name, title in titles.items():
        answer = _answer(angles, name, settings.resamples) if name in settings.methods else ""
        part = quotient_of_means(angles[name], angles[HEAD], settings.resamples)
        rows.append([title, mean(angles[name], 1), format_estimate(part, 2), answer])
    return table(rows)


def _answer(angles: Angles, method: str, resamples: int) -> str:
    if not warps_are_distinguished(angles, resamples):
        return "undecided: the warps are not distinguished either"
    degrees = angles[method]
    more = mean_estimate([one - other for one, other in zip(degrees, angles[NOSE], strict=True)], resamples)
    return turning(more, quotient_of_means(degrees, angles[HEAD], resamples), len(degrees))


def turning(more: Estimate, part: Estimate, faces: int) -> str:
    """Return whether heads turn, from the degrees beyond those of a nose pushed aside alone, and from the share of the
    turn that would carry the nose to its target. Whether the nose arrived is another question.
    """
    if faces < FEWEST:
        return f"undecided from {faces}"
    if more.low > 0:
        return "yes" if part.high >= 1 else "in part"
    return "no" if part.high < LEAST_TURN else "undecided"


def warps_are_distinguished(angles: Angles, resamples: int) -> bool:
    """Return whether heads turned by a warp have a yaw, and those whose noses alone are pushed aside have less."""
    pushed = quotient_of_means(angles[NOSE], angles[HEAD], resamples)
    return mean_estimate(angles[HEAD], resamples).low > 0 and pushed.high < LEAST_TURN


def sideways(found: Sequence[FaceDrag], part: str) -> list[float]:
    """Return how far a part went along x towards the target, in % of the width, where it was found again."""
    ways = [(face.shifts[part], face.asked[0]) for face in found]
    return [100 * way[0] * (1 if asked > 0 else -1) for way, asked in ways if way is not None]


def _smile(found: Sequence[FaceDrag], settings: DragBenchmarkSettings) -> str:
    """Return how far the corners of the mouth go out and up, how far the rest goes, and what changes elsewhere."""
    others = FOLLOWED[:4]
    rows = [["method", "corners out", "corners up", *(f"{part.replace('_', ' ')} moves" for part in others),
             "change in the mouth", "elsewhere", "reached"]]  # fmt: skip
    asked = [100 * abs(value) for value in found[0].asked]
    rows.append(["asked", f"{asked[0]:.1f}", f"{asked[1]:.1f}", *["0"] * len(others), "", "0", ""])
    for method in settings.methods:
        mine = [face for face in found if face.method == method]
        pulls = corners_pulled(mine)
        out, up = ([pull[axis] for pull in pulls] for axis in (0, 1))
        rows.append([
            name_of(method), _cell(out, len(mine)), _cell(up, len(mine)),
            *(_cell(_lengths(mine, part), len(mine)) for part in others),
            mean([face.inside for face in mine], 3), mean([face.outside for face in mine], 3),
            share([face.reason == REACHED for face in mine]),
        ])  # fmt: skip
    return table(rows)


def corners_pulled(found: Sequence[FaceDrag]) -> list[tuple[float, float]]:
    """Return how far out and up the corners of the mouth went, in % of the width: the mean of both for each face on
    which both are found, for they are not independent of each other.
    """
    pulls = []
    for face in found:
        left, right = (face.shifts[corner] for corner in MOUTH)
        if left is not None and right is not None:
            pulls.append((50 * (right[0] - left[0]), -50 * (left[1] + right[1])))
    return pulls


def _lengths(found: Sequence[FaceDrag], part: str) -> list[float]:
    ways = [face.shifts[part] for face in found]
    return [100 * (way[0] ** 2 + way[1] ** 2) ** 0.5 for way in ways if way is not None]


def _cell(values: Sequence[float], count: int) -> str:
    """Return the mean with its interval, and of how many where some were not found."""
    if not values:
        return NOTHING
    return mean(values, 1) + ("" if len(values) == count else f", {len(values)} of {count}")


def write_images(bench: DragBenchmark, found: Sequence[FaceDrag]) -> list[Path]:
    """Write a strip of the first faces, and videos of the first one, for each edit; returns their paths."""
    paths = []
    for edit in EDITS:
        mine = [face for face in found if face.edit == edit]
        stem = face_path(Path(), edit, 0, "").stem.removesuffix("-0-")
        paths.append(write_jpeg(bench.folder / f"{stem}.jpg", strip(bench, mine)))
        video = side_by_side(bench, [face for face in mine if face.seed == mine[0].seed])
        paths += [write_animation(bench.folder / f"{stem}.{kind}", video, SECONDS) for kind in ("gif", "webp")]
    return paths


def strip(bench: DragBenchmark, found: Sequence[FaceDrag]) -> Float[Tensor, "1 3 h w"]:
    """Return faces as columns: before with the points, and after each method, red where the tracker finds the
    content of the handles.
    """
    seeds = list(dict.fromkeys(face.seed for face in found))[:SHOWN]
    rows: dict[str, list[Tensor]] = {}
    for seed in seeds:
        session = bench.open(seed)
        for face in (face for face in found if face.seed == seed):
            if len(rows.get("before", [])) < seeds.index(seed) + 1:
                rows.setdefault("before", []).append(shown(session.image(), face.handles, face.targets))
            codes, _ = steps_of(bench.folder, face)
            rows.setdefault(name_of(face.method), []).append(shown(session.image(codes[-1:]), face.found, face.targets))
    tiles = torch.cat([tile for row in rows.values() for tile in row])
    return sheets.labeled_grid(tiles, len(seeds), [f"seed {seed}" for seed in seeds], list(rows), gap=2, text_size=12)


def side_by_side(bench: DragBenchmark, found: Sequence[FaceDrag]) -> Float[Tensor, "n 3 h w"]:
    """Return a video of one face by all methods beside each other; the one that ends first waits."""
    reels = [_frames(bench, face) for face in found]
    longest = max(map(len, reels)) + PAUSE
    full = [torch.cat([reel, reel[-1:].expand(longest - len(reel), -1, -1, -1)]) for reel in reels]
    return torch.cat([sheets.strip(torch.stack(frames)) for frames in zip(*full, strict=True)])


def _frames(bench: DragBenchmark, face: FaceDrag) -> Float[Tensor, "n 3 side side"]:
    codes, points = steps_of(bench.folder, face)
    session, resolution = bench.open(face.seed), bench.generator.resolution
    frames = []
    for number, (code, at) in enumerate(zip(codes, points, strict=True), 1):
        image = at_viewing_size(session.image(code[None]))
        handles = face.found if number == len(codes) else tuple((x, y) for x, y in (at / resolution).tolist())
        frames.append(pixels.resize(marked(image, handles, face.targets), VIDEO_SIDE, VIDEO_SIDE))
    return torch.cat(frames)
