"use strict";
// The report's behaviour. Everything from the results reaches the page as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const CARDS_AT_ONCE = 60;
const AHEAD_PX = 1500;
const STATES = ["occurred", "not", "undecided", "unreadable"];
const STATES_BY_WEIGHT = ["occurred", "undecided", "not", "unreadable"];

const byId = (id) => document.getElementById(id);

/** An element with a class and children; strings become text. */
function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

const ui = { language: navigator.language.startsWith("zh") ? "zh" : "en", filter: "all", sort: "verdict", search: "" };
let shown = []; // the pictures that pass filter and search, in order
let drawn = 0; // how many of them have a card
let current = -1; // index in `shown` of the picture in the viewer

/** A text of the page itself; `{name}` in it is filled in. */
function word(id, fill = {}) {
  return data.words[ui.language].report[id].replace(/\{(\w+)\}/g, (_, name) => fill[name]);
}

/** What the table has for this name, or the name itself. */
const named = (kind, name) => data.words[ui.language][kind][name] || name.replaceAll("_", " ");

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

const ORDERS = {
  verdict: (a, b) => STATES_BY_WEIGHT.indexOf(a.state) - STATES_BY_WEIGHT.indexOf(b.state) || ORDERS.confidence(a, b),
  confidence: (a, b) => b.confidence - a.confidence || a.index - b.index,
  name: (a, b) => a.file.localeCompare(b.file, undefined, { numeric: true }) || a.index - b.index,
  order: (a, b) => a.index - b.index,
  people: (a, b) => b.persons.length - a.persons.length || a.index - b.index,
};

// --- the grid -------------------------------------------------------------------------------------------------------

function update() {
  const wanted = ui.search.trim().toLowerCase();
  shown = data.pictures.filter((picture) =>
    (ui.filter === "all" || picture.state === ui.filter) && picture.file.toLowerCase().includes(wanted));
  shown.sort(ORDERS[ui.sort]);
  byId("shown").textContent = word("shown", { shown: shown.length, all: data.pictures.length });
  byId("grid").replaceChildren();
  drawn = 0;
  fillWindow();
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
    thumb.append(image(picture.rendered, thumb));
  } else {
    thumb.append(element("span", "broken", sentence(picture.error) || word("unreadable")));
  }
  thumb.append(element("span", "badge", word(picture.state)));
  const facts = element("small", "", shortFacts(picture));
  const caption = element("span", "caption", element("strong", "", picture.file), facts);
  const button = element("button", "card", thumb, caption);
  button.type = "button";
  button.title = picture.file;
  button.dataset.state = picture.state;
  button.addEventListener("click", () => view(position));
  return button;
}

