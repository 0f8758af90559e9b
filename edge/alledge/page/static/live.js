// The live page: the field as it comes, the verdict in words, the differential as it grows, and the buttons.
import "./frame.js";
import { ask, byId, decimal, element, isTyping, labelText, notice, oneOf, percent, serviceWords, shareWords, t, trying } from "./common.js";
import { drawField } from "./field.js";
import { parts } from "./stream.js";

const MOST_FOCUS = 4; // 1 / blur in µm; the best objectives give about 3
const LEAST_FOCUS = 1 / 1.05; // docs/quality.md: the softest edge that can be judged
const BEST_LASTS_MS = 15000;
const AGAIN_MS = 1500;
const STALE_MS = 12000; // the slowest camera that can be set gives a picture every 10 s
const STATE_GLYPHS = { running: "▶", paused: "❚❚", troubled: "!", stopping: "■", unreachable: "!", starting: "…", finished: "■", "between-slides": "■" };
const VERDICT_GLYPHS = {
  ok: "✓", "out of focus": "◎", "too dark": "☾", saturated: "☀", "no smear": "↔", "not a smear": "✕",
  "cells overlap too much": "⇶", "stain unlike training": "✕", "illumination changed": "☀", "calibration does not fit": "✕",
};

let status = {};
let shown = null;
let showsBoxes = true;
let best = { focus: 0, at: 0 };

const set = (id, text) => { if (byId(id).textContent !== text) byId(id).textContent = text; };

async function showField(told, jpeg) {
  const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  shown?.picture.close();
  shown = { picture, told, since: performance.now() - told.age_ms };
  draw();
  byId("field").dataset.ageMs = Math.round(Date.now() - told.shown_unix_ms);
  byId("field").dataset.sequence = told.sequence;
  if (isStale()) return showStale();
  byId("no-picture").hidden = true;
  showVerdict(told);
  showFocus(told.focus ?? null);
}

const isStale = () => shown !== null && performance.now() - shown.since > STALE_MS;

/** An old picture must not be taken for what lies under the objective now. */
function showStale() {
  const seconds = Math.round((performance.now() - shown.since) / 1000);
  const age = seconds < 100 ? t("page.live.stale", { seconds }) : t("page.live.stale-minutes", { n: Math.floor(seconds / 60) });
  const isOver = status.state === "finished" || (status.troubles ?? []).some((trouble) => trouble.code === "images-skipped");
  set("no-picture", isOver ? t("page.live.last-image") : age);
  byId("no-picture").hidden = false;
  showVerdict({ cells: [] });
  showFocus(null);
}

function draw() {
  if (!shown) return;
  const canvas = byId("field");
  drawField(canvas, shown.picture, shown.told, status.positive_labels ?? [], showsBoxes);
}

function showVerdict(told) {
  const verdict = told.verdict;
  const kind = verdict === undefined ? "wait" : verdict === "ok" ? "good" : "bad";
  const n = (told.cells ?? []).length;
  byId("verdict").dataset.kind = kind;
  set("verdict-glyph", verdict === undefined ? "…" : VERDICT_GLYPHS[verdict] ?? "✕");
  set("verdict-word", verdict === undefined ? t("page.live.not-judged") : oneOf("verdict", verdict));
  set("verdict-advice", verdict === undefined ? oneOf("frame", told.state ?? "") : oneOf("advice", verdict));
  byId("field").setAttribute("aria-label", t("page.live.field-told", { n, verdict: byId("verdict-word").textContent }));
}

function showFocus(focus) {
  const now = Date.now();
  if (focus !== null && (focus >= best.focus || now - best.at > BEST_LASTS_MS)) best = { focus, at: now };
  const width = (value) => `${100 * Math.min(1, value / MOST_FOCUS)}%`;
  byId("focus-fill").style.width = width(focus ?? 0);
  byId("focus-least").style.left = width(LEAST_FOCUS);
  byId("focus-best").style.left = width(best.focus);
  byId("focus-best").hidden = focus === null;
  byId("focus-meter").setAttribute("aria-valuenow", (focus ?? 0).toFixed(1));
  set("focus-value", focus === null ? "–" : decimal(focus));
}

function showStatus(told) {
  status = told;
  const state = told.state ?? "starting";
  byId("state").dataset.state = ["unreachable", "troubled"].includes(state) ? "bad" : state;
  set("state-glyph", STATE_GLYPHS[state] ?? "…");
  set("state-word", t(`page.live.state.${state}`));
  const reachable = state !== "unreachable";
  const isBetween = state === "between-slides";
  byId("new-slide").disabled = !reachable;
  for (const id of ["pause", "snap", "end-slide"]) byId(id).disabled = !reachable || isBetween;
  byId("pause").classList.toggle("primary", !isBetween);
  byId("new-slide").classList.toggle("primary", isBetween);
  set("pause", t(state === "paused" ? "page.live.start" : "page.live.pause"));
  if (told.slide) showSlide(told.slide);
  byId("phantom").hidden = !told.is_phantom;
  if (isStale()) showStale();
  showTroubles(reachable ? told.troubles ?? [] : [{ code: "", what: t("page.live.no-service"), next: t("page.live.no-service-next") }]);
  draw();
}

