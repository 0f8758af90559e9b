// The gallery: all cells of a slide, grouped by what they are called, the most doubtful first. Only tiles in
// sight exist; a cell is confirmed with one key and reclassified with two.
import "./frame.js";
import { ask, byId, element, isTyping, labelText, notice, percent, Problem, shareWords, t, trying, wholePercent } from "./common.js";
import { Cells, SIGNS, stateOf } from "./cells.js";
import { showDetail } from "./detail.js";
import { openPalette } from "./palette.js";
import { HEAD, inSight, layOut, placeOf, step } from "./layout.js";
import { showPatch } from "./patches.js";
import { showWider } from "./wider.js";

const OVERSCAN_PX = 500;
const LOOK_AGAIN_MS = 5000;
const TURN_MS = 550; // a finger that rests this long means "this one too"
const slide = byId("gallery").dataset.slide;
const mayReview = byId("main").dataset.mayReview === "1";
const scroller = byId("scroller");
const canvas = byId("tiles");

const cells = new Cells();
let summary = null;
let filter = location.hash === "#open" ? "open" : "all";
let order = [];
let layout = null;
let at = 0;
let anchor = null;
let takesSeveral = false;
const chosen = new Set();
const tiles = new Map();
const heads = new Map();

const here = () => order[at];
const keep = (cell) => filter === "all" || (filter === "open" ? cell.wasOpen : labelKey(cell.label) === filter);
const labelKey = (label) => (label === null ? "none" : `label ${label}`);

function arrange() {
  const groups = cells.grouped(keep);
  order = groups.flatMap((group) => group.cells);
  const tile = Number(byId("size").value);
  document.documentElement.style.setProperty("--tile", `${tile}px`);
  layout = layOut(groups, scroller.clientWidth, tile);
  canvas.style.height = `${Math.max(layout.height, 1)}px`;
  at = Math.max(0, Math.min(at, order.length - 1));
  for (const head of heads.values()) head.remove();
  heads.clear();
  render();
  showGroups();
}

/** Put the tiles in sight in their places; while one scrolls, those that are there already stay as they are. */
function render(isScrolling = false) {
  const top = scroller.scrollTop - OVERSCAN_PX;
  const bottom = scroller.scrollTop + scroller.clientHeight + OVERSCAN_PX;
  const wanted = new Map();
  const blocks = new Set();
  for (const range of inSight(layout, top, bottom)) {
    blocks.add(range.block);
    for (let place = range.first; place < range.end; place += 1) wanted.set(order[place].index, place);
  }
  const idle = [];
  for (const [index, tile] of tiles) {
    if (!wanted.has(index)) {
      idle.push(tile);
      tiles.delete(index);
    }
  }
  for (const [index, place] of wanted) {
    const there = tiles.get(index);
    if (there && isScrolling) continue;
    const tile = there ?? idle.pop() ?? newTile();
    tiles.set(index, tile);
    dress(tile, order[place], place);
  }
  for (const tile of idle) tile.remove();
  dressHeads(blocks);
  if (!isScrolling) showHere();
}

function newTile() {
  const tile = element("div", { class: "tile", role: "option" },
    element("img", { alt: "", width: "100", height: "100", decoding: "async", draggable: "false" }),
    element("div", { class: "note" }, element("span", { class: "s", "aria-hidden": "true" }), element("span", { class: "w" })));
  canvas.append(tile);
  return tile;
}

/** How sure the model is; of a cell that waits and is likelier something else, of what. */
const sureness = (cell) => (cell.isOpen && cell.guess !== cell.label ? `${labelText(cell.guess)} ${wholePercent(cell.guessP)}` : percent(cell.p));

