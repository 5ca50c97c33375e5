"""``ganvas drag --benchmark`` and ``--named``: which way of dragging is better when."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from cyclopts import Parameter

from ganvas.checkpoints.load import named_regions
from ganvas.cli.progress import progress
from ganvas.cli.shared import TRUNCATION, Codes, Common, Flag, make_folder, with_seconds, wrote
from ganvas.comparisons.drag.command import run, run_poster
from ganvas.comparisons.drag.settings import QUICK, Settings, of_size
from ganvas.comparisons.drag.trials import Bench
from ganvas.errors import GanvasError
from ganvas.generators.protocol import about_of
from ganvas.inversion.features import bundled_features

FACES = 32


@Parameter(name="*")
@dataclass(frozen=True)
class Study:
    """What to measure instead of dragging points; the same command goes on where it was stopped."""

    benchmark: Flag = False
    """Drag many images by both methods, there and back, and measure what becomes of them."""
    named: Flag = False
    """Turn a face and make it smile by both methods, and measure what moves."""
    quick: Flag = False
    """Some minutes: 12 drags by each method, or 4 faces."""
    drags: int | None = None
    """Drags by each method (200 by default), or faces (32 by default)."""

    @property
    def wanted(self) -> bool:
        """Whether anything is to be measured."""
        return self.benchmark or self.named or self.quick or self.drags is not None

    def settings(self) -> Settings:
        """Return the settings of the benchmark; raises `GanvasError` where the options contradict each other."""
        if self.benchmark == self.named:
            raise GanvasError("Give --benchmark or --named, one of them; --quick and --drags say how many drags.")
        if self.quick and self.drags is not None:
            raise GanvasError("--quick and --drags both say how many drags; give one of them.")
        if self.drags is not None and self.drags < 1:
            raise GanvasError(f"{self.drags} drags measure nothing; give 1 or more.")
        return QUICK if self.quick else Settings() if self.drags is None else of_size(self.drags)


def measure(model: str, study: Study, codes: Codes, out: Path, common: Common) -> None:
    """Measure what `out` does not hold yet, and show it."""
    begun = time.perf_counter()
    settings = study.settings()
    if codes.latent is not None or codes.rows is not None or codes.truncation_layers is not None:
        raise GanvasError("A benchmark draws its own images; leave --latent, --rows and --truncation-layers out.")
    settings = replace(settings, truncation=TRUNCATION if codes.truncation is None else codes.truncation)
    generator = common.load(model)
    label = codes.label_for(generator)
    if isinstance(label, tuple):
        raise GanvasError("A benchmark is of one class; give one --label.")
    make_folder(out)
    bench = Bench(generator, bundled_features(torch.device(common.device)), settings, out, label)
    name = about_of(generator).name or Path(model).stem
    with progress(remembers=600.0) as tell:
        if study.named:
            count = (4 if study.quick else FACES) if study.drags is None else study.drags
            text, paths = run_poster(bench, name, named_regions(generator), count, tell)
        else:
            text, paths = run(bench, name, tell)
    summary = {"command": "drag", "study": "named" if study.named else "benchmark", "files": paths}
    common.show([*text.splitlines(), *wrote(paths), with_seconds(begun)], summary)
