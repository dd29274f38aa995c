// The portal: the endpoints of one application, and what became of what was sent to them.

import { Refused, all, ask, begin, call, can, end, forget } from "./session.js";
import {
  badge, boxes, button, dialog, el, facts, failed, faults, field, moment, note, quoted, show, text,
} from "./view.js";

const STATUS = {
  0: ["Delivered", "good"],
  1: ["Waits", "calm"],
  2: ["Failed", "bad"],
  3: ["Sending", "calm"],
  4: ["Not sent", "dim"],
};
const REASONS = {
  failing: "It was disabled because nothing but failures came from it for days.",
  gone: "It was disabled because it answered 410 Gone.",
};
const PAGE = 20;
const LOOK_AGAIN = 1000; // milliseconds

// ===== the list of endpoints =====

async function endpointsView() {
  const endpoints = await all("endpoint", ask);
  const add = can("ManageEndpoint") && button("Add endpoint", () => edit(null), "main");
  const head = text("div", "bar", el("h2", {}, "Endpoints"), add || null);
  const rows = endpoints.map((endpoint) =>
    el(
      "li",
      {},
      el(
        "a",
        { href: `?endpoint=${encodeURIComponent(endpoint.id)}`, className: "card", on: { click: follow } },
        text("span", "url", endpoint.url),
        state(endpoint),
        text("span", "about", endpoint.description || wants(endpoint)),
      ),
    ),
  );
  const none = text(
    "p",
    "empty",
    "There are no endpoints yet. An endpoint is a URL of yours that gets a message when something happens.",
  );
  show(head, rows.length ? text("ul", "cards", ...rows) : none);
}

function state(endpoint) {
  return endpoint.disabled ? badge("Disabled", "dim") : badge("Active", "good");
}

function wants({ eventTypes, channels }) {
  const types = eventTypes ? eventTypes.join(", ") : "All event types";
  return channels ? `${types} · on ${channels.join(", ")}` : types;
}

// ===== one endpoint =====

async function endpointView(id) {
  const path = `endpoint/${encodeURIComponent(id)}`;
  const [endpoint, headers] = await Promise.all([ask("GET", path), ask("GET", `${path}/headers`)]);
  const names = [...Object.keys(headers.headers), ...headers.sensitive];
  show(
    back(),
    text("div", "bar", el("h2", { className: "url" }, endpoint.url), state(endpoint)),
    endpoint.disabledReason && text("p", "wrong", REASONS[endpoint.disabledReason] ?? endpoint.disabledReason),
    facts(
      endpoint.description && ["Description", endpoint.description],
      ["Gets", wants(endpoint)],
      endpoint.throttleRate && ["At most", `${endpoint.throttleRate} a second`],
      names.length > 0 && ["Headers", names.join(", ")],
      ["Made", moment(endpoint.createdAt)],
    ),
    actions(endpoint, headers, path),
    attempts(endpoint, path),
  );
}

function actions(endpoint, headers, path) {
  const manage = can("ManageEndpoint");
  const turn = endpoint.disabled ? "Enable" : "Disable";
  const buttons = [
    manage && button("Edit", () => edit(endpoint)),
    manage && button(turn, () => toggle(endpoint, path)),
    manage && button("Headers", () => editHeaders(headers, path)),
    can("ViewEndpointSecret") && button("Secret", () => secret(path)),
    can("ManageEndpointSecret") && button("Rotate secret", () => rotate(path)),
    can("CreateAttempts") && !endpoint.disabled && button("Recover", () => recover(path)),
    manage && button("Delete", () => remove(endpoint, path), "danger"),
  ].filter(Boolean);
  return buttons.length ? text("div", "actions", ...buttons) : null;
}

async function toggle({ disabled }, path) {
  await ask("PATCH", path, { disabled: !disabled });
  note(disabled ? "It gets messages again." : "It gets nothing more.", "good");
  await view();
}

