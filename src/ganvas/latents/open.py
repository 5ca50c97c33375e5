"""Opening a latent: a latent file of ours, or codes as others publish them."""

from pathlib import Path

from ganvas.errors import ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.io.tensor_files import is_ours
from ganvas.latents.files import load_latent
from ganvas.latents.foreign.codes import read_foreign_codes
from ganvas.latents.foreign.readings import check_known
from ganvas.latents.latent import Latent


def open_latent_file(path: str | Path, generator: Generator, space: str | None = None) -> Latent:
    """Return the latent in a file: one that Ganvas wrote, or codes in ``.npy``, ``.npz``, ``.pt``, ``.pkl``,
    safetensors or text.

    Args:
        path: The file.
        generator: The generator that the codes are for; its dimensions decide what their shape means.
        space: The space of foreign codes, needed where their shape fits several (z and w of one width).

    Returns:
        The latent, whose codes fit the generator. What a foreign file does not say (label, truncation) is not known.

    Raises:
        ResultFileError: The file is missing, damaged, hostile or not a latent, or belongs to another generator.
        LatentError: The codes fit no space of the generator, or several and `space` is not given.
    """
    check_known(space)
    if is_ours(path):
        latent = load_latent(path)
        if space not in (None, latent.space):
            raise ResultFileError(f"'{path}' says itself that its space is {latent.space}, not {space}; leave it out.")
        latent.check_fits(generator)
        return latent
    found = read_foreign_codes(path, generator, space)
    name = Path(path).name
    names = (name,) if len(found.codes) == 1 else tuple(f"{name}, {index}" for index in range(len(found.codes)))
    return Latent(found.codes, found.space, names=names)
