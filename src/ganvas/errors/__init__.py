"""Every error that Ganvas raises on purpose; the modules beside check arguments and numbers, and raise them.

::

    GanvasError
    ├── CheckpointError      a file that cannot be read as a generator
    │   ├── UnsafeFileError  ... because it asks for something other than data
    │   └── DownloadError    ... because it is not on this disk, or what came is not what it should be
    ├── ResultFileError      a latent or directions file that cannot be read or does not fit
    ├── RegionError          a region that is empty, off the image or of the wrong size
    ├── LatentError          codes, spaces, layers, labels or seeds that a generator does not have
    ├── ImageError         an image file that cannot be read or written
    └── TrainingError        data, settings or a snapshot that training cannot go on with
        └── NotFiniteError   ... because a loss, a weight or a moment is not finite: the command line ends with 1

A message says what was given, what is allowed and what to do; the command line prints it without a traceback.
"""

import re

LONGEST_WORD = 300


class GanvasError(Exception):
    """Something the user can put right; ``str(error)`` says how. What was given is cut where it is endless."""

    def __str__(self) -> str:
        """Return the message, its endless words cut, such as a number of 5,000 digits."""
        return re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:60]}...", super().__str__())


class CheckpointError(GanvasError):
    """A file cannot be read as a generator."""


class UnsafeFileError(CheckpointError):
    """A pickle asks for something other than tensors and plain data; nothing of it was run."""


class DownloadError(CheckpointError):
    """A file of the zoo is not on this disk, cannot be fetched, or is not the file that it should be."""


class ResultFileError(GanvasError):
    """A latent or directions file cannot be read, or belongs to a generator of another shape."""


class RegionError(GanvasError):
    """A region is empty, covers everything, lies off the image or has the wrong size."""


class LatentError(GanvasError):
    """Codes, a space, layers, a label or seeds that the generator does not have."""


class ImageError(GanvasError):
    """An image file cannot be read or written."""


class TrainingError(GanvasError):
    """Data, settings or a snapshot that training cannot start from or go on with."""


class NotFiniteError(TrainingError):
    """A loss, a weight or an optimizer's moment became nan or inf; nothing of that state was written."""
