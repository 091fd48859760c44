"use strict";
// The report's behaviour. Everything from the results reaches the page as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const CARDS_AT_ONCE = 60;
const AHEAD_PX = 1500;
const STATES = ["occurred", "not", "undecided", "unreadable"];
const STATES_BY_WEIGHT = ["occurred", "undecided", "not", "unreadable"];

const WORDS = {
  en: {
    all: "All", occurred: "Occurred", not: "Did not occur", undecided: "Undecided", unreadable: "Unreadable",
    sort: "Sort by", verdict: "verdict, then confidence", confidence: "confidence", name: "name",
    order: "order of processing", people: "number of persons",
    search: "Search", about: "About this run", table: "results.csv", original: "show the original", open: "open the file",
    shown: (shown, all) => `${shown} of ${all} pictures`, persons: (n) => (n === 1 ? "1 person" : `${n} persons`),
    nobody: "no person found", person: (n) => `Person ${n}`, score: "confidence", joints: (n) => `${n} of 18 joints`,
    seconds: "s", needs: "needs", mustNot: "must not be", noCriteria: "no criteria", missing: "the picture is not beside this page",
    toolbar: "Filter and order", picture: "Picture", previous: "Previous", next: "Next", close: "Close",
    language: "Language", show: "show", without: (name) => `not ${name}`, facts: {},
  },
  zh: {
    all: "全部", occurred: "发生", not: "未发生", undecided: "无法判定", unreadable: "无法读取",
    sort: "排序", verdict: "判定结果与置信度", confidence: "置信度", name: "文件名", order: "处理顺序", people: "人数",
    search: "搜索", about: "本次运行的信息", table: "results.csv", original: "显示原图", open: "打开文件",
    shown: (shown, all) => `显示 ${shown} / ${all} 张图片`, persons: (n) => `${n} 人`,
    nobody: "未检测到人", person: (n) => `第 ${n} 人`, score: "置信度", joints: (n) => `18 个关节中找到 ${n} 个`,
    seconds: "秒", needs: "要求", mustNot: "不应", noCriteria: "无判定准则", missing: "图片不在本页面所在的文件夹中",
    toolbar: "筛选与排序", picture: "图片", previous: "上一张", next: "下一张", close: "关闭", language: "语言", show: "展开",
    without: (name) => `无 ${name}`,
    facts: {
      network: "网络", checkpoint: "模型文件", settings: "参数", pictures: "图片数", ok: "已读取", unreadable: "无法读取",
      persons: "人数", occurred: "发生（人）", not_occurred: "未发生（人）", undecided: "无法判定（人）",
      pictures_occurred: "发生该行为的图片", cards: "卡数", judged_before: "此前已完成", compiles: "编译次数",
      started: "开始时间", seconds: "用时（秒）", read: "读取", fit: "缩放", decode: "解码", judge: "判定", render: "绘制",
      encode: "编码", write: "写入", deliver: "上传", gather: "汇总",
    },
  },
};

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

const words = () => WORDS[ui.language];

/** A sentence of the results: the number of its form, which is listed in both languages, and its numbers. */
function sentence([form, ...numbers]) {
  const parts = data.sentences[form][ui.language === "zh" ? 1 : 0].split("\u0001");
  return parts.reduce((text, part, index) => text + numbers[index - 1] + part);
}

/** "occurred" when it does in anybody; "undecided" when nobody is sure and one cannot be judged. */
function stateOfPerson(person) {
  return person.occurred === true ? "occurred" : person.occurred === false ? "not" : "undecided";
}

/** Each label's condition, from where somebody was judged by it; elsewhere only the threshold is known. */
const conditions = new Map();

