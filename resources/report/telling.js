/**
 * The story of a variant in each of its cells.
 *
 * @param {Data} data
 */
const telling = data => {
  /** A list of names and texts. @param {string[][]} pairs */
  const list = pairs => element("dl", ...pairs.map(
    ([name, text]) => element("div", element("dt", name), element("dd", text))));

  /** The requests that flipped, side by side. @param {Story} one @param {string} label */
  const flipped = (one, label) => {
    const head = ["", "Asked", "Expected", one.native ?? "", label];
    const rows = (one.flips ?? []).map(([kind, id, ...texts]) => {
      const first = element("th", `${kind}: ${id}`);
      first.setAttribute("scope", "row");
      return element("tr", first, ...texts.map(text => {
        const inside = element("bdi", text || "(empty)"), box = element("div", inside);
        inside.setAttribute("dir", "auto");
        box.className = "text";
        return element("td", box);
      }));
    });
    const table = element("table", element("thead", element("tr", ...head.map(name => {
      const cell = element("th", name);
      cell.setAttribute("scope", "col");
      return cell;
    }))), element("tbody", ...rows));
    table.className = "examples";
    const scroll = element("div", table);
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Requests that flipped");
    return scroll;
  };

  /**
   * @param {string} variant @param {string} label
   * @param {Map<string, string[]>} missed the limits that it misses, by place and variant
   */
  return (variant, label, missed) => {
    const told = [];
    for (const {place, title, variants} of data.stories) {
      const one = variants[variant];
      if (!one) continue;
      /** @type {HTMLElement[]} */
      const parts = [];
      const faults = missed.get(`${place}|${variant}`);
      if (faults) parts.push(element("p", `Outside your limits: ${faults.join("; ")}.`));
      if (one.reason) parts.push(element("p", one.reason));
      if (one.score) parts.push(element("p", one.score));
      if (one.change) parts.push(element("h4", "What quantization and techniques changed, paired"), list(one.change));
      if (one.facts) {
        parts.push(element("h4", "Times, memory and other figures"), list(one.facts.flatMap(
          (text, place) => text === "–" ? [] : [[data.headings[place], text]])));
      }
      if (one.lengths) parts.push(element("h4", "By length"), list(one.lengths));
      if (one.load) parts.push(element("h4", "Under load"), list(one.load));
      if (one.flips) parts.push(element("h4", `Requests that flipped (the first ${one.flips.length})`), flipped(one, label));
      const cell = document.createElement("details");
      cell.open = !told.length;
      cell.append(element("summary", element("h3", title)), ...parts);
      told.push(cell);
    }
    return told;
  };
};