function dress(tile, cell, place) {
  const { x, y } = placeOf(layout, place);
  tile.style.transform = `translate(${x}px, ${y}px)`;
  const state = stateOf(cell);
  const key = `${cell.path} ${state} ${cell.label} ${cell.p}`;
  showPatch(tile.firstElementChild, cell);
  if (tile.dataset.key !== key) {
    tile.dataset.key = key;
    tile.id = `cell-${cell.index}`;
    tile.dataset.index = cell.index;
    tile.dataset.state = state;
    const [sign, words] = tile.lastElementChild.children;
    sign.textContent = SIGNS[state];
    words.textContent = cell.spoken || cell.amended ? cell.who : sureness(cell);
    const told = t(`page.gallery.state.${state}`);
    tile.setAttribute("aria-label", `${labelText(cell.label)}, ${told}, ${sureness(cell)}`);
  }
  tile.setAttribute("aria-setsize", order.length);
  tile.setAttribute("aria-posinset", place + 1);
  tile.setAttribute("aria-selected", chosen.has(cell.index));
  tile.classList.toggle("here", place === at);
}

function dressHeads(blocks) {
  for (const [block, head] of heads) {
    if (!blocks.has(block)) {
      head.remove();
      heads.delete(block);
    }
  }
  for (const block of blocks) {
    if (heads.has(block)) continue;
    const open = block.group.open ? t("page.gallery.n-open", { n: block.group.open }) : "";
    const head = element("div", { class: "group-head", role: "presentation" },
      element("span", {}, mark(block.group.label), ` ${labelText(block.group.label)}`),
      element("span", { class: "help", text: `${block.group.cells.length} ${open}` }));
    head.style.top = `${block.top + HEAD - 44}px`;
    canvas.append(head);
    heads.set(block, head);
  }
}

function mark(label) {
  const isFinding = (summary?.positive_labels ?? []).includes(label);
  const [sign, kind] = label === null ? ["–", "other"] : isFinding ? ["▲", "finding"] : ["●", "other"];
  return element("span", { class: `mark ${kind}`, "aria-hidden": "true", text: sign });
}

let detailDue;
function showHere() {
  const cell = here();
  canvas.setAttribute("aria-activedescendant", cell ? `cell-${cell.index}` : "");
  byId("chosen").textContent = chosen.size > 1 ? t("page.gallery.n-chosen", { n: chosen.size }) : "";
  const signed = Boolean(summary?.signed);
  byId("confirm").disabled = !cell || !mayReview || signed;
  byId("reclassify").disabled = !cell || !mayReview;
  byId("undo").disabled = !mayReview || signed;
  byId("wider").disabled = !cell;
  clearTimeout(detailDue);
  detailDue = setTimeout(() => showDetail(slide, here(), tellCell), 60);
}

const tellCell = (cell) => t(`page.gallery.state.${stateOf(cell)}`);

function showGroups() {
  const counts = new Map();
  for (const cell of cells.all) {
    const told = counts.get(cell.label) ?? { n: 0, open: 0 };
    told.n += 1;
    told.open += cell.isOpen;
    counts.set(cell.label, told);
  }
  const open = cells.all.reduce((n, cell) => n + cell.isOpen, 0);
  const lines = [groupLine("all", t("page.gallery.all"), cells.all.length, 0, null)];
  lines.push(groupLine("open", t("page.gallery.open"), open, 0, element("span", { class: "mark wait", "aria-hidden": "true", text: "?" })));
  for (const label of [...cells.labels, null]) {
    const told = counts.get(label);
    if (told) lines.push(groupLine(labelKey(label), labelText(label), told.n, told.open, mark(label)));
  }
  byId("groups").replaceChildren(...lines);
}

function groupLine(key, words, n, open, sign) {
  const button = element("button", { type: "button", "aria-pressed": filter === key },
    ...(sign ? [sign] : []), element("span", { text: words }),
    ...(open ? [element("span", { class: "open", text: `? ${open}` })] : []), element("span", { class: "n", text: n }));
  button.addEventListener("click", () => {
    filter = key;
    at = 0;
    scroller.scrollTop = 0;
    // A fresh look puts what is settled by now behind what is still open.
    for (const cell of cells.all) cell.wasOpen = cell.isOpen;
    arrange();
  });
  return element("li", {}, button);
}

