/**
 * Elements, and the types of the page's data.
 *
 * All text of the data, which may be a model's, becomes text nodes.
 *
 * @typedef {Candidate & {speed: string, said: string, bounds: (number | null)[], rate: boolean}} Shown
 * @typedef {{file: string, task: string, scenario: string, label: string, rate: boolean,
 *   cells: number, candidates: Shown[]}} Task
 * @typedef {{reason?: string, score?: string, facts?: string[], change?: string[][],
 *   lengths?: string[][], load?: string[][], native?: string, flips?: string[][]}} Story
 * @typedef {{margin: number, figures: Record<string, string[]>, tasks: Task[], headings: string[],
 *   variants: {id: string, label: string, licence: string | null}[],
 *   devices: Record<string, string>,
 *   stories: {place: string, title: string, variants: Record<string, Story>}[]}} Data
 */
/**
 * An element with text or other elements in it.
 * @param {string} tag @param {...(string | Node)} inside
 */
const element = (tag, ...inside) => {
  const made = document.createElement(tag);
  made.append(...inside);
  return made;
};
/** The place of a mark on its chart. @param {Element} mark @returns {[number, number]} */
const at = mark => {
  const found = /translate\(([-\d.e]+),([-\d.e]+)\)/.exec(mark.getAttribute("transform") ?? "");
  return found ? [Number(found[1]), Number(found[2])] : [0, 0];
};

/** Draws the Pareto line and the ring of what meets the limits; as rendered without any.
 * @param {HTMLElement} figure @param {Candidate[]} frontier @param {string | undefined} chosen
 * @param {string | null} ringed the label of the chosen variant; null without limits */
const drawFrontier = (figure, frontier, chosen, ringed) => {
  const line = /** @type {SVGElement | null} */ (figure.querySelector("[data-drawn=front]"));
  const ring = /** @type {SVGElement | null} */ (figure.querySelector("[data-drawn=ring]"));
  if (!line || !ring) return;
  const words = [...figure.querySelectorAll("svg :is(text, tspan)")].find(
    one => one.textContent?.startsWith("Ring, "));
  if (words instanceof SVGElement) {
    words.dataset.words ??= words.textContent ?? "";
    words.textContent = ringed === null ? words.dataset.words : `Ring, by your limits: ${ringed}`;
  }
  const caption = figure.querySelector("figcaption"), remark = caption?.querySelector(".limited");
  if (ringed === null) remark?.remove();
  else if (caption && !remark) {
    const added = element("strong",
      "The line and the ring follow your limits; the band and this text do not. ");
    added.className = "limited";
    caption.prepend(added);
  }
  line.dataset.was ??= line.getAttribute("d") ?? "";
  ring.dataset.was ??= ring.getAttribute("transform") ?? "";
  if (ringed === null) {
    line.setAttribute("d", line.dataset.was);
    ring.setAttribute("transform", ring.dataset.was);
    ring.removeAttribute("visibility");
    return;
  }
  /** @type {Map<string, [number, number]>} */
  const points = new Map();
  for (const mark of /** @type {NodeListOf<SVGElement>} */ (
    figure.querySelectorAll("[data-kind=symbol]"))) {
    points.set(mark.dataset.variant ?? "", at(mark));
  }
  const right = Math.max(0, ...[...line.dataset.was.matchAll(/[ML]([-\d.e]+),/g)].map(
    found => Number(found[1])));
  const corners = frontier.flatMap(one => points.has(one.variant) ? [points.get(one.variant)] : []);
  let path = "";
  for (const [x, y] of /** @type {[number, number][]} */ (corners)) {
    path += path ? `H${x}V${y}` : `M${x},${y}`;
  }
  line.setAttribute("d", path && `${path}H${right}`);
  const centre = chosen === undefined ? undefined : points.get(chosen);
  ring.setAttribute("visibility", centre ? "visible" : "hidden");
  if (centre) ring.setAttribute("transform", `translate(${centre[0]},${centre[1]})`);
};
