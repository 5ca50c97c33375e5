"""An evaluation of a generator in words and numbers."""

from typing import Any

from ganvas.metrics.evaluation import Evaluation


def evaluation_lines(found: Evaluation, names: tuple[str, str]) -> list[str]:
    """Return the measurements in words; `names` are those of the two distances by the network's features."""
    kernel, frechet = names
    return [
        f"{kernel:<16}  {found.kernel_mmd} (0: no difference; between real halves {found.real_halves})",
        f"{frechet:<16}  {found.frechet_distance:.2f} (on {found.components} components)",
        f"finest octave     {found.finest_octave:.2f} of the real images' energy",
        f"features          {found.network}",
    ]


def evaluation_summary(found: Evaluation) -> dict[str, Any]:
    """Return the measurements for ``--json``."""
    return {
        "kernel_mmd": found.kernel_mmd.value,
        "kernel_mmd_error": found.kernel_mmd.error,
        "kernel_mmd_real_halves": found.real_halves.value,
        "frechet_distance": found.frechet_distance,
        "components": found.components,
        "network": found.network,
        "finest_octave": found.finest_octave,
        "real_images": found.real_images,
    }