function go(place, isSelecting = false) {
  if (!order.length) return;
  if (isSelecting) {
    anchor ??= at;
    chosen.clear();
    for (let i = Math.min(anchor, place); i <= Math.max(anchor, place); i += 1) chosen.add(order[i].index);
  } else {
    anchor = null;
    if (!takesSeveral) chosen.clear();
  }
  at = place;
  const { y } = placeOf(layout, at);
  const head = scroller.scrollTop + 8;
  const foot = scroller.scrollTop + scroller.clientHeight - layout.rowHeight - 8;
  if (y < head) scroller.scrollTop = Math.max(0, y - HEAD - 8);
  else if (y > foot) scroller.scrollTop = y - scroller.clientHeight + layout.rowHeight + 8;
  render();
}

function toggle(place) {
  const { index } = order[place];
  if (chosen.has(index)) chosen.delete(index);
  else chosen.add(index);
  at = place;
  anchor = null;
  render();
}

/** The cells that a word is meant for: those chosen, else the one the cursor is on. */
function meant() {
  if (chosen.size) return order.filter((cell) => chosen.has(cell.index));
  return here() ? [here()] : [];
}

const seenOf = (cell) => ({ field: cell.field, position: cell.position, seen: cell.seen });

/** Say what cells are, and tell whether it is written; the cursor goes on to the next that was not meant. */
async function say(meantCells, label) {
  const words = new Set(meantCells.map((cell) => cell.index));
  const next = order.slice(at).find((cell) => !words.has(cell.index)) ?? order.findLast((cell) => !words.has(cell.index));
  return await changing(() => ask("POST", `/api/slides/${slide}/words`, { label, cells: meantCells.map(seenOf) }), next);
}

async function confirm() {
  const groups = Map.groupBy ? Map.groupBy(meant(), (cell) => cell.label) : grouped(meant());
  const said = [];
  for (const [label, members] of groups) if (await say(members, label)) said.push(`${members.length} × ${labelText(label)}`);
  const isSeveral = [...groups.values()].flat().length > 1; // of one, the tile tells
  if (said.length && isSeveral) notice(t("page.gallery.confirmed-several", { told: said.join(", ") }));
}

function grouped(list) {
  const groups = new Map();
  for (const cell of list) groups.set(cell.label, [...groups.get(cell.label) ?? [], cell]);
  return groups;
}

async function undo() {
  await changing(() => ask("POST", `/api/slides/${slide}/undo`), null);
}

let isBusy = false;
async function changing(action, next) {
  if (isBusy || !mayReview) return false;
  isBusy = true;
  try {
    const told = await action();
    if (told.withdrawn !== cells.withdrawn) {
      await lookAgain();
      return true;
    }
    cells.take(told);
    const target = next ? next.index : told.index[0];
    chosen.clear();
    anchor = null;
    arrange();
    const place = order.findIndex((cell) => cell.index === target);
    if (place >= 0) go(place);
    refreshSummary();
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    notice(error.message, "bad");
    if (error.status === 409) await lookAgain();
    return false;
  } finally {
    isBusy = false;
  }
}

function reclassify() {
  const cellsMeant = meant();
  if (!cellsMeant.length || !mayReview) return;
  const signed = Boolean(summary?.signed);
  openPalette(cells.labels, signed, async (label, reason) => {
    if (!signed) {
      await say(cellsMeant, label);
      return;
    }
    for (const cell of cellsMeant) {
      const body = { field: cell.field, position: cell.position, label, reason };
      const told = await trying(() => ask("POST", `/api/slides/${slide}/amendments`, body));
      if (told) showSummary(told);
    }
    await lookAgain();
  });
}

function nextOpen() {
  const after = order.findIndex((cell, place) => place > at && cell.isOpen);
  const place = after >= 0 ? after : order.findIndex((cell) => cell.isOpen);
  if (place >= 0) go(place);
  else notice(t("page.gallery.none-open"));
}

function showSummary(told) {
  const isNew = !summary;
  summary = told;
  const [share, words] = shareWords(told.positive_share);
  byId("share").textContent = share;
  byId("share-words").textContent = told.positive_share ? t("page.live.share-of", { interval: words, n: told.counted }) : words;
  const state = told.signed ? t("page.gallery.signed", { who: told.signed.who })
    : told.ended ? t("page.gallery.ended") : t("page.gallery.counting");
  byId("slide-state").textContent = state;
  if (isNew && layout) arrange();
}