function image(url, thumb) {
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

// --- the viewer -----------------------------------------------------------------------------------------------------

function view(position) {
  current = position;
  const picture = shown[position];
  byId("name").textContent = picture.file;
  byId("facts").textContent = picture.status === "ok"
    ? `${picture.width} × ${picture.height} · ${picture.seconds.toFixed(2)} ${word("seconds")} · ${word(picture.state)}`
    : `${word("unreadable")}: ${sentence(picture.error) || picture.status}`;
  byId("file").href = picture.original;
  document.querySelector(".links").hidden = picture.status !== "ok";
  byId("previous").disabled = position === 0;
  byId("next").disabled = position === shown.length - 1;
  showPicture();
  const byVerdict = picture.persons.map((person, index) => [person, index + 1]).sort(([a], [b]) =>
    STATES_BY_WEIGHT.indexOf(stateOfPerson(a)) - STATES_BY_WEIGHT.indexOf(stateOfPerson(b)));
  const people = byVerdict.map(([person, number]) => personPanel(person, number));
  byId("people").replaceChildren(...(people.length || picture.status !== "ok" ? people : [word("nobody")]));
  document.querySelector("aside").scrollTop = 0;
  if (!byId("viewer").open) byId("viewer").showModal();
  byId("viewer").focus(); // a button that was just disabled would swallow the arrow keys
}

function showPicture() {
  const picture = shown[current];
  const frame = document.querySelector(".frame");
  frame.hidden = picture.status !== "ok"; // what cannot be read is not copied beside the page
  byId("box").hidden = true;
  if (frame.hidden) return;
  if (picture.width && picture.height) {
    frame.style.setProperty("--ratio", picture.width / picture.height);
    frame.style.setProperty("--own-width", picture.width);
  }
  byId("picture").alt = picture.file;
  byId("picture").src = byId("original").checked ? picture.original : picture.rendered;
}

function personPanel(person, number) {
  const state = stateOfPerson(person);
  const panel = element("section", "person",
    element("h3", "", `${word("person", { number })} `, element("em", "", word(state))),
    element("small", "", `${word("confidence")} ${person.score.toFixed(2)} · ${word("joints", { count: person.joints })}`));
  if (person.why) panel.append(element("p", "why", sentence(person.why)));
  panel.dataset.state = state;
  panel.tabIndex = 0;
  for (const event of ["mouseenter", "focus"]) panel.addEventListener(event, () => markPerson(person.box));
  for (const event of ["mouseleave", "blur"]) panel.addEventListener(event, () => markPerson(null));
  panel.append(...(person.criteria.length ? person.criteria.map(criterionRow) : [element("p", "", word("noCriteria"))]));
  return panel;
}

/** An objection is shown as the sign that it is when it does not hold. */
function criterionRow([sign, reading], index) {
  const { names, hints, needs, objection } = data.signs[index];
  const name = names[ui.language];
  const label = element("span", "label", objection ? word("without", { name }) : name);
  label.title = hints[ui.language];
  const needed = element("small", "value", `${word(objection ? "mustNot" : "needs")} ${sentence(needs)}`);
  return element("div", `criterion v${sign}`, element("span", "verdict", { 1: "✓", 0: "✗" }[sign] || "?"),
    label, needed, element("p", "", sentence(reading)));
}

/** Frame a person in the picture; `box` is left, top, width, height as shares of the picture. */
function markPerson(box) {
  const frame = byId("box");
  frame.hidden = !box;
  if (!box) return;
  for (const [index, side] of ["left", "top", "width", "height"].entries()) frame.style[side] = `${box[index] * 100}%`;
}

function step(by) {
  if (current + by >= 0 && current + by < shown.length) view(current + by);
}

// --- words and controls ---------------------------------------------------------------------------------------------

function speak() {
  document.documentElement.lang = ui.language;
  byId("language").textContent = ui.language === "zh" ? "English" : "中文";
  byId("language").ariaLabel = word("language");
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = word(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = word(node.dataset.label);
  for (const node of document.querySelectorAll("[data-fact]")) {
    node.textContent = named("fact", node.dataset.fact);
  }
  for (const node of document.querySelectorAll("[data-setting]")) {
    node.textContent = data.words[ui.language].setting_name[node.dataset.setting] || node.dataset.setting;
    node.title = node.dataset.setting;
  }
  for (const node of document.querySelectorAll("[data-stage]")) node.textContent = named("stage", node.dataset.stage);
  const orders = Object.keys(ORDERS).map((order) => new Option(word(order), order, false, order === ui.sort));
  byId("sort").replaceChildren(...orders);
  byId("filters").replaceChildren(...["all", ...STATES].map((state) => {
    const count = data.pictures.filter((picture) => state === "all" || picture.state === state).length;
    const button = element("button", "", word(state), element("b", "", String(count)));
    button.type = "button";
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(ui.filter === state));
    button.addEventListener("click", () => { ui.filter = state; speak(); });
    return button;
  }));
  update();
}

byId("language").addEventListener("click", () => { ui.language = ui.language === "zh" ? "en" : "zh"; speak(); });
byId("sort").addEventListener("change", (event) => { ui.sort = event.target.value; update(); });
byId("search").addEventListener("input", (event) => { ui.search = event.target.value; update(); });
byId("original").addEventListener("change", showPicture);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("close").addEventListener("click", () => byId("viewer").close());
byId("viewer").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
byId("viewer").addEventListener("close", () => byId("grid").children[current]?.focus());
new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) fillWindow(); },
  { rootMargin: `${AHEAD_PX}px` }).observe(byId("more"));
speak();
