/**
 * The marks of charts: a tooltip for the pointer, and arrow keys for those without one.
 *
 * With a script a chart is a slider over its variants, fastest first: one stop of the Tab key, and
 * a screen reader reads each variant with its figures.
 *
 * @param {HTMLElement[]} figures
 * @param {(place: string, variant: string) => string} said a variant with its figures
 * @param {(variant: string | null) => void} follow
 * @param {() => void} open goes to the story of the variant that is followed
 */
const pointing = (figures, said, follow, open) => {
  const SVG = "http://www.w3.org/2000/svg";
  /** @param {Element} one */
  const placeOf = one => /** @type {HTMLElement} */ (one.closest("figure")).dataset.place ?? "";

  /** The variants of a chart by their first mark, from left to right, then from top to bottom.
   * @param {Element} chart */
  const variantsOf = chart => {
    /** @type {Map<string, [number, number]>} */
    const found = new Map();
    const marks = /** @type {NodeListOf<SVGElement>} */ (chart.querySelectorAll("[data-variant]"));
    for (const mark of marks) {
      const variant = mark.dataset.variant ?? "";
      if (mark.dataset.kind === "symbol" && !found.has(variant)) found.set(variant, at(mark));
    }
    const order = [...found].sort(([, [x, y]], [, [x2, y2]]) => x - x2 || y - y2).map(([id]) => id);
    return order.length ? order : [...new Set([...marks].map(mark => mark.dataset.variant ?? ""))];
  };

  /** @type {Map<Element, string[]>} */
  const steps = new Map();
  for (const figure of figures) {
    const chart = figure.querySelector(".chart"), variants = chart ? variantsOf(chart) : [];
    if (!chart || !variants.length) continue;
    steps.set(chart, variants);
    const given = {role: "slider", tabindex: "0", "aria-orientation": "horizontal",
      "aria-valuemin": "0", "aria-valuemax": String(variants.length)};
    for (const [name, value] of Object.entries(given)) chart.setAttribute(name, value);
  }

  /** Says in each chart which of its variants is followed. @param {string | null} followed */
  const tell = followed => {
    for (const [chart, variants] of steps) {
      const step = followed === null ? 0 : variants.indexOf(followed) + 1;
      chart.setAttribute("aria-valuenow", String(step));
      chart.setAttribute("aria-valuetext",
        step ? said(placeOf(chart), variants[step - 1]) : "No variant; arrow keys choose one");
    }
  };

  document.addEventListener("keydown", event => {
    const chart = /** @type {Element} */ (event.target), variants = steps.get(chart);
    if (!variants || event.altKey || event.ctrlKey || event.metaKey) return;
    const now = Number(chart.getAttribute("aria-valuenow")), last = variants.length;
    /** @type {Record<string, number>} */
    const keys = {ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1,
      Home: 1, End: last, Escape: 0};
    if (event.key === "Enter" && now) open();
    else if (event.key in keys) {
      const step = Math.min(last, Math.max(0, keys[event.key]));
      follow(step ? variants[step - 1] : null);
    } else return;
    event.preventDefault();
  });

  document.addEventListener("pointerover", event => {
    const mark = /** @type {Element} */ (event.target).closest("figure [data-variant]");
    if (!mark) return;
    const title = mark.querySelector("title") ?? mark.appendChild(
      document.createElementNS(SVG, "title"));
    title.textContent = said(placeOf(mark), mark.getAttribute("data-variant") ?? "");
  });

  return tell;
};