let summaryDue;
function refreshSummary() {
  clearTimeout(summaryDue);
  summaryDue = setTimeout(async () => {
    const told = await trying(() => ask("GET", `/api/slides/${slide}`));
    if (told) showSummary(told);
  }, 250);
}

/** What others said, and what was counted, since the last look. */
async function lookAgain() {
  const told = await trying(() => ask("GET", `/api/slides/${slide}/cells?since=${cells.asOf}`));
  if (!told) return;
  const hasNews = told.index.length > 0;
  const current = here()?.index;
  if (!cells.catchUp(told)) {
    const whole = await trying(() => ask("GET", `/api/slides/${slide}/cells`));
    if (whole) cells.begin(whole);
  } else if (!hasNews) return;
  arrange();
  const place = order.findIndex((cell) => cell.index === current);
  if (place >= 0 && place !== at) {
    at = place;
    render();
  }
  refreshSummary();
}

const actions = {
  Enter: confirm,
  r: reclassify,
  u: undo,
  f: () => here() && showWider(slide, here()),
  w: nextOpen,
  a: () => { order.forEach((cell) => chosen.add(cell.index)); chosen.size > 1000 ? (chosen.clear(), notice(t("page.gallery.too-many"), "bad")) : render(); },
  " ": () => here() && toggle(at),
  Escape: () => { chosen.clear(); anchor = null; render(); },
  "?": () => byId("keys-dialog").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || !layout) return;
  if (event.target.closest("button, a") && ["Enter", " "].includes(event.key)) return;
  if (event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key)) {
    event.preventDefault();
    if (order.length) go(step(layout, at, event.key), event.shiftKey);
    return;
  }
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});

canvas.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  const place = order.findIndex((cell) => cell.index === Number(tile.dataset.index));
  canvas.focus({ preventScroll: true });
  if (event.ctrlKey || event.metaKey || takesSeveral) toggle(place);
  else go(place, event.shiftKey);
});
canvas.addEventListener("dblclick", () => here() && showWider(slide, here()));

let resting;
canvas.addEventListener("touchstart", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  resting = setTimeout(() => setSeveral(true), TURN_MS);
}, { passive: true });
for (const end of ["touchend", "touchmove", "touchcancel"]) canvas.addEventListener(end, () => clearTimeout(resting), { passive: true });

function setSeveral(on) {
  takesSeveral = on;
  byId("several").setAttribute("aria-pressed", on);
  if (!on) chosen.clear();
  render();
}

byId("confirm").addEventListener("click", confirm);
byId("reclassify").addEventListener("click", reclassify);
byId("undo").addEventListener("click", undo);
byId("wider").addEventListener("click", actions.f);
byId("several").addEventListener("click", () => setSeveral(!takesSeveral));
byId("help").addEventListener("click", actions["?"]);
// After a tap the keys are for the cells again: Enter would press the button once more. Keyboards keep their place.
for (const button of document.querySelectorAll(".tools button")) {
  button.addEventListener("click", (event) => { if (event.detail) canvas.focus({ preventScroll: true }); });
}
byId("size").addEventListener("input", () => { arrange(); go(at); });

let isDue = false;
scroller.addEventListener("scroll", () => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    render(true);
  });
}, { passive: true });
new ResizeObserver(() => layout && arrange()).observe(scroller);

const [told, first] = await Promise.all([
  trying(() => ask("GET", `/api/slides/${slide}/cells`)), trying(() => ask("GET", `/api/slides/${slide}`)),
]);
if (first) showSummary(first);
if (told) cells.begin(told);
byId("loading").hidden = cells.all.length > 0;
byId("loading").textContent = t("page.gallery.no-cells");
arrange();
canvas.focus({ preventScroll: true });
setInterval(() => { if (!document.hidden && !isBusy) lookAgain(); }, LOOK_AGAIN_MS);
