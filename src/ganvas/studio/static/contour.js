// The outline of a mask at half its height, by marching squares, as a path in fractions of the image.
const EDGES = [[], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]], [[2, 3]], [[2, 0]],
  [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], []];

export function grayOf(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const gray = new Uint8ClampedArray(data.length / 4);
  for (let i = 0; i < gray.length; i += 1) gray[i] = data[4 * i];
  return { gray, width: bitmap.width, height: bitmap.height };
}

export function outline({ gray, width, height }, level = 127.5) {
  const path = new Path2D();
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : gray[y * width + x]);
  const cross = (a, b) => (level - a) / (b - a);
  for (let y = -1; y < height; y += 1) {
    for (let x = -1; x < width; x += 1) {
      const corners = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      const kind = corners.reduce((sum, value, bit) => sum + (value > level ? 1 << bit : 0), 0);
      for (const [from, to] of EDGES[kind]) {
        path.moveTo(...onEdge(from, x, y, corners, cross, width, height));
        path.lineTo(...onEdge(to, x, y, corners, cross, width, height));
      }
    }
  }
  return path;
}

function onEdge(edge, x, y, [a, b, c, d], cross, width, height) {
  const [dx, dy] = [[cross(a, b), 0], [1, cross(b, c)], [cross(d, c), 1], [0, cross(a, d)]][edge];
  return [(x + 0.5 + dx) / width, (y + 0.5 + dy) / height];
}

// A gray image as one color whose opacity is the gray.
export const tinted = (image, color, strength) => colored(image, (level) => [...color, level * strength]);

// How much changed, from clear over yellow to red; 64 of 255 levels are full.
export const heatmap = (image) => colored(image, (level) => {
  const t = Math.min(1, level / 64);
  return [255, 230 * (1 - t), 40 * (1 - t), 230 * Math.min(1, t * 2.2)];
});

// A gray image with a color, red, green, blue and opacity, for each of its levels.
function colored({ gray, width, height }, colorOf) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const colors = Array.from({ length: 256 }, (_, level) => colorOf(level));
  for (let i = 0; i < gray.length; i += 1) image.data.set(colors[gray[i]], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}
