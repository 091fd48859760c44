"use strict";
// The report's behaviour. Everything from the results reaches the page as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const CARDS_AT_ONCE = 60;
const AHEAD_PX = 1500;
const STATES = ["occurred", "not", "undecided", "unreadable"];
const OUTCOMES = ["false_alarm", "missed", "hit", "rejected"]; // where pictures have labels to be compared with
const STATES_BY_WEIGHT = ["occurred", "undecided", "not", "unreadable"];

const byId = (id) => document.getElementById(id);

/** An element with a class and children; strings become text. */
function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** What this browser remembers of this page and of all reports; nothing where it does not keep such things. */
const memory = {
  get(key) { try { return localStorage.getItem(`openpose-report ${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`openpose-report ${key}`, value); } catch { /* kept for this visit only */ } },
};
const ui = {
  language: memory.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en"),
  filter: data.filter || "all", sort: "verdict", search: "",
};
const HERE = `${location.pathname} ${data.started}`;
/** What somebody knows better: "file number" of a person → whether the action does occur. */
const marks = new Map(Object.entries(JSON.parse(memory.get(`marks ${HERE}`) || "{}")));
let shown = []; // the pictures that pass filter and search, in order
let drawn = 0; // how many of them have a card
let current = -1; // index in `shown` of the picture in the viewer

/** A text of the page itself; `{name}` in it is filled in. */
function word(id, fill = {}) {
  return data.words[ui.language].report[id].replace(/\{(\w+)\}/g, (_, name) => fill[name]);
}

/** What the table has for this name, or the name itself. */
const named = (kind, name) => data.words[ui.language][kind][name] || name.replaceAll("_", " ");

/** The action's name in the chosen language, in any other that it has, or as it is declared. */
const actionName = () => data.display[ui.language] || Object.values(data.display)[0] || data.action;

/** A message: the number of its entry in `data.messages`, and its arguments: texts, messages, lists of messages. */
function sentence([entry, ...values]) {
  const language = ui.language === "zh" ? 1 : 0;
  const shown = (value) => typeof value === "string" ? value
    : typeof value[0] === "number" ? sentence(value) : value.map(sentence).join(data.separators[language]);
  return data.messages[entry][language].replace(/\{(\d+)\}/g, (_, index) => shown(values[index]));
}

/** "occurred" when it does in anybody; "undecided" when nobody is sure and one cannot be judged. */
function stateOfPerson(person) {
  return person.occurred === true ? "occurred" : person.occurred === false ? "not" : "undecided";
}

for (const [index, picture] of data.pictures.entries()) {
  picture.index = index;
  const states = picture.persons.map(stateOfPerson);
  picture.state = picture.status !== "ok" ? "unreadable"
    : STATES_BY_WEIGHT.find((state) => states.includes(state)) || "not";
  const deciding = picture.persons.filter((person) => stateOfPerson(person) === picture.state);
  picture.confidence = Math.max(-1, ...deciding.map((person) => person.score));
}

const collator = new Intl.Collator(undefined, { numeric: true });
for (const [rank, picture] of [...data.pictures].sort((a, b) => collator.compare(a.file, b.file) || a.index - b.index)
  .entries()) {
  picture.rank = rank;
}

const ORDERS = {
  verdict: (a, b) => STATES_BY_WEIGHT.indexOf(a.state) - STATES_BY_WEIGHT.indexOf(b.state) || ORDERS.confidence(a, b),
  confidence: (a, b) => b.confidence - a.confidence || a.index - b.index,
  name: (a, b) => a.rank - b.rank,
  order: (a, b) => a.index - b.index,
  people: (a, b) => b.persons.length - a.persons.length || a.index - b.index,
};

// --- the grid -------------------------------------------------------------------------------------------------------

function update() {
  const wanted = ui.search.trim().toLowerCase();
  shown = data.pictures.filter((picture) =>
    inFilter(picture, ui.filter) && picture.file.toLowerCase().includes(wanted));
  shown.sort(ORDERS[ui.sort]);
  byId("shown").textContent = word("shown", { shown: shown.length, all: data.pictures.length });
  byId("grid").replaceChildren();
  drawn = 0;
  fillWindow();
}

function inFilter(picture, filter) {
  return filter === "all" || picture.state === filter || picture.outcome === filter ||
    (filter === "misjudged" && ["false_alarm", "missed"].includes(picture.outcome));
}

function drawMore() {
  const next = shown.slice(drawn, drawn + CARDS_AT_ONCE);
  byId("grid").append(...next.map((picture, offset) => card(picture, drawn + offset)));
  drawn += next.length;
}

/** Add cards until the page reaches well below the window; the observer below only tells of changes. */
function fillWindow() {
  while (drawn < shown.length && byId("more").getBoundingClientRect().top < window.innerHeight + AHEAD_PX) drawMore();
}

function card(picture, position) {
  const thumb = element("span", "thumb");
  if (picture.rendered) {
    thumb.append(image(picture.thumbnail || picture.rendered));
  } else {
    thumb.append(element("span", "broken", sentence(picture.error) || word("unreadable")));
  }
  thumb.append(element("span", "badge", picture.outcome ? word(picture.outcome) : word(picture.state)));
  const facts = element("small", "", shortFacts(picture));
  const caption = element("span", "caption", element("strong", "", picture.file), facts);
  const button = element("button", "card", thumb, caption);
  button.type = "button";
  button.title = picture.file;
  button.dataset.state = picture.state;
  button.addEventListener("click", () => view(position));
  return button;
}

function image(url) {
  const img = element("img");
  img.loading = "lazy";
  img.decoding = "async";
  img.alt = "";
  img.addEventListener("error", () => img.replaceWith(element("span", "broken", word("missing"))), { once: true });
  img.src = url;
  return img;
}

function shortFacts(picture) {
  if (picture.state === "unreadable") return "";
  if (picture.persons.length === 0) return word("nobody");
  return `${word(picture.persons.length === 1 ? "one_person" : "persons", { count: picture.persons.length })} · ${word("confidence")} ${picture.confidence.toFixed(2)}`;
}
