"""Say what the wheel in a folder holds, and fail where it is more than a user needs: ``python -m tests.wheel dist``."""

import sys
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

LIMIT = 70_000_000  # bytes
SUFFIXES = {".py", ".pyi", ".typed", ".toml", ".txt", ".md", ".html", ".css", ".js", ".svg", ".safetensors"}


def problems(wheel: Path) -> list[str]:
    """Return a sentence for each thing about a wheel that must not be, and print its size and parts."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        weights = sum(item.file_size for item in archive.infolist() if item.filename.endswith(".safetensors"))
    size = wheel.stat().st_size
    kinds = Counter(PurePosixPath(name).suffix or "no suffix" for name in names)
    print(f"{wheel.name}: {size / 1e6:.1f} MB, of which {weights / 1e6:.1f} MB are bundled weights")
    print(f"{len(names)} files: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    found = [f"{size / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f} MB"] if size > LIMIT else []
    for name in names:
        top, suffix = name.split("/")[0], PurePosixPath(name).suffix
        if top != "ganvas" and not top.endswith(".dist-info"):
            found.append(f"'{name}' lies outside the package")
        elif top == "ganvas" and suffix not in SUFFIXES:
            found.append(f"'{name}' is no kind of file that the package needs")
    return found


def main(folder: Path) -> int:
    """Check the one wheel in `folder`; return the exit code."""
    wheels = sorted(folder.glob("ganvas-*.whl"))
    if len(wheels) != 1:
        print(f"expected one wheel in '{folder}', found {len(wheels)}")
        return 1
    found = problems(wheels[0])
    for problem in found:
        print(f"error: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
