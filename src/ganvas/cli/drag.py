"""``ganvas drag``: points of an image pulled to where they should be."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.cli.drag_orders import Asked, Tuning, asked_for, replayed
from ganvas.cli.drag_results import Frame, told, write_results, write_video
from ganvas.cli.drag_study import Study, measure
from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Codes, Common, check_frames, make_folder, with_seconds, wrote
from ganvas.drag.run import DragRun
from ganvas.drag.session import DragSession
from ganvas.errors import GanvasError

DEFAULT_FRAMES = 60


def drag(
    model: str,
    /,
    *,
    seed: int | None = None,
    method: Literal["draggan", "freedrag"] | None = None,
    point: Annotated[list[str] | None, Parameter(negative=())] = None,
    points: Path | None = None,
    mask: str | None = None,
    steps: int | None = None,
    frames: int | None = None,
    replay: Path | None = None,
    undo: int | None = None,
    out: Path = Path("drag"),
    tuning: Tuning = Tuning(),
    study: Study = Study(),
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Pull points of an image to where they should be: the image follows.

    Writes start.png, end.png, drag.png (both with the points), drag.gif and drag.webp (and drag.mp4 with the extra
    video), latent.safetensors, and trace.json, from which --replay does the same again.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    seed
        Which image; 4 by default. Or --latent FILE (or a photo), with --rows if it holds several.
    method
        draggan (by default) follows the points by their features; freedrag carries their features along the line.
    point
        Handle and target, "X,Y>X,Y" in fractions of width and height; may be given several times.
    points
        A JSON file of them: [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}].
    mask
        What may move: a mask file (white may) or a region such as mouth or box:0.3,0.6,0.7,0.9; all by default.
    steps
        At most so many steps; 300 by default.
    frames
        Images in the video at most, 0 for none; 60 by default.
    replay
        A trace.json to do again; with points, to go on from where it ends.
    undo
        Do so many of the trace's last drags not again.
    out
        Folder for the results; files of an earlier run there are replaced.
    tuning
        How to drag.
    study
        What to measure instead of dragging points.
    codes
        Which image, and how it is truncated.
    common
        Options of every command.
    """
    begun = time.perf_counter()
    asked = Asked(seed, method, point or (), points, mask, steps, tuning)
    if study.wanted:
        if asked.drags or asked.says_how or asked.says_which or not (frames is replay is undo is None):
            raise GanvasError("A benchmark draws its own images and points, and measures both methods as they are.")
        measure(model, study, codes, out, common)
        return
    most = DEFAULT_FRAMES if frames is None else frames
    check_frames(most)
    if undo is not None and replay is None:
        raise GanvasError("--undo leaves out a trace's last drags; give the trace by --replay.")
    generator = common.load(model)
    if replay is None:
        session, orders = asked_for(asked, generator, codes)
    else:
        session, orders = replayed(replay, undo or 0, asked, generator, codes)
    video, stopped = list[Frame](), False
    with progress() as report:
        for order in orders:
            run = session.begin(order)
            make_folder(out)  # now that the drag can be done
            session, stopped = _dragged(session, run, video, report)
            if stopped:
                break
        make_folder(out)
        paths = write_results(out, session)
        paths += write_video(out, session, video, most, report)
    done = [told(one, generator.resolution) for one in session.drags]
    summary = {"command": "drag", "drags": [asdict(one) for one in done], "files": paths}
    common.show([*map(str, done), *wrote(paths), with_seconds(begun)], summary)
    if stopped:
        raise KeyboardInterrupt


def _dragged(session: DragSession, run: DragRun, video: list[Frame], report: Report) -> tuple[DragSession, bool]:
    """Return the session after one more drag, and whether Ctrl-C stopped it; what was done until then is kept.

    Its moments are added to `video`. On the way FreeDrag's anchors are shown; in the end where the content is.
    """
    targets, limit, stopped = run.request.targets, run.request.steps, False
    followed = "anchors" if run.request.method.method == "freedrag" else "handles"
    try:
        for state in run:
            video.append(Frame(state.seen_codes, run.path[-1], targets))
            report("Dragging", state.steps, limit, f"{followed} {run.distance:.1f} pixels from their targets")
    except KeyboardInterrupt:
        stopped = True
    else:
        video.pop()
    session = session.with_drag(run.finish())
    video.append(Frame(session.codes, session.drags[-1].final_handles, targets))
    return session, stopped