for (const [index, picture] of data.pictures.entries()) {
  picture.index = index;
  const states = picture.persons.map(stateOfPerson);
  picture.state = picture.status !== "ok" ? "unreadable"
    : STATES_BY_WEIGHT.find((state) => states.includes(state)) || "not";
  const deciding = picture.persons.filter((person) => stateOfPerson(person) === picture.state);
  picture.confidence = Math.max(-1, ...deciding.map((person) => person.score));
  for (const [label, verdict, , condition] of picture.persons.flatMap((person) => person.criteria)) {
    if (verdict !== -1) conditions.set(label, condition);
  }
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
  byId("shown").textContent = words().shown(shown.length, data.pictures.length);
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
    thumb.append(element("span", "broken", sentence(picture.error) || words().unreadable));
  }
  thumb.append(element("span", "badge", words()[picture.state]));
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
  img.addEventListener("error", () => img.replaceWith(element("span", "broken", words().missing)), { once: true });
  img.src = url;
  return img;
}

function shortFacts(picture) {
  if (picture.state === "unreadable") return "";
  if (picture.persons.length === 0) return words().nobody;
  return `${words().persons(picture.persons.length)} · ${words().score} ${picture.confidence.toFixed(2)}`;
}

// --- the viewer -----------------------------------------------------------------------------------------------------

function view(position) {
  current = position;
  const picture = shown[position];
  byId("name").textContent = picture.file;
  byId("facts").textContent = picture.status === "ok"
    ? `${picture.width} × ${picture.height} · ${picture.seconds.toFixed(2)} ${words().seconds} · ${words()[picture.state]}`
    : `${words().unreadable}: ${sentence(picture.error) || picture.status}`;
  byId("file").href = picture.original;
  document.querySelector(".links").hidden = picture.status !== "ok";
  byId("previous").disabled = position === 0;
  byId("next").disabled = position === shown.length - 1;
  showPicture();
  const byVerdict = picture.persons.map((person, index) => [person, index + 1]).sort(([a], [b]) =>
    STATES_BY_WEIGHT.indexOf(stateOfPerson(a)) - STATES_BY_WEIGHT.indexOf(stateOfPerson(b)));
  const people = byVerdict.map(([person, number]) => personPanel(person, number));
  byId("people").replaceChildren(...(people.length || picture.status !== "ok" ? people : [words().nobody]));
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
    element("h3", "", `${words().person(number)} `, element("em", "", words()[state])),
    element("small", "", `${words().score} ${person.score.toFixed(2)} · ${words().joints(person.joints)}`));
  if (sentence(person.why)) panel.append(element("p", "why", sentence(person.why)));
  panel.dataset.state = state;
  panel.tabIndex = 0;
  for (const event of ["mouseenter", "focus"]) panel.addEventListener(event, () => markPerson(person.box));
  for (const event of ["mouseleave", "blur"]) panel.addEventListener(event, () => markPerson(null));
  panel.append(...(person.criteria.length ? person.criteria.map(criterionRow) : [element("p", "", words().noCriteria)]));
  return panel;
}

/** An objection is shown as the sign that it is when it does not hold. */
function criterionRow([label, verdict, reading, threshold, explanation, objection]) {
  const measured = sentence(reading), text = sentence(explanation);
  const needs = sentence(conditions.get(label) || threshold);
  const sign = objection && verdict !== -1 ? 1 - verdict : verdict;
  const mark = { 1: "✓", 0: "✗" }[sign] || "?";
  const value = element("span", "value", measured === "" ? "– " : `${measured} `);
  value.append(element("small", "", `${objection ? words().mustNot : words().needs} ${needs}`));
  const name = data.labels[label].replaceAll("_", " ");
  const row = element("div", `criterion v${sign}`, element("span", "verdict", mark),
    element("span", "label", objection ? words().without(name) : name), value);
  if (text) row.append(element("p", "", text));
  return row;
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
  byId("language").ariaLabel = words().language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = words()[node.dataset.text];
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = words()[node.dataset.label];
  for (const node of document.querySelectorAll("[data-fact]")) {
    const name = node.dataset.fact;
    node.textContent = words().facts[name] || name.replaceAll("_", " ");
  }
  const orders = Object.keys(ORDERS).map((order) => new Option(words()[order], order, false, order === ui.sort));
  byId("sort").replaceChildren(...orders);
  byId("filters").replaceChildren(...["all", ...STATES].map((state) => {
    const count = data.pictures.filter((picture) => state === "all" || picture.state === state).length;
    const button = element("button", "", words()[state], element("b", "", String(count)));
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
