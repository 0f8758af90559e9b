// Patches for tiles in sight, many with one request: asked for one by one, a screen of them costs the server
// sixteen times as much. What was had is kept as long as there is room.

const MOST_AT_ONCE = 128;
const MOST_KEPT = 4000; // some 25 MB
const GATHER_MS = 16; // one frame of scrolling

const kept = new Map();
let waiting = new Map();
let due = null;
let isAsking = false;

/** Show a cell's patch in an image, now or as soon as it is there. */
export function showPatch(image, cell) {
  const place = `${cell.field}.${cell.position}`;
  if (image.dataset.place === place) return;
  image.dataset.place = place;
  const url = kept.get(place);
  if (url) {
    image.src = url;
    return;
  }
  image.removeAttribute("src");
  waiting.set(place, image);
  due ??= setTimeout(gather, GATHER_MS);
}

async function gather() {
  due = null;
  if (isAsking) return;
  isAsking = true;
  try {
    while (waiting.size) {
      // Tiles that were scrolled away meanwhile show something else by now.
      const wanted = [...waiting].filter(([place, image]) => image.dataset.place === place).slice(-MOST_AT_ONCE);
      const places = wanted.map(([place]) => place);
      waiting = new Map([...waiting].filter(([place, image]) => image.dataset.place === place && !places.includes(place)));
      if (places.length) await fetchPatches(places, new Map(wanted));
    }
  } finally {
    isAsking = false;
  }
}

async function fetchPatches(places, images) {
  const data = await asked(places);
  if (!data) {
    for (const image of images.values()) delete image.dataset.place; // the next look asks again
    return;
  }
  const view = new DataView(data);
  let at = 0;
  for (const place of places) {
    const length = view.getUint32(at);
    at += 4;
    if (length) keep(place, URL.createObjectURL(new Blob([new Uint8Array(data, at, length)], { type: "image/png" })));
    at += length;
    const image = images.get(place);
    if (image.dataset.place === place && kept.has(place)) image.src = kept.get(place);
  }
}

async function asked(places) {
  try {
    const answer = await fetch(`/patches?at=${places.join(",")}`);
    return answer.ok ? await answer.arrayBuffer() : null;
  } catch {
    return null; // the page is away; `ask` says so wherever somebody waits for an answer
  }
}

function keep(place, url) {
  kept.set(place, url);
  if (kept.size <= MOST_KEPT) return;
  const [oldest, gone] = kept.entries().next().value;
  kept.delete(oldest);
  URL.revokeObjectURL(gone);
}
