"""What a page may ask for, by name: a handler each, and the channel in which a newer message replaces an older one."""

from collections.abc import Mapping

from ganvas.studio.handlers import (
    areas,
    bases,
    clicks,
    compare,
    drags,
    edits,
    exports,
    photos,
    saved,
    searches,
    sketches,
    trials,
    uploads,
    videos,
)
from ganvas.studio.session import Handler

HANDLERS: Mapping[str, tuple[Handler, str | None]] = {
    **bases.HANDLERS,
    **areas.HANDLERS,
    **searches.HANDLERS,
    **edits.HANDLERS,
    **clicks.HANDLERS,
    **compare.HANDLERS,
    **drags.HANDLERS,
    **saved.HANDLERS,
    **sketches.HANDLERS,
    **trials.HANDLERS,
    **photos.HANDLERS,
    **videos.HANDLERS,
    **uploads.HANDLERS,
    **exports.HANDLERS,
}
