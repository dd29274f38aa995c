// How things are shown. Whatever somebody else has said becomes a text node, and never markup.

/** An element; `props` are its properties, of which `on` are listeners, and strings among `children` are text. */
export function el(name, props = {}, ...children) {
  const element = document.createElement(name);
  const { on = {}, attributes = {}, ...own } = props;
  Object.assign(element, own);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== false));
  return element;
}

export const text = (name, className, ...words) => el(name, { className }, ...words);

export function button(label, act, className = "") {
  const element = el("button", { type: "button", className }, label);
  element.addEventListener("click", () => busy(element, act));
  return element;
}

/** Runs `act` with the button off, and tells what went wrong. */
export async function busy(element, act) {
  element.disabled = true;
  try {
    await act();
  } catch (fault) {
    failed(fault);
  } finally {
    element.disabled = false;
  }
}

let onFault = () => false;

/** Who sees each fault first, and says whether that was all. */
export function faults(handler) {
  onFault = handler;
}

export function failed(fault) {
  if (!onFault(fault)) note(fault.message, "bad");
}

/** Tells something at the edge of the page. */
export function note(words, className = "") {
  const element = el("p", { className: `note ${className}` }, words);
  document.getElementById("notes").append(element);
  setTimeout(() => element.remove(), 6000);
}

/** A dialog with a form; resolves once it is closed. `act` gets the form; what it throws is shown in it. */
export function dialog(title, fields, label, act, className = "") {
  return new Promise((resolve) => {
    const wrong = el("p", { className: "wrong", hidden: true, attributes: { role: "alert" } });
    const go = el("button", { type: "submit", className: className || "main" }, label);
    const cancel = el("button", { type: "button", on: { click: () => box.close() } }, "Cancel");
    const form = el(
      "form",
      { attributes: { method: "dialog" } },
      el("h2", {}, title),
      ...fields,
      wrong,
      text("div", "actions end", cancel, act ? go : null),
    );
    const box = el("dialog", { on: { close: () => (box.remove(), resolve()) } }, form);
    if (!act) cancel.textContent = "Close";
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!act) return box.close();
      go.disabled = true;
      wrong.hidden = true;
      try {
        await act(form);
        box.close();
      } catch (fault) {
        wrong.textContent = fault.message;
        wrong.hidden = false;
        if (fault.status === 401) failed(fault);
      } finally {
        go.disabled = false;
      }
    });
    document.body.append(box);
    box.showModal();
  });
}

let fields = 0;

/** A labelled input. */
export function field(label, name, props = {}, hint = "") {
  const id = `field-${(fields += 1)}`;
  const { kind = "input", ...own } = props;
  const input = el(kind, { id, name, ...own });
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  const below = hint ? el("small", { id: `${id}-hint` }, hint) : null;
  return text("div", "field", el("label", { htmlFor: id }, label), input, below);
}

/** Boxes to tick, one a name. */
export function boxes(legend, name, names, ticked, hint) {
  const rows = names.map((one) =>
    el(
      "label",
      { className: "tick" },
      el("input", { type: "checkbox", name, value: one, checked: ticked.includes(one) }),
      el("span", {}, one),
    ),
  );
  return el(
    "fieldset",
    { className: "field" },
    el("legend", {}, legend),
    text("div", "ticks", ...rows),
    el("small", {}, hint),
  );
}

export function badge(words, className) {
  return text("span", `badge ${className}`, words);
}

export function moment(iso) {
  const options = { dateStyle: "medium", timeStyle: "medium" };
  const shown = new Date(iso).toLocaleString(undefined, options);
  return el("time", { dateTime: iso, title: iso }, shown);
}

/** Terms and what they are. */
export function facts(...pairs) {
  const rows = pairs.filter(Boolean).map(([term, what]) => [el("dt", {}, term), el("dd", {}, what)]);
  return text("dl", "facts", ...rows.flat());
}

/** A text as it came, or an object set out as JSON. */
export function quoted(what) {
  const shown = typeof what === "string" ? what : JSON.stringify(what, null, 2);
  return el("pre", { tabIndex: 0 }, shown);
}

export function show(...children) {
  document.getElementById("main").replaceChildren(...children.filter(Boolean));
}
