"use strict";
(() => {
  const run = JSON.parse(document.getElementById("data").textContent);
  const stored = (() => { try { return localStorage.getItem("language"); } catch { return null; } })();
  let language = stored || (navigator.language.startsWith("zh") ? "zh" : "en");

  const word = (key, values = {}) =>
    (run.words[language][key] ?? run.words.en[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const drawn = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const number = (value) => (value === 0 ? "0" : Math.abs(value) < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3)));

  const WIDTH = 480, HEIGHT = 230, LEFT = 48, RIGHT = 12, TOP = 8, BOTTOM = 24;

  function ticks(low, high, count) {
    const rough = (high - low) / count || 1, size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * size).find((each) => each >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(+at.toPrecision(12));
    return found;
  }

  function logTicks(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
      for (const factor of high / low > 300 ? [1] : [1, 2, 5]) found.push(factor * 10 ** power);
    const within = found.filter((at) => at >= low * 0.999 && at <= high * 1.001);
    return within.length > 1 ? within : ticks(low, high, 3);
  }

  function scales(series, options) {
    const values = series.flatMap((each) => each.y).filter((y) => y !== null && (!options.log || y > 0));
    let low = options.log ? Math.min(...values) : 0, high = Math.max(...values, options.high ?? 0);
    if (!(high > low)) high = low + (options.log ? low : 1);
    const end = Math.max(run.step, ...series.flatMap((each) => each.x), 1);
    const along = options.log ? (y) => Math.log(y / low) / Math.log(high / low) : (y) => (y - low) / (high - low);
    return {
      x: (x) => LEFT + (x / end) * (WIDTH - LEFT - RIGHT),
      y: (y) => HEIGHT - BOTTOM - Math.min(Math.max(along(y), 0), 1) * (HEIGHT - TOP - BOTTOM),
      step: (px) => ((px - LEFT) / (WIDTH - LEFT - RIGHT)) * end,
      xTicks: ticks(0, end, 5).filter(Number.isInteger),
      yTicks: options.log ? logTicks(low, high) : ticks(low, high, 4),
    };
  }

  function axes(svg, scale) {
    for (const at of scale.yTicks) {
      svg.append(drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: scale.y(at), y2: scale.y(at) }));
      svg.append(drawn("text", { x: LEFT - 5, y: scale.y(at) + 4, "text-anchor": "end" }, number(at)));
    }
    for (const at of scale.xTicks)
      svg.append(drawn("text", { x: scale.x(at), y: HEIGHT - 7, "text-anchor": "middle" }, at));
  }

  function curve(svg, scale, each, log) {
    const points = each.x.map((x, i) => [x, each.y[i]]).filter(([, y]) => y !== null && (!log || y > 0));
    const path = points.map(([x, y]) => `${scale.x(x).toFixed(1)},${scale.y(y).toFixed(1)}`).join(" ");
    const style = { fill: "none", stroke: `var(--${each.colour})`, "stroke-width": each.thin ? 0.8 : 1.8, opacity: each.thin ? 0.4 : 1 };
    svg.append(drawn("polyline", { points: path, ...style }));
    if (each.dots || points.length === 1)
      for (const [x, y] of points) svg.append(drawn("circle", { cx: scale.x(x), cy: scale.y(y), r: 3, fill: `var(--${each.colour})` }));
  }

  function nearest(each, step) {
    let found = null;
    each.x.forEach((x, i) => { if (each.y[i] !== null && (found === null || Math.abs(x - step) < Math.abs(each.x[found] - step))) found = i; });
    return found;
  }

  function chart(title, note, allSeries, options = {}) {
    const series = allSeries.filter((each) => each.y.some((y) => y !== null));
    if (!series.length) return "";
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
    const scale = scales(series, options), readout = element("p", {}, note);
    axes(svg, scale);
    series.forEach((each) => curve(svg, scale, each, options.log));
    const cross = drawn("line", { class: "hover", y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9 });
    svg.append(cross);
    svg.addEventListener("pointermove", (event) => {
      const step = scale.step(((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * WIDTH);
      const at = series[0].x[nearest(series[0], step)];
      cross.setAttribute("x1", scale.x(at)); cross.setAttribute("x2", scale.x(at));
      const shown = series.map((each) => { const i = nearest(each, at); return `${each.label} ${number(each.y[i])}`; });
      readout.textContent = `${word("step")} ${at}: ${shown.join(" · ")}`;
    });
    svg.addEventListener("pointerleave", () => { cross.setAttribute("x1", -9); cross.setAttribute("x2", -9); readout.textContent = note; });
    const legend = element("div", { class: "legend" }, ...series.map((each) =>
      element("span", {}, element("i", { style: `background: var(--${each.colour}); opacity: ${each.thin ? 0.4 : 1}` }), each.label)));
    return element("div", { class: "chart" }, element("h3", {}, title), readout, svg, legend);
  }

  function charts() {
    const { series, validations } = run, x = series.step, at = validations.map((each) => each.step);
    const of = (name) => validations.map((each) => each[name]);
    const line = (y, colour, label, more = {}) => ({ x, y, colour, label, ...more });
    const dots = (name, colour, label) => ({ x: at, y: of(name), colour, label, dots: true });
    return [
      chart(word("loss"), "", [line(series.loss, "blue", word("loss_raw"), { thin: true }),
        line(series.smoothed, "blue", word("loss_smoothed")), dots("loss", "red", word("loss_validation"))], { log: true }),
      chart(word("share"), word("share_note"), [line(series.share, "grey", word("loss_smoothed")),
        dots("share", "red", word("loss_validation"))], { high: 1 }),
      chart(word("accuracy"), "", [dots("ap", "green", word("ap")), dots("pck", "purple", word("pck"))]),
      chart(word("lr"), "", [line(series.lr, "orange", word("lr"))]),
      chart(word("waiting"), "", [line(series.waiting, "blue", word("waiting"))], { high: 0.1 }),
    ];
  }

  const moment = (step) => (step === 0 ? word("before") : word("at_step", { step }));

  function pictures() {
    if (!run.pictures.length) return [element("p", { class: "note" }, word("no_pictures"))];
    return run.pictures.map((each) => element("div", { class: "pair" }, element("strong", {}, each.name),
      ...each.sources.slice(0, each.steps[0] === each.steps[1] ? 1 : 2).map((source, i) => element("figure", {}, element("img", { src: source, alt: each.name }),
        element("figcaption", {}, `${moment(each.steps[i])} · ${word("found", { count: each.counts[i] })}`)))));
  }

  function table(head, rows) {
    const cells = (kind, row) => row.map((cell) => element(kind, {}, cell));
    return element("div", { class: "scroll" }, element("table", head ? { class: "columns" } : {},
      ...(head ? [element("thead", {}, element("tr", {}, ...cells("th", head)))] : []),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...(head ? cells("td", row) :
        [element("th", { scope: "row" }, row[0]), element("td", {}, row[1])]))))));
  }

  function checkpoints() {
    if (!run.checkpoints.length) return element("p", { class: "note" }, word("no_checkpoints"));
    const shown = (each, name) => (each.validation ? number(each.validation[name]) : "–");
    return table([word("checkpoint"), word("step"), word("loss"), word("val_loss"), "AP", "PCK@0.2", ""],
      run.checkpoints.map((each) => [each.name, each.step, number(each.loss), shown(each, "loss"), shown(each, "ap"),
        shown(each, "pck"), each.best ? element("span", { class: "badge" }, word("best")) : ""]));
  }

  function dataSummary() {
    const data = run.data;
    if (data.pictures === undefined) return "";
    const joint = (name) => run.jointNames[language][name] ?? name;
    const listed = (items) => items.join(language === "zh" ? "、" : ", ");
    return table(null, [
      [word("data_pictures"), String(data.pictures)],
      ...(data.sets || []).map((each, at) => [word("data_set", { number: at + 1 }), word("data_set_used", each)]),
      [word("data_people"), String(data.people)],
      [word("data_excluded"), listed(Object.entries(data.excluded || {}).map(([name, count]) =>
        `${word(`data_${name}`)} ${count}`)) || word("data_none")],
      [word("data_counted"), `${(100 * data.counted_share).toFixed(0)} %`],
      [word("data_left_out"), listed(data.never_labelled.map(joint)) || word("data_none")],
      [word("data_labels"), listed(Object.entries(data.labels).map(([name, count]) => `${joint(name)} ${count}`))],
    ]);
  }

  function shownValue(value) {
    if (Array.isArray(value)) return value.map(shownValue).join(", ");
    if (typeof value === "boolean") return value ? "True" : "False";
    return String(value === "" ? "–" : value);
  }

  function settings() {
    const names = run.settingNames[language] || {};
    const rows = (part) => table(null, Object.entries(part).map(([name, value]) =>
      [names[name] ? `${name} (${names[name]})` : name, shownValue(value)]));
    return [element("h3", {}, word("settings_changed")), rows(run.changed),
      element("details", {}, element("summary", {}, word("settings_default")), rows(run.others))];
  }

  function show() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = word("title");
    document.getElementById("language").textContent = language === "zh" ? "English" : "中文";
    for (const each of document.querySelectorAll("[data-text]")) each.textContent = word(each.dataset.text);
    const where = { step: run.step, total: run.totalSteps, epoch: run.epoch, epochs: run.epochs };
    document.getElementById("progress").textContent =
      `${word("progress", where)} · ${word("updated", { time: new Date(run.updated * 1000).toLocaleString(language === "zh" ? "zh-CN" : "en-GB") })}`;
    document.getElementById("pictures-note").textContent =
      word("pictures_note") + (run.validatesOnTraining ? ` ${word("training_pictures_note")}` : "");
    document.getElementById("charts").replaceChildren(...charts());
    document.getElementById("pictures").replaceChildren(...pictures());
    document.getElementById("checkpoints").replaceChildren(checkpoints());
    document.getElementById("data-summary").replaceChildren(dataSummary());
    document.getElementById("settings").replaceChildren(...settings());
  }

  document.getElementById("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    try { localStorage.setItem("language", language); } catch { /* not kept */ }
    show();
  });
  show();
})();
