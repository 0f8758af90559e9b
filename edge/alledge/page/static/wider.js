// The wider field around a cell: the field's own picture where it was kept, else the patches at their places.
import { ask, byId, t, trying } from "./common.js";

const HALF_UM = 60;
const BAR_UM = 10;

async function picture(path) {
  const image = new Image();
  image.src = path;
  try {
    await image.decode();
    return image;
  } catch {
    return null; // a quota may have removed it
  }
}

/** Show what lies around a cell, with its place marked and a scale bar. */
export async function showWider(slide, cell) {
  const told = await trying(() => ask("GET", `/api/slides/${slide}/cells/${cell.index}/wider`));
  if (!told) return;
  const canvas = byId("wider-canvas");
  const pen = canvas.getContext("2d");
  const scale = canvas.width / (2 * HALF_UM); // pixels of the canvas a micrometre
  pen.fillStyle = "#2b333b";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  byId("wider-dialog").showModal();
  const field = told.picture && await picture(told.picture);
  if (field) drawField(pen, field, told, scale);
  else await drawPatches(pen, told, scale);
  markCentre(pen, told, cell, scale);
  drawBar(pen, scale);
  byId("wider-words").textContent = field ? t("page.gallery.wider-picture") : t("page.gallery.wider-patches", { n: told.cells.length });
}

function drawField(pen, image, told, scale) {
  const stretch = scale * told.pixel_um * (told.width / image.width);
  const ratio = image.width / told.width;
  pen.setTransform(stretch, 0, 0, stretch, pen.canvas.width / 2 - told.x * ratio * stretch, pen.canvas.height / 2 - told.y * ratio * stretch);
  pen.drawImage(image, 0, 0);
  pen.setTransform(1, 0, 0, 1, 0, 0);
}

async function drawPatches(pen, told, scale) {
  const side = told.patch_um * scale;
  const images = await Promise.all(told.cells.map((near) => picture(near.patch)));
  told.cells.forEach((near, i) => {
    const x = pen.canvas.width / 2 + near.dx_um * scale - side / 2;
    const y = pen.canvas.height / 2 + near.dy_um * scale - side / 2;
    if (images[i]) pen.drawImage(images[i], x, y, side, side);
  });
}

function markCentre(pen, told, cell, scale) {
  const own = told.cells.find((near) => near.index === cell.index);
  const half = (own ? own.diameter_um * 0.65 : 9) * scale;
  const [x, y] = [pen.canvas.width / 2 - half, pen.canvas.height / 2 - half];
  for (const [colour, width] of [["#101418", 6], ["#ffd54a", 3]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(x, y, 2 * half, 2 * half);
  }
}

function drawBar(pen, scale) {
  const length = BAR_UM * scale;
  const [x, y] = [pen.canvas.width - length - 28, pen.canvas.height - 28];
  pen.fillStyle = "rgb(255 255 255 / 85%)";
  pen.fillRect(x - 10, y - 28, length + 20, 42);
  pen.fillStyle = "#000";
  pen.fillRect(x, y, length, 5);
  pen.font = "600 16px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText(`${BAR_UM} µm`, x + length / 2, y - 7);
}