async function edit(endpoint) {
  const known = (await all("event-type")).map((type) => type.name);
  const types = [...new Set([...known, ...(endpoint?.eventTypes ?? [])])].sort();
  const inputs = [
    field("URL", "url", { type: "url", required: true, value: endpoint?.url ?? "", placeholder: "https://" }),
    field("Description", "description", { value: endpoint?.description ?? "" }),
    types.length > 0 &&
      boxes("Event types", "types", types, endpoint?.eventTypes ?? [], "All of them if none is ticked."),
    field("Channels", "channels", { value: endpoint?.channels?.join(", ") ?? "" }, "Commas between; empty for all."),
    field(
      "Deliveries a second",
      "rate",
      { type: "number", min: 1, max: 65535, value: endpoint?.throttleRate ?? "" },
      "Empty for no limit.",
    ),
  ].filter(Boolean);
  await dialog(endpoint ? "Edit endpoint" : "Add endpoint", inputs, "Save", async (form) => {
    const data = new FormData(form);
    const list = (items) => (items.length ? items : null);
    const channels = data.get("channels").split(",").map((one) => one.trim()).filter(Boolean);
    const body = {
      url: data.get("url").trim(),
      description: data.get("description"),
      eventTypes: list(data.getAll("types")),
      channels: list(channels),
      throttleRate: data.get("rate") ? Number(data.get("rate")) : null,
    };
    if (endpoint) {
      await ask("PATCH", `endpoint/${endpoint.id}`, body);
    } else {
      const made = await ask("POST", "endpoint", body);
      history.pushState(null, "", `?endpoint=${encodeURIComponent(made.id)}`);
    }
    note("Saved.", "good");
    await view();
  });
}

async function remove(endpoint, path) {
  const about = el("p", {}, `${endpoint.url} gets nothing more, and what was sent to it is not listed any more.`);
  await dialog("Delete this endpoint?", [about], "Delete", async () => {
    await ask("DELETE", path);
    history.pushState(null, "", location.pathname);
    note("Deleted.", "good");
    await view();
  }, "danger");
}

async function editHeaders({ headers, sensitive }, path) {
  const value = Object.entries(headers).map(([name, one]) => `${name}: ${one}`).join("\n");
  const kept = sensitive.length ? ` Not shown, and kept unless you name them: ${sensitive.join(", ")}.` : "";
  const hint = `One a line, as name: value; one without a value is removed.${kept}`;
  const lines = field("Headers that are sent along", "headers", { kind: "textarea", rows: 6, value }, hint);
  await dialog("Headers", [lines], "Save", async (form) => {
    const set = parseHeaders(new FormData(form).get("headers"));
    const gone = Object.keys(headers).filter((name) => !(name in set));
    await ask("PATCH", `${path}/headers`, {
      headers: { ...set, ...Object.fromEntries(gone.map((name) => [name, null])) },
    });
    note("Saved.", "good");
    await view();
  });
}

function parseHeaders(lines) {
  const pairs = lines.split("\n").filter((line) => line.trim()).map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Refused(0, [`“${line.trim()}” is no header: write name: value`]);
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim() || null];
  });
  return Object.fromEntries(pairs);
}

async function secret(path) {
  const { key } = await ask("GET", `${path}/secret`);
  // Browsers have it for pages that came by https.
  const copy = navigator.clipboard && button("Copy", async () => {
    await navigator.clipboard.writeText(key);
    note("Copied.", "good");
  });
  const about = "Verify with it that a message is from us, and keep it to yourself.";
  await dialog("Signing secret", [el("p", {}, about), el("pre", { className: "secret" }, key), copy].filter(Boolean), "");
}

async function rotate(path) {
  const about = el("p", {}, "Messages are signed with both secrets for a day. Give your receiver the new one until then.");
  await dialog("Rotate the signing secret?", [about], "Rotate", async () => {
    await ask("POST", `${path}/secret/rotate`, {});
    note("There is a new secret.", "good");
  });
}

