"use strict";
// Everything that comes from files is put into the page as text (textContent), never as HTML.

const NOTHING = 255;
const BACKGROUND = [233, 235, 237];
const CIVIDIS = [[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 174, 108], [254, 232, 56]];

// One byte a pixel of a PNG that has a palette and no filters: its compressed rows, decompressed.
async function pixelsOf(image) {
  const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const width = view.getUint32(16), height = view.getUint32(20), parts = [];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const found = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = y * (width + 1) + 1;
    found.set(rows.subarray(start, start + width), y * width);
  }
  return found;
}

const rgba = ([red, green, blue], alpha = 255) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function painted(values, width, height, table) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < values.length; i++) pixels[i] = table[values[i]];
  context.putImageData(picture, 0, 0);
  return canvas;
}

function hatching() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const context = canvas.getContext("2d");
  for (const [color, shift] of [["#fff", 0], ["#000", 2]]) {
    context.fillStyle = color;
    for (let y = 0; y < 8; y++) for (let d = 0; d < 2; d++) context.fillRect((y + shift + d) % 8, y, 1, 1);
  }
  return canvas;
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

// All maps: one place and one scale, drawn in several views.
class Maps {
  constructor(data, section) {
    Object.assign(this, data);
    this.section = section;
    this.on = this.classes.map(() => true);
    this.palette = "color";
    this.hatched = -1;
    this.shown = "classes";
    this.cursor = null;
    this.held = false;
    this.zoom = 1;
    this.centre = [this.width / 2, this.height / 2];
    this.pattern = hatching();
  }

  async start() {
    const views = [...this.section.querySelectorAll(".view")];
    this.views = await Promise.all(views.map(async (element) => {
      const scores = element.querySelector("img.scores");
      const here = element.parentElement.querySelector(".here");
      const values = await pixelsOf(element.querySelector("img.classes"));
      return { element, here, values, scores: scores && await pixelsOf(scores), canvas: document.createElement("canvas") };
    }));
    for (const view of this.views) {
      view.element.append(view.canvas);
      view.element.style.aspectRatio = `${this.width} / ${this.height * this.aspect}`;
      view.element.style.maxHeight = "75vh";
      this.listen(view);
    }
    this.section.classList.add("live");
    this.controls();
    this.paint();
    new ResizeObserver(() => this.draw()).observe(this.views[0].element);
  }

  // Screen pixels, of CSS, for a pixel of the map.
  scale(zoom = this.zoom) {
    const box = this.views[0].canvas;
    return zoom * Math.min(box.clientWidth / this.width, box.clientHeight / (this.height * this.aspect));
  }

  paint() {
    const table = new Uint32Array(256);
    this.classes.forEach((item, i) => { table[i] = rgba(this.on[i] ? rgb(item[this.palette]) : BACKGROUND); });
    const ramp = new Uint32Array(256);
    for (let i = 0; i <= 100; i++) {
      const at = Math.min(i / 25, 3.9999), low = Math.floor(at);
      ramp[i] = rgba(CIVIDIS[low].map((part, k) => part + (at - low) * (CIVIDIS[low + 1][k] - part)));
    }
    const mask = new Uint32Array(256);
    if (this.hatched >= 0) mask[this.hatched] = rgba([0, 0, 0]);
    for (const view of this.views) {
      const scores = this.shown === "scores" && view.scores;
      view.layer = painted(scores || view.values, this.width, this.height, scores ? ramp : table);
      view.mask = this.hatched >= 0 && painted(view.values, this.width, this.height, mask);
    }
    this.section.querySelectorAll("fieldset label").forEach((label) => {
      label.querySelector("rect").setAttribute("fill", this.classes[label.querySelector("input").value][this.palette]);
    });
    this.draw();
  }

  draw() {
    for (const view of this.views) this.drawOne(view);
    this.tell();
  }

