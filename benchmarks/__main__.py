"""Run all benchmarks, or those named: ``python -m benchmarks [regions] [tangents] [precision] [jacobian] [biggan]
[stylegan3] [large_spaces] [training] [inversion] [drag] [full_size] [studio] [--sizes 64,256]``.
"""

import argparse
from collections.abc import Callable, Iterator

from ganvas.io.process import keep_freed_memory, let_threads_wait

let_threads_wait()  # before torch is imported, which the next lines do

import torch  # noqa: E402

from benchmarks import (  # noqa: E402
    biggan,
    drag,
    full_size,
    inversion,
    jacobian,
    large_spaces,
    machine,
    regions,
    studio,
    stylegan3,
    tangents,
    training,
)
from benchmarks.subjects import ALL_SIZES, SIZES  # noqa: E402


def main() -> None:
    """Print one Markdown section a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of them (default: all)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="pixels, of 64,128,256,512,1024")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = tuple(int(size) for size in arguments.sizes.split(","))

    def sized(run: Callable[[tuple[int, ...]], Iterator[str]], own: tuple[int, ...]) -> Callable[[], Iterator[str]]:
        return lambda: run(own if sizes == SIZES else sizes)

    sections: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
        "regions": ("A new region on a cached Jacobian", regions.run),
        "tangents": ("A tangent against a forward pass", lambda: tangents.run(sizes)),
        "precision": ("bfloat16 against float32", sized(tangents.run_precision, ALL_SIZES)),
        "jacobian": ("The Jacobian against the published algorithm", lambda: jacobian.run(sizes)),
        "biggan": ("BigGAN-deep: forward and tangent", sized(biggan.run, biggan.BIGGAN_SIZES)),
        "stylegan3": ("StyleGAN3: forward and tangent", sized(stylegan3.run, stylegan3.SIZES)),
        "large_spaces": ("Thousands of dimensions, dense and matrix-free", sized(large_spaces.run, large_spaces.SIZES)),
        "training": ("Training steps against common ones", training.run),
        "inversion": ("Inversion against NVIDIA's projector", inversion.run),
        "drag": ("A step of a drag against a plain one", sized(drag.run, drag.SIZES)),
        "full_size": ("Files and memory of every command", sized(full_size.run, full_size.SIZES)),
        "studio": ("How long the studio's page waits", studio.run),
    }
    unknown = set(arguments.names) - set(sections)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose from {', '.join(sections)}")
    kept = keep_freed_memory()
    print(f"{machine.describe()}, freed memory kept: {'yes' if kept else 'no'}")
    for name in arguments.names or sections:
        title, run = sections[name]
        print(f"\n## {title}\n", flush=True)
        for line in run():
            print(line, flush=True)


if __name__ == "__main__":
    main()
