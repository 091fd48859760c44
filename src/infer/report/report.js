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

// --- the viewer -----------------------------------------------------------------------------------------------------

function view(position) {
  current = position;
  const picture = shown[position];
  byId("name").textContent = picture.file;
  byId("facts").textContent = picture.status === "ok"
    ? `${picture.width} × ${picture.height} · ${picture.seconds.toFixed(2)} ${word("seconds")} · ${word(picture.state)}`
    : `${word("unreadable")}: ${sentence(picture.error) || picture.status}`;
  byId("file").href = picture.original;
  byId("link").href = `#${encodeURIComponent(picture.file)}`;
  history.replaceState(null, "", byId("link").href);
  document.querySelector(".links").hidden = picture.status !== "ok";
  byId("previous").disabled = position === 0;
  byId("next").disabled = position === shown.length - 1;
  showPicture();
  const byVerdict = picture.persons.map((person, index) => [person, index + 1]).sort(([a], [b]) =>
    STATES_BY_WEIGHT.indexOf(stateOfPerson(a)) - STATES_BY_WEIGHT.indexOf(stateOfPerson(b)));
  const people = byVerdict.map(([person, number]) => personPanel(person, number));
  if (!people.length && picture.status === "ok") people.push(word("nobody"));
  if (picture.ignored) people.push(element("p", "ignored", word("ignored", { count: picture.ignored })));
  byId("people").replaceChildren(...people);
  document.querySelector("aside").scrollTop = 0;
  if (!byId("viewer").open) byId("viewer").showModal();
  scene.show();
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
  panel.append(markButtons(number, panel));
  panel.append(...(person.criteria.length ? person.criteria.map(criterionRow) : [element("p", "", word("noCriteria"))]));
  return panel;
}

// --- marks: what the reader knows better, as a labels file -------------------------------------------------------------

const markKey = (picture, number) => `${number} ${picture.file}`;

function markButtons(number) {
  const picture = shown[current];
  const row = element("div", "marks", element("small", "", word("wrong")));
  for (const truth of [true, false]) {
    const button = element("button", "", word(truth ? "is" : "isNot"));
    button.type = "button";
    const key = markKey(picture, number);
    button.setAttribute("aria-pressed", String(marks.get(key) === truth));
    button.addEventListener("click", () => {
      if (marks.get(key) === truth) marks.delete(key); else marks.set(key, truth);
      memory.set(`marks ${HERE}`, JSON.stringify(Object.fromEntries(marks)));
      for (const [other, its] of [...row.querySelectorAll("button")].entries()) {
        its.setAttribute("aria-pressed", String(marks.get(key) === (other === 0)));
      }
      showMarks();
    });
    row.append(button);
  }
  return row;
}

function showMarks() {
  byId("marks").hidden = marks.size === 0;
  byId("marks").textContent = word("download_marks", { count: marks.size });
}

/** Marked persons with their true label; others of the same pictures with their verdict, "unclear" where undecided. */
function labelsFile() {
  const labels = {};
  for (const picture of data.pictures) {
    const truths = picture.persons.map((_, index) => marks.get(markKey(picture, index + 1)));
    if (truths.every((truth) => truth === undefined)) continue;
    const persons = picture.persons.flatMap((person, index) => {
      if (!person.px) return [];
      const truth = truths[index] ?? person.occurred;
      return [{ box: person.px, label: truth === null ? "unclear" : truth ? data.action : "none" }];
    });
    labels[picture.file] = { width: picture.width, height: picture.height, persons };
  }
  return labels;
}

