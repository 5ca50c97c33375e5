"""One step of a drag, with a mask and without, against a plain step of DragGAN that does as the published tools do: the
whole image every step, and the feature map enlarged to the image's size. Memory is of a process of its own, beyond
what it held before the steps.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import duration, seconds
from benchmarks.subjects import subject
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.methods import module_of, settings_of
from ganvas.drag.request import DragRequest, PointPair
from ganvas.drag.run import prepare
from ganvas.drag.session import DragSession, open_drag
from ganvas.drag.state import Drag
from ganvas.latents.latent import sample
from ganvas.regions import Region

SIZES = (256, 1024)
PAIR: PointPair = ((0.4, 0.6), (0.5, 0.5))
REGIONS: Mapping[str, Region | None] = MappingProxyType({"a mask": Region.box(0.2, 0.2, 0.8, 0.8), "no mask": None})
STEPS = 3


@dataclass(frozen=True)
class Kind:
    """What is timed: the plain step or one of ours, by a method and in a precision."""

    name: str
    plain: bool = False
    method: str = "draggan"
    dtype: torch.dtype = torch.float32


PLAIN = Kind("plain", plain=True)
BFLOAT16 = Kind("ours, bfloat16", dtype=torch.bfloat16)
KINDS = (PLAIN, Kind("ours"), BFLOAT16, Kind("ours, FreeDrag", method="freedrag"))


class PlainDrag:
    """DragGAN as its paper writes it: every formula on maps of the image's size, with torch's Adam."""

    def __init__(self, drag: Drag[DragGANSettings], codes: Tensor, movable: Region | None) -> None:
        self.context, self.settings, self.reference = drag.context, drag.settings, drag.reference
        self.layers = list(drag.context.layers)
        self.codes, self.trained = codes, codes[:, self.layers].clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.trained], lr=drag.settings.rate)
        self.size = drag.context.plane.resolution
        with torch.no_grad():
            self.first = self.enlarged()[0]
        self.point = (drag.reference.handles[0] - 0.5).round().long()
        self.wanted = self.first[0, :, self.point[1], self.point[0]].clone()
        self.stay = None if movable is None else 1 - movable.mask(self.size, self.size)[None]

    def enlarged(self) -> tuple[Tensor, Tensor]:
        """Return the map at the image's size, and the image."""
        codes = torch.cat([self.trained, self.codes[:, len(self.layers) :]], dim=1)
        found = self.context.generator.features(codes, [self.context.feature], "w+", with_image=True)
        shape = (self.size, self.size)
        return F.interpolate(found[self.context.feature], shape, mode="bilinear", align_corners=False), found["image"]

    def step(self) -> Tensor:
        """Track, pull, and return the image."""
        feature, image = self.enlarged()
        (x, y), reach, radius = self.point.tolist(), int(self.settings.reach), int(self.settings.radius)
        with torch.no_grad():
            window = feature[0, :, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            best = int((window - self.wanted[:, None, None]).norm(dim=0).argmin())
            row, column = divmod(best, window.shape[-1])
            self.point = torch.tensor([max(0, x - reach) + column, max(0, y - reach) + row])
        way = self.reference.targets[0] - 0.5 - self.point
        ahead = way / way.norm()
        steps = torch.arange(-radius, radius + 1)
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).flatten(0, 1)
        around = self.point + grid[grid.square().sum(dim=1) < self.settings.radius**2]
        here, there = (self.read(feature, places) for places in (around, around + ahead))
        loss = (here.detach() - there).abs().mean()
        if self.stay is not None:
            loss = loss + self.settings.mask_weight * ((feature - self.first) * self.stay).abs().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return image.detach()

    def read(self, feature: Tensor, places: Tensor) -> Tensor:
        """Return the enlarged map at places [n, 2] in pixels."""
        grid = ((places + 0.5) * 2 / self.size - 1).to(feature)[None, None]
        return F.grid_sample(feature, grid, padding_mode="border", align_corners=False)


def prepared(size: int, kind: Kind, movable: Region | None) -> Callable[[], object]:
    """Return a function for one step of this kind."""
    session, request = opened(size, kind, movable)
    drag, state = prepare(session.context, session.codes, request)
    if kind.plain:
        return PlainDrag(drag, session.codes, movable).step
    return lambda: module_of(request.method).step(drag, state)


def opened(size: int, kind: Kind, movable: Region | None) -> tuple[DragSession, DragRequest]:
    """Return a session of the subject of this size and the drag that is timed."""
    generator = subject(size, kind.dtype)
    session = open_drag(generator, sample(generator, [0], truncation=0.7))
    return session, DragRequest((PAIR,), settings_of(kind.method), movable)


def memory(size: int, kind: Kind, region: str, threads: int) -> float:
    """Return MiB that a process took at most for `STEPS` steps of a kind, beyond what it held before."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_memory, (size, kind, region, threads))


def _memory(size: int, kind: Kind, region: str, threads: int) -> float:
    torch.set_num_threads(threads)
    step = prepared(size, kind, REGIONS[region])
    Path("/proc/self/clear_refs").write_text("5")  # begins the highest mark anew
    before = _status("VmRSS")
    for _ in range(STEPS):
        step()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> float:
    """Return a number of this process's /proc/self/status, KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def agreement(size: int, movable: Region | None) -> float:
    """Return the cosine of both precisions' first gradients of the codes."""
    gradients = []
    for kind in (Kind("ours"), BFLOAT16):
        session, request = opened(size, kind, movable)
        state = module_of(request.method).step(*prepare(session.context, session.codes, request))
        gradients.append(state.moments.first.double())
    return float(torch.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0))


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table of processor times and memory, steps by precision."""
    yield from (
        "| StyleGAN2 | drag with | step | processor time | plain / it | memory beyond the weights | it / plain | "
        "gradients, cos |",
        "|---|---|---|---|---|---|---|---|",
    )
    for size in (size for size in sizes if size in (64, 128, 256, 512, 1024)):
        for name, movable in REGIONS.items():
            times, held = {}, {}
            for kind in KINDS:
                times[kind] = seconds(prepared(size, kind, movable), repeats=STEPS, clock=time.process_time)
                held[kind] = memory(size, kind, name, torch.get_num_threads())
                near = f"{agreement(size, movable):.4f}" if kind == BFLOAT16 else ""
                yield (
                    f"| {size} px | {name} | {kind.name} | {duration(times[kind])} | "
                    f"**{times[PLAIN] / times[kind]:.2f}** | {held[kind]:.0f} MiB | "
                    f"**{held[kind] / held[PLAIN]:.2f}** | {near} |"
                )
