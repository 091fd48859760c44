// Words and controls.

function speak() {
  document.documentElement.lang = ui.language;
  document.title = document.querySelector("h1").textContent = actionName();
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
byId("link").addEventListener("click", copyLink);
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