/** Have the browser save a text as a file. */
function download(name, text, type) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** An objection is shown as the sign that it is when it does not hold. */
function criterionRow([sign, reading], index) {
  const { names, hints, needs, objection, gives_points: givesPoints } = data.signs[index];
  const name = names[ui.language];
  const label = element("span", "label", objection ? word("without", { name }) : name);
  label.title = hints[ui.language];
  const needed = element("small", "value");
  if (givesPoints) label.title += `\n${word("points")}: ${sentence(needs)}`; // long, and the sentence says what it gave
  else needed.textContent = `${word(objection ? "mustNot" : "needs")} ${sentence(needs)}`;
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

// --- the scene: lines drawn on the picture, as a scene declaration -----------------------------------------------------

const scene = {
  kind: "", // "fence" or "ground" while points are being set
  lines: { fence: [], ground: [] }, // [x, y] as shares of the picture

  show() {
    const picture = shown[current];
    byId("scene").hidden = picture.status !== "ok";
    const drawing = byId("lines");
    drawing.replaceChildren();
    for (const [kind, points] of Object.entries(this.lines)) {
      const line = document.createElementNS(drawing.namespaceURI, "polyline");
      line.setAttribute("class", kind);
      line.setAttribute("points", points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" "));
      drawing.append(line);
      for (const [x, y] of points) {
        const dot = document.createElementNS(drawing.namespaceURI, "ellipse");
        dot.setAttribute("class", kind);
        const ratio = picture.width / picture.height || 1;
        for (const [name, value] of Object.entries({ cx: x * 1000, cy: y * 1000, rx: 6, ry: 6 * ratio })) {
          dot.setAttribute(name, value);
        }
        drawing.append(dot);
      }
    }
    document.querySelector(".frame").classList.toggle("drawing", this.kind !== "");
    for (const button of document.querySelectorAll("#scene [data-line]")) {
      button.setAttribute("aria-pressed", String(button.dataset.line === this.kind));
    }
    byId("scene_download").disabled = Object.values(this.lines).every((points) => points.length < 2);
  },

  click(event) {
    if (!this.kind) return;
    const frame = event.currentTarget.getBoundingClientRect();
    const share = (value, start, size) => Math.round(Math.min(Math.max((value - start) / size, 0), 1) * 10000) / 10000;
    this.lines[this.kind].push([share(event.clientX, frame.left, frame.width), share(event.clientY, frame.top, frame.height)]);
    this.show();
  },

  /** The declaration for all pictures of this one's folder, or size; see docs/actions.md. */
  yaml() {
    const picture = shown[current];
    const folder = picture.file.includes("/")
      ? `${picture.file.slice(0, picture.file.lastIndexOf("/")).replace(/[[*?]/g, "[$&]")}/*` : "*";
    const points = (list) => `[${list.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`;
    const lines = Object.entries(this.lines).filter(([, list]) => list.length > 1)
      .map(([kind, list]) => `    ${kind}: ${points(list)}\n`);
    return `# Drawn on ${JSON.stringify(picture.file)}; x and y are shares of the picture's width and height.\n` +
      `scenes:\n  - pictures: ${JSON.stringify(folder)}\n${lines.join("")}`;
  },
};

for (const button of document.querySelectorAll("#scene [data-line]")) {
  button.addEventListener("click", () => {
    scene.kind = scene.kind === button.dataset.line ? "" : button.dataset.line;
    scene.show();
  });
}
document.querySelector(".frame").addEventListener("click", (event) => scene.click(event));
byId("scene_undo").addEventListener("click", () => { scene.lines[scene.kind || "fence"].pop(); scene.show(); });
byId("scene_download").addEventListener("click", () => download("scene.yaml", scene.yaml(), "application/yaml"));

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
  for (const node of document.querySelectorAll("time")) {
    node.textContent = new Date(node.dateTime).toLocaleString(ui.language === "zh" ? "zh-CN" : "en-GB");
  }
  for (const node of document.querySelectorAll("[data-stage]")) node.textContent = named("stage", node.dataset.stage);
  const orders = Object.keys(ORDERS).map((order) => new Option(word(order), order, false, order === ui.sort));
  byId("sort").replaceChildren(...orders);
  const compared = data.pictures.some((picture) => picture.outcome);
  const filters = compared
    ? ["misjudged", ...OUTCOMES].filter((one) => data.pictures.some((picture) => inFilter(picture, one)))
    : ["all", ...STATES];
  byId("filters").replaceChildren(...filters.map((state) => {
    const count = data.pictures.filter((picture) => inFilter(picture, state)).length;
    const button = element("button", "", word(state), element("b", "", String(count)));
    button.type = "button";
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(ui.filter === state));
    button.addEventListener("click", () => { ui.filter = state; speak(); });
    return button;
  }));
  showMarks();
  update();
}

/** Open the picture that the address names, which somebody may have sent. */
function openLinked() {
  const file = decodeURIComponent(location.hash.slice(1));
  if (!file || shown[current]?.file === file) return;
  let position = shown.findIndex((picture) => picture.file === file);
  if (position < 0 && data.pictures.some((picture) => picture.file === file)) {
    Object.assign(ui, { filter: "all", search: "" });
    byId("search").value = "";
    speak();
    position = shown.findIndex((picture) => picture.file === file);
  }
  if (position >= 0) view(position);
}

byId("language").addEventListener("click", () => {
  ui.language = ui.language === "zh" ? "en" : "zh";
  memory.set("language", ui.language);
  speak();
});
byId("marks").addEventListener("click", () =>
  download("labels.json", `${JSON.stringify(labelsFile(), null, 1)}\n`, "application/json"));
window.addEventListener("hashchange", openLinked);
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
byId("viewer").addEventListener("close", () => {
  byId("grid").children[current]?.focus();
  current = -1;
  scene.kind = "";
  history.replaceState(null, "", location.pathname + location.search);
});
new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) fillWindow(); },
  { rootMargin: `${AHEAD_PX}px` }).observe(byId("more"));
speak();
openLinked();
