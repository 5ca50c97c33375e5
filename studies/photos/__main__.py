"""``python -m studies.photos MODEL PHOTOS --out DIR``: how near photos come, and whether edits survive it.

Writes ``photos.md``, ``photos.json`` and ``photos.jpg``. What is finished is not computed again when the command is
given again with the same folder.
"""

import sys

from ganvas.io.process import let_threads_wait

if __name__ == "__main__":
    let_threads_wait()
    from studies.photos.command import main

    sys.exit(main())