  drawOne({ canvas, layer, mask }) {
    const ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d");
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    const scale = this.scale() * ratio;
    const place = [scale, 0, 0, scale * this.aspect, canvas.width / 2 - this.centre[0] * scale, canvas.height / 2 - this.centre[1] * scale * this.aspect];
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    context.setTransform(...place);
    context.drawImage(layer, 0, 0);
    if (mask) {
      const veil = document.createElement("canvas");
      veil.width = canvas.width;
      veil.height = canvas.height;
      const over = veil.getContext("2d");
      over.imageSmoothingEnabled = false;
      over.setTransform(...place);
      over.drawImage(mask, 0, 0);
      over.setTransform(1, 0, 0, 1, 0, 0);
      over.globalCompositeOperation = "source-in";
      over.fillStyle = over.createPattern(this.pattern, "repeat");
      over.fillRect(0, 0, veil.width, veil.height);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(veil, 0, 0);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawCursor(context, canvas);
    this.drawScale(context, canvas);
  }

  drawCursor(context, canvas) {
    if (!this.cursor) return;
    const scale = this.scale();
    const x = canvas.clientWidth / 2 + (this.cursor[0] - this.centre[0]) * scale;
    const y = canvas.clientHeight / 2 + (this.cursor[1] - this.centre[1]) * scale * this.aspect;
    for (const [color, wide] of [["#fff", 4], ["#000", 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = wide;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 12 * dx, y + 12 * dy);
      }
      context.stroke();
    }
  }

  drawScale(context, canvas) {
    if (!this.metres) return;
    const most = this.metres * canvas.clientWidth / this.scale() / 3;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = Math.max(...[1, 2, 5].map((step) => step * power).filter((one) => one <= most));
    const wide = length / this.metres * this.scale(), y = canvas.clientHeight - 10;
    const text = length >= 1000 ? `${length / 1000} km` : `${length} m`;
    context.font = "13px system-ui, sans-serif";
    context.fillStyle = "rgba(255, 255, 255, .85)";
    context.fillRect(4, y - 22, Math.max(wide, context.measureText(text).width) + 14, 28);
    context.fillStyle = "#22262b";
    context.fillRect(10, y - 3, wide, 3);
    context.fillText(text, 10, y - 8);
  }

  // Names what lies at the cursor in each map, and where it is.
  tell() {
    const [x, y] = this.cursor || [-1, -1];
    const inside = x >= 0 && y >= 0 && x < this.width && y < this.height;
    const at = Math.floor(y) * this.width + Math.floor(x);
    for (const view of this.views) {
      const index = inside ? view.values[at] : NOTHING;
      const score = inside && view.scores ? view.scores[at] : NOTHING;
      const name = index === NOTHING ? "no class" : this.classes[index].name;
      const text = inside ? name + (score === NOTHING ? "" : `, score ${(score / 100).toFixed(2)}`) : "";
      if (view.here.textContent !== text) view.here.textContent = text;
    }
    const place = inside ? this.degrees(x, y) : null;
    this.copied = place ? `${place[1].toFixed(6)}, ${place[0].toFixed(6)}` : "";
    document.getElementById("place").textContent = place ? `Latitude, longitude: ${this.copied}` : "";
    document.getElementById("copy-place").hidden = !place;
  }

  // Longitude and latitude between the nodes of a mesh.
  degrees(x, y) {
    if (!this.places) return null;
    const last = this.nodes - 1, u = x / this.width * last, v = y / this.height * last;
    const col = Math.min(Math.floor(u), last - 1), row = Math.min(Math.floor(v), last - 1);
    const node = (r, c, k) => this.places[r * this.nodes + c][k];
    return [0, 1].map((k) => {
      const [top, low] = [row, row + 1].map((r) => node(r, col, k) + (u - col) * (node(r, col + 1, k) - node(r, col, k)));
      return top + (v - row) * (low - top);
    });
  }

  placeOf(view, event) {
    const box = view.canvas.getBoundingClientRect(), scale = this.scale();
    return [
      this.centre[0] + (event.clientX - box.left - box.width / 2) / scale,
      this.centre[1] + (event.clientY - box.top - box.height / 2) / (scale * this.aspect),
    ];
  }

  move(dx, dy) {
    this.centre = [[dx, this.width], [dy, this.height]].map(([step, size], k) => Math.min(size, Math.max(0, this.centre[k] + step)));
    this.draw();
  }

  // The place stays where it is on the screen.
  zoomBy(factor, place = this.centre) {
    const most = Math.max(1, 48 / this.scale(1));
    const zoom = Math.min(most, Math.max(1, this.zoom * factor));
    const share = 1 - this.zoom / zoom;
    this.zoom = zoom;
    this.move((place[0] - this.centre[0]) * share, (place[1] - this.centre[1]) * share);
  }

  whole() {
    this.zoom = 1;
    this.centre = [this.width / 2, this.height / 2];
    this.draw();
  }

  // A place with what is around it: a quarter of the view, or less.
  goTo(x, y, pixels) {
    this.zoom = Math.max(1, Math.min(12, this.views[0].canvas.clientWidth / 4 / pixels) / this.scale(1));
    this.centre = this.cursor = [x, y];
    this.held = true;
    this.move(0, 0);
  }

  listen(view) {
    const { element } = view, fingers = new Map();
    let moved = 0;
    const distance = () => {
      const [one, other] = [...fingers.values()];
      return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    };
    element.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, event);
      element.setPointerCapture(event.pointerId);
      moved = 0;
    });
    element.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (before) {
        const apart = fingers.size === 2 && distance();
        const scale = this.scale(), dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
        moved += Math.abs(dx) + Math.abs(dy);
        fingers.set(event.pointerId, event);
        if (apart) this.zoomBy(distance() / apart, this.placeOf(view, event));
        this.move(-dx / scale / fingers.size, -dy / (scale * this.aspect) / fingers.size);
      } else if (!this.held) {
        this.cursor = this.placeOf(view, event);
        this.draw();
      }
    });
    const ended = (event) => fingers.delete(event.pointerId);
    element.addEventListener("pointerup", (event) => {
      if (ended(event) && moved < 5) {
        this.held = event.pointerType === "mouse" ? !this.held : true;
        this.cursor = this.placeOf(view, event);
        this.draw();
      }
    });
    element.addEventListener("pointercancel", ended);
    element.addEventListener("wheel", (event) => {
      if (document.activeElement !== element && !event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(1.2 ** (-Math.sign(event.deltaY)), this.placeOf(view, event));
    }, { passive: false });
    element.addEventListener("keydown", (event) => {
      const step = view.canvas.clientWidth / this.scale() / 8;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (moves[event.key]) this.move(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
      else if (event.key === "-") this.zoomBy(1 / 1.5);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
      this.cursor = [...this.centre];
      this.draw();
    });
  }

  controls() {
    const on = (id, kind, action) => document.getElementById(id)?.addEventListener(kind, action);
    on("zoom-in", "click", () => this.zoomBy(1.5));
    on("zoom-out", "click", () => this.zoomBy(1 / 1.5));
    on("whole", "click", () => this.whole());
    on("palette", "change", (event) => { this.palette = event.target.value; this.paint(); });
    on("hatched", "change", (event) => { this.hatched = event.target.value === "" ? -1 : Number(event.target.value); this.paint(); });
    on("shown", "change", (event) => {
      this.shown = event.target.value;
      document.getElementById("ramp").hidden = this.shown !== "scores";
      this.paint();
    });
    for (const field of this.section.querySelectorAll("fieldset")) {
      const boxes = [...field.querySelectorAll("input")];
      const set = (wanted) => {
        for (const box of boxes) box.checked = this.on[box.value] = wanted(box);
        this.paint();
      };
      field.querySelector(".all").addEventListener("click", () => set(() => true));
      field.querySelector(".none").addEventListener("click", () => set(() => false));
      boxes.forEach((box) => box.addEventListener("change", () => set((one) => one.checked)));
    }
    on("copy-place", "click", (event) => copy(this.copied, event.target));
  }
}