async function recover(path) {
  const day = new Date(Date.now() - 24 * 3600 * 1000);
  const local = new Date(day - day.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const since = field(
    "Since",
    "since",
    { type: "datetime-local", required: true, value: local },
    "What failed since then and was not delivered is sent again; two weeks back at most.",
  );
  let task;
  await dialog("Recover failed messages", [since], "Recover", async (form) => {
    const from = new Date(new FormData(form).get("since")).toISOString();
    task = await ask("POST", `${path}/recover`, { since: from });
  });
  if (task) await finished(task);
}

async function finished(task) {
  note("It has begun.");
  let { status, data } = task;
  while (status === "running") {
    await pause();
    ({ status, data } = await call("GET", `background-task/${encodeURIComponent(task.id)}`));
  }
  if (status === "failed") throw new Refused(0, ["The recovery has failed. Try again later."]);
  note(`${data.messagesSent} messages are sent again.`, "good");
  await view();
}

function pause() {
  return new Promise((wake) => setTimeout(wake, LOOK_AGAIN));
}

// ===== attempts =====

function attempts(endpoint, path) {
  const list = text("ul", "attempts");
  const more = button("Older ones", () => page());
  const choice = el(
    "select",
    { attributes: { "aria-label": "Which attempts" }, on: { change: () => restart().catch(failed) } },
    ...[["", "All attempts"], ["0", "Delivered"], ["2", "Failed"], ["4", "Not sent"]].map(([value, label]) =>
      el("option", { value }, label),
    ),
  );
  let iterator = null;
  let round = 0;

  async function page() {
    const mine = round;
    const query = new URLSearchParams({ limit: PAGE, with_msg: true });
    if (choice.value) query.set("status", choice.value);
    if (iterator) query.set("iterator", iterator);
    const found = await ask("GET", `attempt/${path}?${query}`);
    if (mine !== round) return; // Another filter was chosen meanwhile.
    list.append(...found.data.map((attempt) => attemptRow(attempt, endpoint, restart)));
    iterator = found.iterator;
    more.hidden = found.done;
    if (!list.children.length && found.done) list.append(text("li", "empty", "Nothing to show."));
  }

  async function restart() {
    round += 1;
    iterator = null;
    list.replaceChildren();
    await page();
  }

  restart().catch(failed);
  const again = button("Refresh", restart, "quiet");
  return text(
    "section",
    "",
    text("div", "bar", el("h3", {}, "Attempts"), text("div", "actions", choice, again)),
    list,
    more,
  );
}

function attemptRow(attempt, endpoint, restart) {
  const [label, className] = STATUS[attempt.status] ?? [attempt.statusText, "dim"];
  const code = attempt.responseStatusCode ? String(attempt.responseStatusCode) : "";
  const head = el(
    "summary",
    {},
    badge(label, className),
    text("span", "code", code),
    text("span", "type", attempt.msg?.eventType ?? attempt.msgId),
    moment(attempt.timestamp),
  );
  const body = text("div", "inside");
  const details = el("details", {}, head, body);
  details.addEventListener("toggle", () => {
    if (details.open && !body.children.length) body.append(...inside(attempt, endpoint, restart));
  });
  return el("li", {}, details);
}

function inside(attempt, endpoint, restart) {
  const again = can("CreateAttempts") && !endpoint.disabled;
  return [
    facts(
      ["Message", attempt.msgId],
      ["Sent to", attempt.url],
      ["Took", `${attempt.responseDurationMs} ms`],
      attempt.triggerType === 1 && ["Begun", "by hand"],
    ),
    el("h4", {}, attempt.responseStatusCode ? "What the receiver said" : "What happened"),
    attempt.response ? quoted(attempt.response) : text("p", "empty", "Nothing."),
    attempt.msg && el("h4", {}, "What was sent"),
    attempt.msg && quoted(attempt.msg.payload),
    again && text("div", "actions", button("Resend", () => resend(attempt, restart))),
  ].filter(Boolean);
}

async function resend({ msgId, endpointId }, restart) {
  await ask("POST", `msg/${msgId}/endpoint/${endpointId}/resend`, {});
  note("It is sent once more.", "good");
  await pause();
  await restart();
}

// ===== the page =====

/** Shows what the address says. */
async function view() {
  const endpoint = new URLSearchParams(location.search).get("endpoint");
  await (endpoint ? endpointView(endpoint) : endpointsView());
}

function look() {
  return view().catch((fault) => {
    if (fault.status === 404) return show(back(), text("p", "empty", "That is not there."));
    show(text("p", "empty", fault.message), text("div", "actions", button("Try again", look)));
    failed(fault);
  });
}

function back() {
  const to = { href: location.pathname, className: "back", on: { click: follow } };
  return el("a", to, "← Endpoints");
}

function follow(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", event.currentTarget.href);
  window.scrollTo(0, 0);
  look();
}

function over(words) {
  forget();
  document.querySelectorAll("dialog").forEach((box) => box.close());
  document.getElementById("leave").hidden = true;
  show(text("p", "empty", words));
}

faults((fault) => {
  if (!(fault instanceof Refused)) console.error(fault);
  if (fault.status !== 401) return false;
  over("Your time here is over. Ask for a new link where you got this one.");
  return true;
});

async function start() {
  if (!begin()) return over("This page opens with a link that you get from whoever sends you webhooks.");
  const leave = document.getElementById("leave");
  leave.hidden = false;
  leave.onclick = () => end().catch(failed).then(() => over("You are signed out."));
  await look();
  const app = await ask("GET", "").catch(failed);
  if (!app) return;
  document.title = `${app.name} · Webhooks`;
  document.getElementById("name").textContent = document.title;
}

window.addEventListener("popstate", look);
window.addEventListener("hashchange", start);
start();
