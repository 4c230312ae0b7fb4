/* The brain that moves under your hand: decoders and encoders of paper C, run in the page.
 * Everything is loaded from beside the page, and only when asked. Without the runtime, or from a file, the pictures that
 * the page holds already stay, and a line says why. */
(() => {
  const RUNTIME = "vendor/onnxruntime/";
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const script = (address) =>
    new Promise((done, failed) => {
      if (window.ort) return done();
      const tag = element("script", { src: address, onload: done });
      tag.onerror = () => failed(new Error("the runtime is not beside this page"));
      document.head.append(tag);
    });

  const file = async (address, kind) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address.split("/").pop()} is not beside this page`);
    return answer[kind]();
  };

  class Brain {
    constructor(root) {
      this.root = root;
      this.folder = root.dataset.folder;
      this.busy = false;
      this.moves = 0;
    }

    async load() {
      const start = performance.now();
      const runtime = new URL(`../_static/${RUNTIME}`, document.baseURI).href;
      await script(`${runtime}ort.wasm.min.js`);
      ort.env.wasm.wasmPaths = runtime;
      ort.env.wasm.numThreads = 1;
      this.facts = await file(`${this.folder}/facts.json`, "json");
      [this.height, this.width] = this.facts.shape;
      this.pixels = this.height * this.width;
      const [images, atlas] = await Promise.all(
        ["individuals.bin", "atlas.bin"].map((name) => file(`${this.folder}/${name}`, "arrayBuffer")),
      );
      this.images = new Uint8Array(images);
      this.atlas = new Uint8Array(atlas);
      this.models = await Promise.all(
        this.facts.models.map(async (model) => {
          const open = async (part) =>
            ort.InferenceSession.create(
              await file(`${this.folder}/${model.file}-${part}.onnx`, "arrayBuffer"),
              { executionProviders: ["wasm"] },
            );
          return { ...model, encoder: await open("encoder"), decoder: await open("decoder") };
        }),
      );
      this.draw();
      await this.choose(0);
      this.root.dataset.loadMs = performance.now() - start;
      this.root.dataset.ready = "yes";
    }

    async run(session, values, shape) {
      const output = await session.run({ input: new ort.Tensor("float32", values, shape) });
      return output.output.data;
    }

    encode(index, image) {
      return this.run(this.models[index].encoder, image, [1, this.height, this.width]);
    }

    decode(index, latents) {
      return this.run(this.models[index].decoder, latents, [1, latents.length]);
    }

    draw() {
      const picture = (title, index) => {
        const canvas = element("canvas", { width: this.width, height: this.height });
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", title);
        const caption = this.facts.phantom ? `${title} (phantom)` : title;
        const figure = element("figure", {}, canvas, element("figcaption", { textContent: caption }));
        if (index === undefined) canvas.addEventListener("click", (event) => this.click(event));
        return { canvas, figure };
      };
      this.input = picture("what the encoders see: click a region");
      this.outputs = this.models.map((model, index) => picture(model.name, index));
      this.input.canvas.style.cursor = "pointer";

      const individuals = Array.from({ length: this.facts.individuals }, (_, i) =>
        element("option", { value: i, textContent: this.facts.names[i] }),
      );
      this.who = element("select", { onchange: () => this.choose(Number(this.who.value)) }, ...individuals);
      this.which = element(
        "select",
        { onchange: () => this.showLatents() },
        ...this.models.map((model, i) => element("option", { value: i, textContent: model.name })),
      );
      this.region = element(
        "select",
        {},
        ...this.facts.regions.map((name, i) => element("option", { value: i + 1, textContent: name })),
      );
      this.gain = element("input", { type: "range", min: 0.5, max: 1.5, step: 0.05, value: 1 });
      this.gain.setAttribute("aria-label", "brightness of the region"); // the label around it names the region's list
      this.gain.oninput = () => this.brighten(Number(this.region.value), Number(this.gain.value));
      this.region.onchange = () => this.gain.oninput();
      const random = element("button", { type: "button", textContent: "a random brain", onclick: () => this.random() });
      const labelled = (text, ...controls) => element("label", {}, `${text} `, ...controls);
      this.sliders = element("div", { className: "brain-sliders" });
      this.word = element("p", { className: "brain-word" });
      this.word.setAttribute("aria-live", "polite");
      this.root.querySelector(".brain-stage").replaceChildren(
        element("div", { className: "brain-controls" }, labelled("individual", this.who), random,
          labelled("brightness of", this.region, this.gain)),
        element("div", { className: "brain-pictures" }, this.input.figure, ...this.outputs.map((one) => one.figure)),
        element("div", { className: "brain-controls" }, labelled("latents of", this.which)),
        this.sliders,
        this.word,
      );
    }

    paint(canvas, values) {
      const context = canvas.getContext("2d");
      const shown = context.createImageData(this.width, this.height);
      for (let i = 0; i < this.pixels; i++) {
        const gray = Math.max(0, Math.min(255, Math.round(values[i] * 255)));
        shown.data[4 * i] = shown.data[4 * i + 1] = shown.data[4 * i + 2] = gray;
        shown.data[4 * i + 3] = 255;
      }
      context.putImageData(shown, 0, 0);
    }

    async choose(index) {
      this.original = Float32Array.from(
        this.images.subarray(index * this.pixels, (index + 1) * this.pixels), (value) => value / 255);
      this.gain.value = 1;
      await this.show(this.original);
      this.before = this.latents.map((one) => Float32Array.from(one));
      this.showLatents();
      this.word.textContent = "";
    }

    async show(image) {
      this.image = image;
      this.paint(this.input.canvas, image);
      this.latents = [];
      for (let i = 0; i < this.models.length; i++) {
        this.latents.push(Float32Array.from(await this.encode(i, image)));
        this.paint(this.outputs[i].canvas, await this.decode(i, this.latents[i]));
      }
    }

    async random() {
      const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      const index = Number(this.which.value);
      this.latents[index] = Float32Array.from({ length: this.models[index].latents }, normal);
      this.paint(this.outputs[index].canvas, await this.decode(index, this.latents[index]));
      this.before[index] = Float32Array.from(this.latents[index]);
      this.showLatents();
      this.word.textContent = `${this.models[index].name}: latents drawn from the prior, no individual.`;
    }

    showLatents() {
      const index = Number(this.which.value);
      const rows = Array.from(this.latents[index], (value, k) => {
        const slider = element("input", { type: "range", min: -4, max: 4, step: 0.05, value });
        slider.dataset.latent = k;
        const number = element("output", { textContent: value.toFixed(2) });
        slider.oninput = () => {
          number.textContent = Number(slider.value).toFixed(2);
          this.move(index, k, Number(slider.value));
        };
        return element("label", {}, `F${k + 1} `, slider, number);
      });
      this.sliders.replaceChildren(...rows);
    }

    async move(index, k, value) {
      this.latents[index][k] = value;
      if (this.busy) return void (this.waiting = true); // the last position is what counts
      this.busy = true;
      do {
        this.waiting = false;
        const start = performance.now();
        const drawn = await this.decode(index, Float32Array.from(this.latents[index]));
        this.paint(this.outputs[index].canvas, drawn);
        this.root.dataset.lastMs = performance.now() - start;
        this.root.dataset.moves = ++this.moves;
      } while (this.waiting);
      this.busy = false;
    }

    click(event) {
      const box = this.input.canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * this.width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * this.height);
      const label = this.atlas[y * this.width + x];
      if (!label) return void (this.word.textContent = "No region of the atlas lies there.");
      const again = Number(this.region.value) === label && Number(this.gain.value) > 1;
      this.region.value = label;
      this.gain.value = again ? 1 : 1.4;
      this.brighten(label, Number(this.gain.value));
    }

    async brighten(label, gain) {
      const image = this.original.map((value, i) => (this.atlas[i] === label ? Math.min(1, value * gain) : value));
      await this.show(image);
      this.showLatents();
      const index = Number(this.which.value);
      const change = Array.from(this.latents[index], (value, k) => value - this.before[index][k]);
      const most = change.reduce((best, value, k) => (Math.abs(value) > Math.abs(change[best]) ? k : best), 0);
      [...this.sliders.children].forEach((row, k) => {
        row.style.background = `rgba(192, 80, 77, ${Math.min(0.6, Math.abs(change[k]))})`;
      });
      this.word.textContent =
        `${this.facts.regions[label - 1]} at ${gain.toFixed(2)} times its brightness: ` +
        `${this.models[index].name} moves F${most + 1} most, by ${change[most].toFixed(2)}.`;
    }
  }

  for (const root of document.querySelectorAll(".brain-in-hand")) {
    if (root.brain) continue;
    const button = root.querySelector("button");
    const word = root.querySelector(".brain-word");
    root.brain = new Brain(root);
    button.onclick = async () => {
      button.disabled = true;
      word.textContent = "loading …";
      try {
        if (location.protocol === "file:") throw new Error("a page opened as a file cannot load them; `make serve` shows it over http");
        await root.brain.load();
        button.parentElement.remove();
      } catch (error) {
        root.dataset.failed = "yes";
        word.textContent = `The models do not run here: ${error.message}. The pictures below were decoded beforehand.`;
      }
    };
  }
})();
