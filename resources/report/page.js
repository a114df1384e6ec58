/** A reader's limits and the answer that follows, and a variant followed through the page. */
(() => {
  /** @param {string} id */
  const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));
  /** @type {Data} */
  const data = JSON.parse(byId("data").textContent ?? "");
  const panel = byId("decide"), story = byId("story");
  const labels = new Map(data.variants.map(one => [one.id, one.label]));
  const licences = new Map(data.variants.map(one => [one.id, one.licence ?? ""]));
  const {answered, applies, inWords} = wording(data), told = telling(data);

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

  /** Shows the story of the variant that is followed. */
  const tell = () => {
    story.hidden = followed === null;
    if (followed === null) return;
    const label = labels.get(followed) ?? followed;
    byId("story-title").textContent = label;
    byId("story-text").replaceChildren(...told(followed, label, missed));
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
    if (percentile) percentile.value = "50";
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
