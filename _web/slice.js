/* A slice to wander in: maps of areas, factors and components over its pixels, with zoom, and values where one points.
 * Everything is loaded from beside the page, and only when asked, by tags that a page opened as a file may use too. */
(() => {
  const VIEWER = "vendor/openseadragon/openseadragon.min.js";
  const NO_VIEWER =
    "the script of its viewer is missing (OpenSeadragon, which npm installs); “make web”, then a new build of the book, bring it";
  const LEVELS = 254; // byte 0: no value; byte b: (b - 1) / 254 of the largest
  const HEAT = [ // the colours of the heatmaps of page 06: place, red, green, blue, opacity
    [0, 184, 219, 140, 0], [0.08, 184, 219, 140, 0.55], [0.4, 51, 158, 153, 0.85], [0.7, 33, 92, 140, 0.95], [1, 36, 33, 92, 1],
  ];
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const script = (address, complaint) =>
    new Promise((done, failed) => {
      const tag = element("script", { src: address, onload: done });
      tag.onerror = () => failed(new Error(complaint));
      document.head.append(tag);
    });

  const colour = (share) => {
    const place = Math.max(0, Math.min(1, share));
    const right = Math.max(1, HEAT.findIndex((stop) => stop[0] >= place));
    const [from, to] = [HEAT[right - 1], HEAT[right]];
    const way = (place - from[0]) / (to[0] - from[0]);
    return from.slice(1).map((value, i) => value + way * (to[i + 1] - value));
  };

  class Slice {
    constructor(root) {
      this.root = root;
      this.folder = root.dataset.folder;
    }

    async load() {
      if (!window.OpenSeadragon) await script(new URL(`../_static/${VIEWER}`, document.baseURI).href, NO_VIEWER);
      // a server may answer with a page of its own in place of a script that is not there
      if (!window.OpenSeadragon) throw new Error(NO_VIEWER);
      await script(`${this.folder}/maps.js`, "the maps are not beside this page");
      this.facts = window.brainbookSlices.pop();
      const packed = Uint8Array.from(atob(this.facts.maps), (letter) => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      this.codes = new Uint8Array(await new Response(stream).arrayBuffer());
      [this.count, this.rows, this.columns] = this.facts.shape;
      this.draw();
      await this.open();
      this.choose(Math.max(0, this.facts.layers.findIndex((layer) => layer.group === "factor coefficients")));
      this.at(this.facts.size[0] / 2, this.facts.size[1] / 2);
      this.root.dataset.ready = "yes";
    }

    /* The value of a map at a position of the grid; null where there is none. */
    value(layer, row, column) {
      const code = this.codes[(layer * this.rows + row) * this.columns + column];
      return code ? ((code - 1) / LEVELS) * this.facts.layers[layer].largest : null;
    }

    draw() {
      const groups = new Map();
      this.facts.layers.forEach((layer, i) => {
        if (!groups.has(layer.group)) groups.set(layer.group, []);
        groups.get(layer.group).push(i);
      });
      this.which = element("select", { onchange: () => this.choose(Number(this.which.value)) });
      this.lists = element("div", { className: "slice-values" });
      this.outputs = [];
      for (const [group, members] of groups) {
        const options = members.map((i) => element("option", { value: i, textContent: this.facts.layers[i].name }));
        this.which.append(element("optgroup", { label: group }, ...options));
        const rows = members.map((i) => {
          this.outputs[i] = { number: element("td"), bar: element("span", { className: "slice-bar" }) };
          const name = element("th", { scope: "row", textContent: this.facts.layers[i].name });
          return element("tr", {}, name, this.outputs[i].number, element("td", {}, this.outputs[i].bar));
        });
        this.lists.append(element("table", {}, element("caption", { textContent: group }), element("tbody", {}, ...rows)));
      }
      this.opacity = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.8 });
      this.opacity.oninput = () => (this.layer.style.opacity = this.opacity.value);
      const button = (text, label, onclick) => {
        const made = element("button", { type: "button", textContent: text, title: label, onclick });
        made.setAttribute("aria-label", label);
        return made;
      };
      const labelled = (text, control) => element("label", {}, `${text} `, control);
      this.layer = element("canvas", { width: this.columns, height: this.rows, className: "slice-layer" });
      this.stage = element("div", { className: "slice-view" });
      this.cross = element("div", { className: "slice-cross", hidden: true });
      this.key = element("canvas", { width: 128, height: 1, className: "slice-key" });
      this.least = element("span", { textContent: "0" });
      this.most = element("span");
      this.where = element("p", { className: "slice-where" });
      this.where.setAttribute("aria-live", "polite");
      const words = this.facts.phantom ? `${this.facts.name} (phantom)` : this.facts.name;
      this.root.querySelector(".brain-stage").replaceChildren(
        element("div", { className: "brain-controls" }, labelled("map", this.which), labelled("opacity", this.opacity),
          element("span", {}, button("+", "zoom in", () => this.zoom(1.5)), button("−", "zoom out", () => this.zoom(1 / 1.5)),
            button("⌂", "whole slice", () => this.viewer.viewport.goHome()))),
        element("figure", {}, this.stage,
          element("figcaption", {}, `${words}; `, this.least, this.key, this.most)),
        this.where,
        this.lists,
      );
      this.keyColours();
    }

    keyColours() {
      const context = this.key.getContext("2d");
      for (let i = 0; i < 128; i++) {
        const [red, green, blue, opacity] = colour(i / 127);
        context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${opacity})`;
        context.fillRect(i, 0, 1, 1);
      }
    }

    open() {
      const { gray, origin, step } = this.facts;
      const [height, width] = gray.size;
      this.viewer = OpenSeadragon({
        element: this.stage,
        drawer: "canvas", // the others may not read the tiles of a page opened as a file
        showNavigationControl: false,
        gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
        maxZoomPixelRatio: 4,
        visibilityRatio: 0.5,
        animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.4,
        tileSources: {
          width,
          height,
          tileSize: gray.tile,
          tileOverlap: 0,
          minLevel: Math.max(0, gray.finest - Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / gray.tile)))),
          maxLevel: gray.finest,
          getTileUrl: (level, x, y) => `${this.folder}/${level}_${x}_${y}.jpg`,
        },
      });
      const canvas = this.viewer.canvas;
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-label", `${this.facts.name}: arrows move, plus and minus zoom, 0 shows the whole slice`);
      this.stage.append(this.cross);
      // The page scrolls under the wheel until the picture was chosen by a click or by the keyboard.
      this.viewer.addHandler("canvas-scroll", (event) => {
        event.preventDefaultAction = document.activeElement !== canvas;
        event.preventDefault = !event.preventDefaultAction;
      });
      canvas.addEventListener("pointermove", (event) => {
        this.cross.hidden = true;
        const box = canvas.getBoundingClientRect();
        this.look(event.clientX - box.left, event.clientY - box.top);
      });
      const middle = () => this.look(canvas.clientWidth / 2, canvas.clientHeight / 2);
      this.viewer.addHandler("canvas-key", () => {
        this.cross.hidden = false;
        middle();
      });
      this.viewer.addHandler("animation", () => this.cross.hidden || middle());
      return new Promise((done, failed) => {
        this.viewer.addOnceHandler("open-failed", () => failed(new Error("the slice cannot be opened")));
        this.viewer.addOnceHandler("open", () => {
          // A value stands for the square of pixels around its position; the slice's width is 1.
          const wide = gray.shrink * width;
          const place = [origin[1] - step / 2, origin[0] - step / 2, this.columns * step, this.rows * step];
          this.viewer.addOverlay(this.layer, new OpenSeadragon.Rect(...place.map((one) => one / wide)));
          this.layer.parentElement.style.pointerEvents = "none";
          done();
        });
      });
    }

    zoom(factor) {
      this.viewer.viewport.zoomBy(factor);
      this.viewer.viewport.applyConstraints();
    }

    choose(index) {
      this.which.value = index;
      const { largest, darkest, name, group } = this.facts.layers[index];
      const context = this.layer.getContext("2d");
      const shown = context.createImageData(this.columns, this.rows);
      const colours = Array.from({ length: LEVELS + 1 }, (_, i) => colour(((i / LEVELS) * largest) / (darkest || 1)));
      const size = this.rows * this.columns;
      for (let i = 0; i < size; i++) {
        const code = this.codes[index * size + i];
        if (!code) continue;
        const [red, green, blue, opacity] = colours[code - 1];
        shown.data.set([red, green, blue, 255 * opacity], 4 * i);
      }
      context.putImageData(shown, 0, 0);
      this.layer.style.opacity = this.opacity.value;
      const more = largest > darkest ? " and more" : "";
      this.most.textContent = `${Number(darkest.toPrecision(3))}${more}: ${group}, ${name}`;
      this.outputs.forEach(({ bar }, i) => bar.closest("tr").classList.toggle("slice-chosen", i === index));
    }

    /* Values under a place of the view, in CSS pixels of it. */
    look(x, y) {
      const { gray } = this.facts;
      const place = this.viewer.viewport.pointFromPixel(new OpenSeadragon.Point(x, y), true);
      const wide = gray.shrink * gray.size[1];
      this.at(place.y * wide, place.x * wide);
    }

    /* Values at a row and column of the slice, in its pixels. */
    at(y, x) {
      const { origin, step, size, pixel_size_um: um } = this.facts;
      const [row, column] = [Math.round((y - origin[0]) / step), Math.round((x - origin[1]) / step)];
      const inside = row >= 0 && row < this.rows && column >= 0 && column < this.columns && y >= 0 && x >= 0
        && y < size[0] && x < size[1];
      const [down, right] = [origin[0] + row * step, origin[1] + column * step];
      this.where.textContent = inside
        ? `Row ${down}, column ${right} (${Math.round(down * um)} µm down, ${Math.round(right * um)} µm to the right)`
        : "Outside of the slice";
      this.outputs.forEach(({ number, bar }, i) => {
        const value = inside ? this.value(i, row, column) : null;
        number.textContent = value === null ? "–" : value === 0 ? "0" : value.toPrecision(2);
        bar.style.width = `${Math.min(100, (100 * value) / (this.facts.layers[i].darkest || 1))}%`;
      });
      this.root.dataset.at = inside ? `${row},${column}` : "";
    }
  }

  for (const root of document.querySelectorAll(".slice-to-wander")) {
    if (root.slice) continue;
    const button = root.querySelector("button");
    const word = root.querySelector(".brain-word");
    root.slice = new Slice(root);
    const instead = [...root.querySelector(".brain-stage").childNodes];
    button.onclick = async () => {
      button.disabled = true;
      word.textContent = "loading …";
      try {
        await root.slice.load();
        button.parentElement.remove();
      } catch (error) {
        root.dataset.failed = "yes";
        root.querySelector(".brain-stage").replaceChildren(...instead); // whatever was drawn before it failed
        word.textContent = `The slice does not open here: ${error.message}. The picture below was drawn beforehand.`;
      }
    };
  }
})();
