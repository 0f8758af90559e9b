// What every page needs: words in the reader's language, requests with their proof of origin, short notices.

const language = document.documentElement.lang;
const strings = (await import(`./strings-${language}.js`)).default;

/** The string of a name, its blanks filled in; for n = 1 the one that says so, where there is one. */
export function t(name, values = {}) {
  const text = (values.n === 1 && strings[`${name}-one`]) || strings[name];
  if (text === undefined) throw new Error(`no string ${name}`);
  return text.replace(/\{(\w+)\}/g, (_, blank) => values[blank]);
}

/** Words of the service, which speaks English, in the reader's language; its own where there are none. */
export const serviceWords = (group, code, own) => (language === "en" ? own : strings[`${group}.${code}`] ?? own);

/** The string of a word that the software uses; the word itself where there is none. */
export function oneOf(group, word) {
  return strings[`${group}.${word.toLowerCase().replaceAll(" ", "-")}`] ?? word;
}

export const labelText = (label) => (label === null ? t("page.gallery.no-cell") : oneOf("label", label));

const locale = language === "en" ? "en-GB" : language; // our English is British, and so are its dates
const formats = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
export const decimal = (value, digits = 1) => formats[digits].format(value);
export const wholePercent = (share) => `${Math.floor(100 * share)} %`; // never rounded up to certainty
export const percent = (share) => `${decimal(100 * share)} %`;
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
export const timeText = (iso) => moment.format(new Date(iso));

/** A share with its interval, as "21.0 %" and the words for the interval. */
export function shareWords(share) {
  if (!share) return ["–", t("page.live.no-share")];
  return [percent(share.value), t("page.live.interval", { low: percent(share.ci95[0]), high: percent(share.ci95[1]) })];
}

export const byId = (id) => document.getElementById(id);

/** A new element with text and attributes. */
export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** What the server says no with. */
export class Problem extends Error {
  constructor(status, told) {
    super(serviceWords("problem", told.code, `${told.what} ${told.next}`));
    this.status = status;
    this.code = told.code;
  }
}

/** Ask the server; JSON both ways. Throws Problem. */
export async function ask(method, path, body) {
  const csrf = document.querySelector('meta[name="csrf"]').content;
  const headers = method === "GET" ? {} : { "content-type": "application/json", "x-allscope-csrf": csrf };
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: method === "GET" ? undefined : JSON.stringify(body ?? {}) });
  } catch {
    throw new Problem(0, { code: "unreachable", what: t("page.unreachable"), next: t("page.try-again") });
  }
  const told = answer.status === 204 ? null : await answer.json();
  if (answer.status === 401 && told.code === "not-signed-in") location.assign("/enter");
  if (!answer.ok) throw new Problem(answer.status, told);
  return told;
}

let hiding;
/** Tell something for a few seconds. */
export function notice(text, kind = "plain") {
  const toast = byId("toast");
  toast.textContent = text;
  toast.dataset.kind = kind;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, kind === "bad" ? 9000 : 4000);
}

/** Run what may be refused, and tell the refusal. */
export async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    notice(error.message, "bad");
    return undefined;
  }
}

/** Whether a key press belongs to a field or dialog rather than to the page. */
export function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, dialog, select, textarea") !== null;
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
