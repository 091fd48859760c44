// The scene: lines drawn on the picture, as a scene declaration.

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
