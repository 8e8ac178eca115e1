/** The chart alone, under the page's policy; tests give it views. */
import { Chart } from "/static/chart/chart.js";

const host = /** @type {HTMLElement} */ (document.getElementById("chart"));
const chart = new Chart(host);

/** Resolves when two frames have been painted. */
const painted = () =>
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))));

/** The colour of a pixel of the chart as [red, green, blue], all canvases laid over each other. */
function pixel(/** @type {number} */ x, /** @type {number} */ y) {
  const one = document.createElement("canvas");
  one.width = 1;
  one.height = 1;
  const context = /** @type {CanvasRenderingContext2D} */ (one.getContext("2d"));
  for (const canvas of host.querySelectorAll("canvas")) {
    const box = canvas.getBoundingClientRect();
    if (x < box.left || x >= box.right || y < box.top || y >= box.bottom) continue;
    const ratio = canvas.width / box.width;
    const [left, top] = [Math.floor((x - box.left) * ratio), Math.floor((y - box.top) * ratio)];
    context.drawImage(canvas, left, top, 1, 1, 0, 0, 1, 1);
  }
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Shows a view and its heat, and waits until both are painted. */
async function show(/** @type {any} */ view, /** @type {any} */ heat) {
  const { HeatLayer } = await import("/static/chart/heat.js");
  const layer = chart.addLayer(new HeatLayer());
  chart.setView(view);
  layer.set(heat);
  await painted();
}

Object.assign(window, { chart, painted, pixel, show });
document.documentElement.dataset.seq = "1";