const valueOf = (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);

function compare(one, other) {
  const [a, b] = [one, other].map(valueOf);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}

// Headings become buttons: the first time numbers go from the largest, names from A.
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const rows = [...table.tBodies[0].rows].sort((a, b) => compare(a.cells[column], b.cells[column]));
      table.tBodies[0].append(...(order === "ascending" ? rows : rows.reverse()));
    });
  });
}

// Cards of candidates: filtered, ordered, a page of them at a time, shown on the maps.
function makeGallery(section, maps) {
  const cards = [...section.querySelectorAll(".cards > li")];
  const field = (id) => document.getElementById(id);
  const more = field("more"), page = 48;
  let most = page;
  const show = () => {
    const names = ["before", "after"].map((kind) => [kind, field(`filter-${kind}`).value]);
    const least = ["score", "hectares"].map((kind) => [kind, Number(field(`filter-${kind}`).value)]);
    const key = field("order").value, sign = key === "id" ? 1 : -1;
    const fits = ({ dataset }) => names.every(([kind, name]) => !name || dataset[kind] === name)
      && least.every(([kind, value]) => Number(dataset[kind]) >= value);
    const found = cards.filter(fits).sort((a, b) => sign * (a.dataset[key] - b.dataset[key]));
    for (const card of cards) card.hidden = true;
    for (const card of found.slice(0, most)) card.hidden = false;
    section.querySelector(".cards").append(...found);
    more.hidden = found.length <= most;
    const shown = more.hidden ? "" : `, ${most} of them shown`;
    field("filtered").textContent = `${found.length} of ${cards.length} candidates${shown}`;
  };
  const anew = () => { most = page; show(); };
  section.querySelectorAll(".tools select, .tools input").forEach((one) => one.addEventListener("input", anew));
  more.addEventListener("click", () => { most += page; show(); });
  for (const card of cards) {
    const button = card.querySelector(".copy");
    button.addEventListener("click", () => copy(card.querySelector("code").textContent, button));
    card.querySelector(".go")?.addEventListener("click", () => {
      maps.goTo(...card.dataset.at.split(" ").map(Number));
      maps.views[0].element.focus({ preventScroll: true });
      maps.section.querySelector(".maps").scrollIntoView();
    });
  }
  section.classList.add("live");
  show();
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
const data = JSON.parse(document.getElementById("data").textContent);
const maps = data && new Maps(data, document.getElementById("maps"));
// A browser without DecompressionStream shows the maps standing still.
const ready = maps ? maps.start().catch((error) => console.error(error)) : Promise.resolve();
const gallery = document.getElementById("candidates");
if (gallery?.querySelector(".cards")) ready.then(() => makeGallery(gallery, maps));
