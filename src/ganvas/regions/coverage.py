"""The share of each pixel that a shape covers: pure functions of float64 numpy arrays.

Shapes are in fractions of width and height, origin at the top left corner of the image; pixel i of n covers
[i/n, (i+1)/n]. Boxes and polygons are covered by exact area, so averaging a mask over blocks of 2x2 pixels gives the
mask at half the size. Knows no torch, files or regions.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.ndimage import correlate1d, distance_transform_edt
from scipy.special import ndtr

ROUNDING = 1e-12
CIRCLE_SIDES = 64
MOST_PIECES = 4_000_000


def box_coverage(
    left: float, top: float, right: float, bottom: float, height: int, width: int
) -> Float[np.ndarray, "height width"]:
    """Cover a box (fractions, left < right, top < bottom) by the exact area of each pixel, in [0, 1]."""
    rows = np.diff(np.clip(np.arange(height + 1.0), top * height, bottom * height))
    columns = np.diff(np.clip(np.arange(width + 1.0), left * width, right * width))
    return without_rounding(np.outer(rows, columns))


def polygon_coverage(points: Float[np.ndarray, "n 2"], height: int, width: int) -> Float[np.ndarray, "height width"]:
    """Cover the closed polygon through ``points`` (x, y) by the exact area of each pixel, in [0, 1].

    A point is inside where the winding number is not zero (nonzero rule), also of a line that crosses itself; the
    orientation does not matter. Raises `OverflowError` for a line that crosses itself too often to be computed.
    """
    edges, signs = nonzero_outline(points)
    return without_rounding(signed_coverage(edges * [width, height, width, height], signs, height, width))


def brush_coverage(
    points: Float[np.ndarray, "n 2"], radius: float, height: int, width: int
) -> Float[np.ndarray, "height width"]:
    """Cover the stroke of a round brush through ``points``; ``radius`` is a fraction of the smaller side.

    Each segment is covered exactly (its round ends as a polygon of 64 sides and the same area); the stroke is the
    maximum over its segments, cut off at the edges of the image.
    """
    centers = points * [width, height]
    total = np.zeros((height, width))
    stops = centers[1:] if len(centers) > 1 else centers
    for start, stop in zip(centers, stops, strict=False):
        outline = _capsule(start, stop, radius * min(height, width))
        low = np.clip(np.floor(outline.min(axis=0)).astype(int), 0, [width, height])
        high = np.clip(np.ceil(outline.max(axis=0)).astype(int), 0, [width, height])
        window = total[low[1] : high[1], low[0] : high[0]]
        edges, signs = _rising_edges(outline - low)
        np.maximum(window, np.abs(signed_coverage(edges, signs, *window.shape)), out=window)
    return without_rounding(total)


def _capsule(start: Float[np.ndarray, "2"], stop: Float[np.ndarray, "2"], radius: float) -> Float[np.ndarray, "n 2"]:
    """Return a segment with round ends as a convex polygon; the polygon of the ends has the circle's area."""
    step = 2 * np.pi / CIRCLE_SIDES
    heading = np.arctan2(stop[1] - start[1], stop[0] - start[0])
    angles = heading + np.pi / 2 + step * np.arange(CIRCLE_SIDES + 2)
    angles[CIRCLE_SIDES // 2 + 1 :] -= step
    ends = np.where(np.arange(CIRCLE_SIDES + 2)[:, None] <= CIRCLE_SIDES // 2, start, stop)
    equal_area = radius * np.sqrt(step / np.sin(step))
    return ends + equal_area * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def signed_coverage(
    edges: Float[np.ndarray, "n 4"], signs: Shaped[np.ndarray, "n"], height: int, width: int
) -> Float[np.ndarray, "height width"]:
    """Sum the signed area to the right of every edge in each pixel, as font rasterizers do.

    ``edges`` are (x, upper y, x, lower y) in pixels. Each edge is cut at the pixel borders; a piece of height dy in one
    pixel covers dy times the pixel's share to the right of the piece's middle, and dy of every pixel further right,
    which the cumulative sum along the row adds.
    """
    by_row, owner = _cut_at_whole_numbers(edges, axis=1)
    pieces, owner_row = _cut_at_whole_numbers(by_row, axis=0)
    rise = (pieces[:, 3] - pieces[:, 1]) * signs[owner[owner_row]]
    row = np.floor((pieces[:, 1] + pieces[:, 3]) / 2).astype(int)
    x = np.clip((pieces[:, 0] + pieces[:, 2]) / 2, 0, width)
    on_image = (row >= 0) & (row < height)
    rise, row, x = rise[on_image], row[on_image], x[on_image]
    column = np.floor(x).astype(int)
    cell = row * (width + 2) + column
    right_part = column + 1 - x
    size = height * (width + 2)
    own = np.bincount(cell, rise * right_part, size)
    following = np.bincount(cell + 1, rise * (1 - right_part), size)
    rows = (own + following).astype(np.float64).reshape(height, width + 2)  # bincount of no weights returns integers
    return rows.cumsum(axis=1)[:, :width]


def _cut_at_whole_numbers(
    edges: Float[np.ndarray, "n 4"], axis: int
) -> tuple[Float[np.ndarray, "m 4"], Int[np.ndarray, "m"]]:
    """Cut edges where x (axis 0) or y (axis 1) is a whole number; also return the index of each piece's edge."""
    ends = edges[:, [axis, axis + 2]]
    low, high = ends.min(axis=1), ends.max(axis=1)
    first = np.floor(low)
    counts = np.maximum(np.ceil(high) - first, 1).astype(int)
    owner = np.repeat(np.arange(len(edges)), counts)
    cut = first[owner] + _counting(counts)
    lower, upper = np.clip(cut, low[owner], high[owner]), np.clip(cut + 1, low[owner], high[owner])
    falling = (ends[:, 0] > ends[:, 1])[owner]
    pieces = _between(edges[owner], axis, np.where(falling, upper, lower), np.where(falling, lower, upper))
    return pieces, owner


def _between(
    edges: Float[np.ndarray, "n 4"], axis: int, start: Float[np.ndarray, "n"], stop: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 4"]:
    """Clip each edge to the interval from ``start`` to ``stop`` of its coordinate ``axis``."""
    length = edges[:, axis + 2] - edges[:, axis]
    flat = length == 0
    pieces = edges.copy()
    for place, value in ((0, start), (2, stop)):
        part = np.where(flat, place / 2, (value - edges[:, axis]) / np.where(flat, 1, length))
        other = 1 - axis
        pieces[:, place + other] = edges[:, other] * (1 - part) + edges[:, other + 2] * part
        pieces[:, place + axis] = value
    return pieces


def _counting(counts: Int[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """Return the concatenation of 0 ... count - 1 for each count."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _rising_edges(points: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, "m 4"], Float[np.ndarray, "m"]]:
    """List a polygon's edges from upper to lower end, and +1 for those that point down, else -1; none is level."""
    edges = np.concatenate([points, np.roll(points, -1, axis=0)], axis=1)
    signs = np.sign(edges[:, 3] - edges[:, 1])
    upwards = signs < 0
    edges[upwards] = edges[upwards][:, [2, 3, 0, 1]]
    return edges[signs != 0], signs[signs != 0]


def nonzero_outline(
    points: Float[np.ndarray, "n 2"],
) -> tuple[Float[np.ndarray, "m 4"], Int[np.ndarray, "m"]]:
    """Cut a polygon's edges at the height of every corner and crossing; keep those between inside and outside.

    Between two such heights no edges cross, so counting them from left to right gives the winding number. Returns the
    edges (x, upper y, x, lower y) and +1 where the inside begins (to the right), -1 where it ends.
    """
    edges, signs = _rising_edges(points)
    heights = np.unique(np.concatenate([points[:, 1], _crossing_heights(edges)]))
    slab = np.searchsorted(heights, edges[:, 1])
    counts = np.searchsorted(heights, edges[:, 3]) - slab
    if counts.sum() > MOST_PIECES:
        raise OverflowError("the outline crosses itself too often")
    owner = np.repeat(np.arange(len(edges)), counts)
    slab = slab[owner] + _counting(counts)
    pieces = _between(edges[owner], 1, heights[slab], heights[slab + 1])
    order = np.lexsort((pieces[:, 0] + pieces[:, 2], slab))
    winding = signs[owner[order]].astype(int)
    after = np.cumsum(winding)
    sides = (after != 0).astype(int) - (after != winding).astype(int)
    return pieces[order][sides != 0], sides[sides != 0]


def _crossing_heights(edges: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "k"]:
    """Return the y of every point in the interior of two edges where they cross."""
    starts, along = edges[:, :2], edges[:, 2:] - edges[:, :2]
    heights = [np.empty(0)]
    for index in range(len(edges) - 1):
        others = along[index + 1 :]
        gap = starts[index + 1 :] - starts[index]
        slope = _cross(along[index], others)
        with np.errstate(divide="ignore", invalid="ignore"):  # parallel edges: their ends are corners
            here, there = _cross(gap, others) / slope, _cross(gap, along[index]) / slope
        crossing = (here > 0) & (here < 1) & (there > 0) & (there < 1)
        heights.append(starts[index, 1] + here[crossing] * along[index, 1])
    return np.concatenate(heights)


def _cross(a: Float[np.ndarray, "*n 2"], b: Float[np.ndarray, "*m 2"]) -> Float[np.ndarray, "*k"]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def resize_by_area(values: Float[np.ndarray, "h w"], height: int, width: int) -> Float[np.ndarray, "height width"]:
    """Resize so that each new pixel is the mean of the area that it covers; any ratio, larger or smaller."""
    resized = values.astype(np.float64)
    for axis, count in ((0, height), (1, width)):
        if resized.shape[axis] != count:
            resized = _average_along(resized, count, axis)
    return without_rounding(resized)


def _average_along(values: Float[np.ndarray, "h w"], count: int, axis: int) -> Float[np.ndarray, "new_h new_w"]:
    lines = np.moveaxis(values, axis, 0)
    integral = np.concatenate([np.zeros_like(lines[:1]), np.cumsum(lines, axis=0)])
    borders = np.arange(count + 1) * len(lines) / count
    below = np.minimum(np.floor(borders).astype(int), len(lines) - 1)
    at_borders = integral[below] + (borders - below)[:, None] * lines[below]
    return np.moveaxis(np.diff(at_borders, axis=0) * (count / len(lines)), 0, axis)


def blur(values: Float[np.ndarray, "h w"], std: float) -> Float[np.ndarray, "h w"]:
    """Blur by a Gaussian of ``std`` pixels, exact for pixels that are squares of constant value.

    The kernel is the Gaussian averaged over the source and the destination pixel, so a std far below a pixel is right
    too. The image is mirrored at its edges, which keeps constants and the sum.
    """
    reach = int(np.ceil(4 * std)) + 1
    x = np.arange(-reach - 1, reach + 2) / std
    twice_integrated = x * ndtr(x) + np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    kernel = np.maximum(np.diff(twice_integrated, 2), 0)
    kernel /= kernel.sum()
    down = correlate1d(values, kernel, axis=0, mode="reflect")
    return without_rounding(correlate1d(down, kernel, axis=1, mode="reflect"))


def farther_than(inside: Bool[np.ndarray, "h w"], distance: float) -> Float[np.ndarray, "h w"]:
    """Return a soft mask of the pixels farther than ``distance`` pixels from all of ``inside``: 1 far, 0 near."""
    nearest = np.asarray(distance_transform_edt(~inside))
    return np.clip(nearest - distance, 0, 1)


def deepest(inside: Bool[np.ndarray, "h w"]) -> tuple[int, int, float]:
    """Return row and column of the pixel farthest from all that is not ``inside`` or off the image, and how far."""
    depth = np.asarray(distance_transform_edt(np.pad(inside, 1)))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column), float(depth[row, column])


def grown(mask: Float[np.ndarray, "h w"], width: float) -> Float[np.ndarray, "h w"]:
    """Return a soft mask of all within ``width`` pixels of where a mask is half its maximum; for a negative width, of
    all in there that is farther than that from its edge.
    """
    inside = mask >= mask.max() / 2
    return 1 - farther_than(inside, width) if width >= 0 else farther_than(~inside, -width)


def beyond_band(mask: Float[np.ndarray, "h w"], width: float) -> Float[np.ndarray, "h w"]:
    """Return a soft float32 mask of all that is farther than ``width`` pixels from where a mask is half its maximum."""
    return farther_than(mask >= mask.max() / 2, width).astype(np.float32)


def without_rounding(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Snap values within a rounding error of 0 or 1, or outside [0, 1], to 0 or 1."""
    return np.where(values < ROUNDING, 0.0, np.where(values > 1 - ROUNDING, 1.0, values))