function showSlide(slide) {
  set("slide-name", slide.identifier);
  byId("slide-name").title = slide.identifier;
  const called = slide.cells - slide.review;
  const [share, words] = shareWords(slide.positive_share);
  set("share", share);
  set("share-words", slide.positive_share ? t("page.live.share-of", { interval: words, n: called }) : words);
  const progress = Math.min(100, Math.round(100 * called / slide.target));
  byId("progress").setAttribute("aria-valuenow", progress);
  byId("progress-fill").style.width = `${progress}%`;
  set("missing", missingWords(called, slide));
  const rows = Object.entries(slide.counts).map(([label, n]) => countRow(label, n, called));
  if (slide.review) rows.push(countRow(null, slide.review, 0));
  byId("counts").replaceChildren(...rows);
  byId("to-gallery").hidden = !slide.number;
  if (slide.number) byId("to-gallery").firstElementChild.href = `/slides/${slide.number}`;
}

function missingWords(called, slide) {
  const more = slide.target - called;
  const first = more > 0 ? t("page.live.more", { n: more, target: slide.target }) : t("page.live.enough", { target: slide.target });
  return slide.review ? `${first} ${t("page.live.to-look-at", { n: slide.review })}` : first;
}

function countRow(label, n, called) {
  const isFinding = (status.positive_labels ?? []).includes(label);
  const [mark, kind] = label === null ? ["?", "wait"] : isFinding ? ["▲", "finding"] : ["●", "other"];
  const name = label === null ? t("page.live.waiting-cells") : labelText(label);
  return element("tr", {},
    element("th", { scope: "row" }, element("span", { class: `mark ${kind}`, "aria-hidden": "true", text: mark }), ` ${name}`),
    element("td", { class: "number", text: n }),
    element("td", { class: "number", text: called ? percent(n / called).replace(" %", "") : "–" }));
}

let toldTroubles = "";
function showTroubles(troubles) {
  byId("troubles-card").hidden = troubles.length === 0;
  const key = JSON.stringify(troubles.map((trouble) => trouble.code + trouble.what));
  if (key === toldTroubles) return;
  toldTroubles = key;
  byId("troubles").replaceChildren(...troubles.map((trouble) => {
    const field = trouble.code.startsWith("field-") ? trouble.code.slice(6) : null;
    const what = field ? oneOf("verdict", field) : serviceWords("trouble", trouble.code, trouble.what);
    return element("li", {}, element("strong", { text: what }), ` ${field ? oneOf("advice", field) : serviceWords("trouble-next", trouble.code, trouble.next)}`);
  }));
}

async function order(name, slide = "") {
  const done = await trying(() => ask("POST", "/api/orders", { order: name, slide }));
  if (done && name === "new-slide") notice(t("page.live.begun", { slide }));
  if (done && name === "end-slide") notice(t("page.live.ended", { slide: status.slide?.identifier ?? "" }));
  if (done && name === "snap") notice(t("page.live.snapped"));
}

function askForSlide() {
  byId("slide-id").value = "";
  byId("slide-dialog").showModal();
  byId("slide-id").focus();
}

function askToEnd() {
  set("end-dialog-title", t("page.live.end-slide-sure", { slide: status.slide?.identifier ?? "" }));
  byId("end-dialog").showModal();
}

byId("pause").addEventListener("click", () => order(status.state === "paused" ? "resume" : "pause"));
byId("snap").addEventListener("click", () => order("snap"));
byId("new-slide").addEventListener("click", askForSlide);
byId("end-slide").addEventListener("click", askToEnd);
byId("end-form").addEventListener("submit", () => order("end-slide"));
byId("slide-form").addEventListener("submit", () => order("new-slide", byId("slide-id").value.trim()));
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.target.closest("button, a")) return;
  const actions = {
    " ": () => byId("pause").click(),
    s: () => byId("snap").click(),
    n: () => byId("new-slide").click(),
    e: () => byId("end-slide").click(),
    b: () => { showsBoxes = !showsBoxes; draw(); },
  };
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});
addEventListener("resize", draw);

// A page that nobody sees takes no pictures.
let watching = null;
async function watch() {
  while (!document.hidden) {
    watching = new AbortController();
    try {
      for await (const { kind, told, picture } of parts(watching.signal)) {
        if (kind === "S") showStatus(told);
        else await showField(told, picture);
      }
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof TypeError) && !String(error).includes("live view")) throw error;
    }
    if (document.hidden) return;
    showStatus({ state: "unreachable" });
    await new Promise((go) => { setTimeout(go, AGAIN_MS); });
  }
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) watching?.abort();
  else watch();
});
watch();
