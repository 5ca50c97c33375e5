"""A new region on a cached Jacobian (256x256x3, d = 512) to ten sorted directions, against the published solution on
the same J.
"""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.machine import duration, seconds
from ganvas.directions.jacobian import Jacobian, mean_grams
from ganvas.directions.resefa import factorize
from ganvas.regions import Region

REGIONS = {
    "box, 1 %": Region.box(0.4, 0.4, 0.5, 0.5),
    "box, 5 %": Region.box(0.3, 0.3, 0.5, 0.55),
    "box, 25 %": Region.box(0.2, 0.2, 0.7, 0.7),
    "box, 50 %": Region.box(0.1, 0.1, 0.8, 0.814),
    "box, 90 %": Region.box(0.02, 0.02, 0.96, 0.977),
    "feathered box": Region.box(0.4, 0.6, 0.6, 0.7).feather(0.05),
    "soft everywhere": Region.from_mask(torch.linspace(0.02, 0.98, 256).expand(256, 256)),
}


def smooth_jacobian(size: int = 512, resolution: int = 256) -> Jacobian:
    """Return a J whose columns are smooth images of falling strength, as those of a generator are."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randn(size, 3, 32, 32, generator=rng) * torch.logspace(0, -2, size)[:, None, None, None]
    fine = torch.nn.functional.interpolate(coarse, size=(resolution, resolution), mode="bilinear")
    return Jacobian(fine.flatten(1).contiguous(), 3, resolution)


def published_solution(jacobian: Jacobian, region: Region) -> np.ndarray:
    """Solve as the published code does: both Grams from their rows, inverse, non-symmetric eigen-solver, float32."""
    mask = region.mask(jacobian.resolution, jacobian.resolution)
    inside = (mask > 0.5).flatten().repeat(3)  # the published masks are hard
    rows = jacobian.columns.T
    front, back = rows[inside], rows[~inside]
    front_gram = (front.T @ front / len(front)).numpy()
    back_gram = (back.T @ back / len(back)).numpy()
    back_gram += 1e-3 * np.trace(back_gram) * np.eye(len(back_gram), dtype=np.float32)
    values, vectors = np.linalg.eig(np.linalg.inv(back_gram) @ front_gram)
    return vectors.real[:, np.argsort(-values.real)].T


def run() -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    jacobian = smooth_jacobian()
    whole = seconds(lambda: Jacobian(jacobian.columns, 3, 256).whole(), repeats=3)
    jacobian.whole()
    yield from (
        f"Gram of the whole, once an image: {duration(whole)}; J held: {jacobian.bytes / 2**20:.0f} MiB.",
        "",
        "| region | ours: to ten sorted directions | published solution | ratio |",
        "|---|---|---|---|",
    )
    for name, region in REGIONS.items():
        masks = region.split(256, 256)
        ours = seconds(lambda masks=masks: factorize(*mean_grams(jacobian, *masks), 10), repeats=5)
        theirs = seconds(lambda region=region: published_solution(jacobian, region), repeats=2)
        yield f"| {name} | **{duration(ours)}** | {duration(theirs)} | {theirs / ours:.0f} |"
