// The viewer.

function view(position) {
  current = position;
  const picture = shown[position];
  byId("name").textContent = picture.file;
  byId("facts").textContent = picture.status === "ok"
    ? `${picture.width} × ${picture.height} · ${picture.seconds.toFixed(2)} ${word("seconds")} · ${word(picture.state)}`
    : `${word("unreadable")}: ${sentence(picture.error) || picture.status}`;
  byId("file").href = picture.original;
  byId("link").href = `#${encodeURIComponent(picture.file)}`;
  byId("link").textContent = word("link");
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
  panel.append(...(person.criteria.length ? criterionRows(person.criteria) : [element("p", "", word("noCriteria"))]));
  return panel;
}

/** All signs, those of each sum of points below its heading. */
function criterionRows(criteria) {
  const totalOf = ([place]) => data.signs[place].total;
  const totals = [...new Set(criteria.map(totalOf))].sort((one, other) => one - other);
  return totals.flatMap((total) => [
    ...(total ? [element("h4", "total", word("total", { number: total }))] : []),
    ...criteria.filter((criterion) => totalOf(criterion) === total).map(criterionRow),
  ]);
}

/** An objection is shown as the sign that it is when it does not hold; what only chooses a rule is neither for nor against. */
function criterionRow([place, sign, reading]) {
  const { names, hints, needs, objection, chooses, gives_points: givesPoints } = data.signs[place];
  const name = names[ui.language];
  const label = element("span", "label", objection ? word("without", { name }) : name);
  label.title = hints[ui.language];
  const needed = element("small", "value");
  if (givesPoints) label.title += `\n${word("points")}: ${sentence(needs)}`; // long, and the sentence says what it gave
  else if (!chooses) needed.textContent = `${word(objection ? "mustNot" : "needs")} ${sentence(needs)}`;
  const mark = chooses ? "·" : { 1: "✓", 0: "✗" }[sign] || "?";
  return element("div", chooses ? "criterion" : `criterion v${sign}`, element("span", "verdict", mark),
    label, needed, element("p", "", sentence(reading)));
}

/** Frame a person in the picture; `box` is left, top, width, height as shares of the picture. */
function markPerson(box) {
  const frame = byId("box");
  frame.hidden = !box;
  if (!box) return;
  for (const [index, side] of ["left", "top", "width", "height"].entries()) frame.style[side] = `${box[index] * 100}%`;
}

/** Copy the opened picture's address; where the browser does not let a page do that, the address bar has it. */
async function copyLink(event) {
  event.preventDefault();
  try {
    await navigator.clipboard.writeText(byId("link").href);
    byId("link").textContent = word("copied");
  } catch { /* the link stays what it is */ }
}

function step(by) {
  if (current + by >= 0 && current + by < shown.length) view(current + by);
}
