/**
 * A reader's limits and the answer that follows, and a variant followed through the page.
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
(() => {
  /** @param {string} id */
  const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));
  /** @type {Data} */
  const data = JSON.parse(byId("data").textContent ?? "");
  const panel = byId("decide"), story = byId("story");
  const labels = new Map(data.variants.map(one => [one.id, one.label]));
  const licences = new Map(data.variants.map(one => [one.id, one.licence ?? ""]));
  const MOST = 3;

  /**
   * An element with text or other elements in it.
   * @param {string} tag @param {...(string | Node)} inside
   */
  const element = (tag, ...inside) => {
    const made = document.createElement(tag);
    made.append(...inside);
    return made;
  };
  /** @param {string[]} names */
  const several = names => names.length > MOST
    ? `${names.slice(0, MOST).join(", ")} and ${names.length - MOST} more` : names.join(", ");
  /** @param {Candidate} one */
  const named = one => `${labels.get(one.variant)} on ${data.devices[one.device]}`;

  /** @type {HTMLInputElement[]} */
  const inputs = [...panel.querySelectorAll("input")];
  /** @type {HTMLSelectElement | null} */
  const percentile = panel.querySelector("select");
  const limitInputs = inputs.filter(one => one.dataset.figure);
  /** @param {string} key */
  const checkbox = key => inputs.find(one => one.dataset.key === key);
  /** @param {string} axis */
  const ticked = axis => new Set(inputs.filter(one => one.dataset.axis === axis && one.checked)
    .map(one => one.value));

  /** @returns {Limit[]} */
  const limits = () => limitInputs.filter(one => one.value !== "" && one.validity.valid)
    .map(one => ({
      figure: (one.dataset.figure ?? "").replace("{percentile}", percentile?.value ?? "50"),
      bound: one.dataset.bound === "most" ? "most" : "least",
      value: Number(one.value) * Number(one.dataset.factor),
      task: one.dataset.task ?? null,
    }));

  /** @param {Limit} limit @param {Task} task */
  const applies = (limit, task) => /^(latency|ttft|tpot)_/.test(limit.figure) ? !task.rate
    : limit.figure !== "rate" || task.rate;

  /** @param {number} value */
  const digits = value => String(Number(value.toPrecision(3)));
  /** @param {string} figure @param {number} value */
  const amount = (figure, value) => {
    const unit = data.figures[figure][1];
    if (unit === "s") return value < 1 ? `${digits(value * 1e3)} ms` : `${digits(value)} s`;
    return unit === "bytes" ? `${digits(value / 1e9)} GB` : `${digits(value)} ${unit}`.trim();
  };
  /** @param {Limit} limit */
  const inWords = limit => `${data.figures[limit.figure][0]} at ${limit.bound} `
    + amount(limit.figure, limit.value) + (limit.task === null ? "" : ` in ${limit.task}`);

  /** Whether two may be equally fast: their intervals overlap, or one is not known.
   * @param {Shown} one @param {Shown} other */
  const overlap = (one, other) => [...one.bounds, ...other.bounds].includes(null)
    || (Number(one.bounds[0]) <= Number(other.bounds[1])
      && Number(other.bounds[0]) <= Number(one.bounds[1]));

  /** The speed and score of a candidate. @param {Candidate} one */
  const figures = one => "speed" in one
    ? `${/** @type {Shown} */ (one).speed}, ${/** @type {Shown} */ (one).said}`
    : `${amount("latency_p50", one.seconds)} and ${deciding.score(one).toFixed(1)} points, both means`;

  /**
   * How sure the choice is. @param {Decision} made @param {Limit[]} set @param {number} margin
   */
  const sure = (made, set, margin) => {
    const {answer, best} = made;
    if (!answer || !best) return [];
    const said = deciding.doubtful(answer, set).map(
      limit => `Not certain, by its 95 % interval: ${inWords(limit)}.`);
    const rivals = answer.parts ? [] : made.meeting.filter(one => one !== answer
      && deciding.score(one) >= deciding.score(best) - margin - deciding.ROUNDING
      && overlap(/** @type {Shown} */ (answer), /** @type {Shown} */ (one)));
    if (rivals.length) {
      said.push(`Not clearly faster than ${several(rivals.map(named))}: the intervals overlap.`);
    }
    if (answer.parts) said.push("No interval of a mean's difference: a close choice is open.");
    return said.length ? said : ["The limits and the choice hold by the 95 % intervals."];
  };

  /**
   * One answer as elements.
   * @param {string} title @param {Candidate[]} among @param {Decision} made @param {Limit[]} set
   */
  const answered = (title, among, made, set) => {
    const {margin} = data, said = element("div");
    if (!made.answer) {
      const met = set.map(limit => {
        const count = among.filter(one => !deciding.misses(one, set).includes(limit)).length;
        return element("li", `${inWords(limit)}: met by ${count}`);
      });
      said.append(element("p", `None of ${among.length} candidates meets the limits.`),
        element("ul", ...met));
    } else {
      const line = element("p", element("span",
        `${made.meeting.length} of ${among.length} meet the limits. The fastest within ${margin} `
        + "points of the best of them is "),
      element("strong", named(made.answer)), `: ${figures(made.answer)}.`);
      line.className = "verdict";
      const remark = element("p", sure(made, set, margin).join(" "));
      remark.className = "remark";
      const kinds = element("dl");
      for (const kind of /** @type {const} */ (["best", "fastest", "cheapest", "smallest"])) {
        const one = made[kind];
        const cost = kind === "cheapest" ? "cost" : kind === "smallest" ? "memory" : null;
        const figure = one && (cost ? amount(cost, one.figures[cost][0]) : figures(one));
        kinds.append(element("dt", kind[0].toUpperCase() + kind.slice(1)),
          element("dd", one ? `${named(one)}: ${figure}` : "not known"));
      }
      said.append(line, remark, kinds);
    }
    const article = element("article", element("h3", title), said);
    article.className = "answer";
    return article;
  };

  /** Every row and mark of a variant: in which place, and whose.
   * @type {{what: Element, place: string, variant: string}[]} */
  const traced = [];
  const byLabel = new Map(data.variants.map(one => [one.label, one.id]));
  for (const head of document.querySelectorAll("main tbody th[scope=row]")) {
    const variant = byLabel.get((head.firstChild?.textContent ?? "").trim());
    const row = head.closest("tr");
    if (!variant || !row || head.closest("#story")) continue;
    const button = element("button", ...head.childNodes);
    button.className = "follow";
    button.dataset.follow = variant;
    head.append(button);
    const place = /** @type {HTMLElement | null} */ (row.closest("[data-place]"))?.dataset.place;
    traced.push({what: row, place: place ?? "", variant});
    for (const box of /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll("td[data-place]"))) {
      traced.push({what: box, place: box.dataset.place ?? "", variant});
    }
  }
  const figuresOf = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("figure"))];
  for (const figure of figuresOf) {
    for (const mark of /** @type {NodeListOf<SVGElement>} */ (figure.querySelectorAll("[data-variant]"))) {
      traced.push({what: mark, place: figure.dataset.place ?? "", variant: mark.dataset.variant ?? ""});
    }
  }

  /** The place of a mark on its chart. @param {Element} mark @returns {[number, number]} */
  const at = mark => {
    const found = /translate\(([-\d.e]+),([-\d.e]+)\)/.exec(mark.getAttribute("transform") ?? "");
    return found ? [Number(found[1]), Number(found[2])] : [0, 0];
  };

  /** Draws the Pareto line and the ring of what meets the limits; as rendered without any.
   * @param {HTMLElement} figure @param {Candidate[]} frontier @param {string | undefined} chosen
   * @param {boolean} asked */
  const drawFrontier = (figure, frontier, chosen, asked) => {
    const line = /** @type {SVGElement | null} */ (figure.querySelector("[data-drawn=front]"));
    const ring = /** @type {SVGElement | null} */ (figure.querySelector("[data-drawn=ring]"));
    if (!line || !ring) return;
    line.dataset.was ??= line.getAttribute("d") ?? "";
    ring.dataset.was ??= ring.getAttribute("transform") ?? "";
    if (!asked) {
      line.setAttribute("d", line.dataset.was);
      ring.setAttribute("transform", ring.dataset.was);
      ring.removeAttribute("visibility");
      return;
    }
    /** @type {Map<string, [number, number]>} */
    const points = new Map();
    for (const mark of /** @type {NodeListOf<SVGElement>} */ (
      figure.querySelectorAll("[data-kind=point]"))) {
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

  /** @type {Map<string, string[]>} */
  let missed = new Map();

  /** Answers the question, and marks what is outside its limits. */
  const answer = () => {
    const set = limits(), surely = checkbox("surely")?.checked ?? false;
    const devices = ticked("device"), wanted = ticked("licence");
    const asked = set.length + devices.size + wanted.size > 0 || surely
      || (checkbox("over-tasks")?.checked ?? false);
    /** @param {Shown} one */
    const among = one => (!devices.size || devices.has(one.device))
      && (!wanted.size || wanted.has(licences.get(one.variant) ?? ""));
    const answers = byId("answered"), shown = document.createDocumentFragment();
    missed = new Map();
    /** @type {Map<string, Task[]>} */
    const pools = new Map();
    for (const task of data.tasks) {
      const about = set.filter(one => one.task === null || one.task === task.task);
      const foreign = about.find(limit => !applies(limit, task));
      if (foreign) {
        shown.append(element("p", `${task.label}: left out: it cannot have a ${inWords(foreign)}.`));
      }
      const candidates = foreign ? [] : task.candidates.filter(among);
      const made = deciding.decide(candidates, about, data.margin, surely);
      if (!foreign) {
        pools.set(task.scenario, [...pools.get(task.scenario) ?? [], task]);
        if (!checkbox("over-tasks")?.checked) {
          shown.append(answered(task.label, candidates, made, about));
        }
      }
      for (const one of task.candidates) {
        const faults = !among(one) ? ["not among the devices and licences"]
          : foreign ? [] : [...deciding.misses(one, about),
            ...(surely ? deciding.doubtful(one, about) : [])].map(inWords);
        if (faults.length) missed.set(`${task.file}/${one.device}|${one.variant}`, faults);
      }
      for (const figure of figuresOf.filter(one => one.id.startsWith("frontier"))) {
        const device = (figure.dataset.place ?? "").slice(task.file.length + 1);
        if (figure.dataset.place !== `${task.file}/${device}`) continue;
        const here = deciding.decide(
          candidates.filter(one => one.device === device), about, data.margin, surely);
        drawFrontier(figure, here.frontier, here.answer?.variant, asked);
      }
    }
    if (checkbox("over-tasks")?.checked) {
      for (const [scenario, tasks] of pools) {
        const names = tasks.map(one => one.task), candidates = deciding.overTasks(
          tasks.flatMap(one => one.candidates.filter(among)), names);
        const about = set.filter(one => one.task === null || names.includes(one.task));
        const title = `Over all tasks${pools.size > 1 ? ` · ${scenario}` : ""}`;
        shown.append(answered(
          title, candidates, deciding.decide(candidates, about, data.margin, surely), about));
      }
    }
    answers.replaceChildren(...(asked ? [shown]
      : [element("p", "Set a limit: the answer, the charts and the tables follow it.")]));
    for (const {what, place, variant} of traced) {
      what.classList.toggle("unmet", missed.has(`${place}|${variant}`));
    }
    keep();
    tell();
  };

  /** The variant that is followed, if any. @type {string | null} */
  let followed = null;

  /** A list of names and texts. @param {string[][]} pairs */
  const list = pairs => element("dl", ...pairs.flatMap(
    ([name, text]) => [element("dt", name), element("dd", text)]));

  /** The requests that flipped, side by side. @param {Story} one */
  const flipped = one => {
    const head = ["", "Asked", "Expected", one.native ?? "", labels.get(followed ?? "") ?? ""];
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

  /** Fills the story of the variant that is followed. */
  const tell = () => {
    story.hidden = followed === null;
    const variant = followed;
    if (variant === null) return;
    const parts = [];
    for (const {place, title, variants} of data.stories) {
      const one = variants[variant];
      if (!one) continue;
      parts.push(element("h3", title));
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
      if (one.flips) parts.push(element("h4", `Requests that flipped (the first ${one.flips.length})`), flipped(one));
    }
    byId("story-title").textContent = labels.get(variant) ?? variant;
    byId("story-text").replaceChildren(...parts);
  };

  /** Follows a variant through the page, or none. @param {string | null} variant */
  const follow = variant => {
    followed = variant !== null && labels.has(variant) ? variant : null;
    document.body.classList.toggle("following", followed !== null);
    for (const one of traced) one.what.classList.toggle("followed", one.variant === followed);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (
      document.querySelectorAll("[data-follow]"))) {
      button.setAttribute("aria-pressed", String(button.dataset.follow === followed));
    }
    tell();
    keep();
  };

  const PREFIX = "#limits?";

  /** Writes the question into the address, so that a link carries it. */
  const keep = () => {
    const query = new URLSearchParams();
    for (const one of inputs) {
      const key = one.dataset.key ?? "";
      if (one.type === "checkbox" ? one.checked : one.value !== "") query.append(key, one.value);
    }
    if (percentile && percentile.value !== "50") query.append("percentile", percentile.value);
    if (followed !== null) query.append("follow", followed);
    const text = query.toString();
    if (text || location.hash.startsWith(PREFIX)) {
      history.replaceState(null, "", text ? PREFIX + text : "#decide");
    }
  };

  /** Reads the question of a link. */
  const read = () => {
    if (!location.hash.startsWith(PREFIX)) return;
    const query = new URLSearchParams(location.hash.slice(PREFIX.length));
    for (const one of inputs) {
      const given = query.getAll(one.dataset.key ?? "");
      if (one.type === "checkbox") one.checked = given.includes(one.value);
      else one.value = given[0] ?? "";
    }
    if (percentile) {
      percentile.value = query.get("percentile") ?? "50";
      if (percentile.selectedIndex < 0) percentile.value = "50";
    }
    followed = query.get("follow");
  };

  let waiting = 0;
  panel.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(answer, 150);
  });
  document.addEventListener("click", event => {
    const target = /** @type {Element} */ (event.target);
    const hit = /** @type {HTMLElement | SVGElement | null} */ (
      target.closest("[data-follow], figure [data-variant]"));
    const variant = hit?.dataset.follow ?? hit?.dataset.variant;
    if (variant === undefined) return;
    follow(variant === followed ? null : variant);
    if (followed !== null) story.focus({preventScroll: hit instanceof SVGElement});
  });
  byId("story-close").addEventListener("click", () => follow(null));
  byId("limits-clear").addEventListener("click", () => {
    for (const one of inputs) one.type === "checkbox" ? one.checked = false : one.value = "";
    answer();
  });
  const start = () => {
    read();
    follow(followed);
    answer();
  };
  addEventListener("hashchange", start);
  panel.hidden = false;
  start();
})();
