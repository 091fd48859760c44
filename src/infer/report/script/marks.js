// Marks: what the reader knows better, as a labels file.

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
