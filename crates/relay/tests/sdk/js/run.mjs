// Plays suite.json (its path is SDK_SUITE) with the Svix library for JavaScript that lies beside this file, from Node 22 on.
// README.md beside the suite explains its words; py/run.py is the same in Python.
//
// Wants SDK_URL and SDK_TOKEN of a Relay, SDK_HURRIED_URL of one that allows one call a second, and SDK_RELAY, the program.
// The last line is `N calls, M failed`; the first failure ends it.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Svix, Webhook, WebhookVerificationError } from "svix";

const PATIENCE = 20_000; // milliseconds
const LOOK_AGAIN = 20; // milliseconds
const pinned = JSON.parse(readFileSync(new URL("package.json", import.meta.url)));
const MAJOR = Number(pinned.dependencies.svix.split(".")[0]);
const suite = JSON.parse(readFileSync(process.env.SDK_SUITE));
// What the library of this version has.
const calls = Object.fromEntries(
  Object.entries(suite.calls).filter(
    ([, call]) => (call.majors ?? [1, 2]).includes(MAJOR) && (call.languages ?? ["js"]).includes("js"),
  ),
);

const deliveries = new Map(); // by path: headers and body
const requests = []; // method and path of every request that the library made
const made = new Set(); // calls that came to an answer
const variables = {};

/** The library or Relay did not do what the suite says. */
class Wrong extends Error {}

/** Takes every delivery. */
const receiver = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const arrived = deliveries.get(request.url) ?? [];
  deliveries.set(request.url, [...arrived, { headers: request.headers, body: Buffer.concat(parts).toString() }]);
  response.end();
});

const fetch = globalThis.fetch;
globalThis.fetch = (url, options) => {
  const { pathname, search } = new URL(url);
  requests.push(`${options.method} ${pathname}${search}`);
  return fetch(url, options);
};

function check(told, wanted, what) {
  if (!isDeepStrictEqual(told, wanted)) {
    throw new Wrong(`${what}: ${JSON.stringify(wanted)} expected, not ${JSON.stringify(told)}`);
  }
}

/** The value with variables filled in, and the field of event types called as this version calls it. */
function fit(value) {
  if (typeof value === "string") return value.replace(/\$(\w+)/g, (_, name) => variables[name]);
  if (Array.isArray(value)) return value.map(fit);
  if (value === null || typeof value !== "object") return value;
  const old = (key) => (MAJOR === 1 && key === "eventTypes" ? "filterTypes" : key);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [old(key), fit(one)]));
}

/** What is at a path of the reply; null and absence mean the same. */
function dig(value, path) {
  return path.split(".").reduce((inner, name) => inner?.[name], value) ?? null;
}

function camel(name) {
  return name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}

function client(who) {
  let url = process.env.SDK_URL;
  let token = process.env.SDK_TOKEN;
  if (who === "nobody") token = "nobody";
  if (who === "lost") url += "/nowhere";
  if (who === "hurried") url = process.env.SDK_HURRIED_URL;
  if (who === "application") {
    token = execFileSync(process.env.SDK_RELAY, ["token", "--app", variables.app], { encoding: "utf8" }).trim();
  }
  // Version 1 keeps the slash, and so asks for `//api/v1`.
  return new Svix(token, { serverUrl: `${url}/` });
}

/** Makes the call of a step; returns the reply as it was on the wire. */
async function call(step, more = {}) {
  const { old } = calls[step.call];
  const path = camel(MAJOR === 1 && old ? old : step.call).split(".");
  const method = path.pop();
  const object = path.reduce((inner, name) => inner[name], client(step.as));
  const options = { ...fit(step.options ?? {}), ...more };
  const args = [...fit(step.args ?? []), ...(Object.keys(options).length ? [options] : [])];
  requests.length = 0;
  try {
    const reply = await object[method](...args);
    return JSON.parse(JSON.stringify(reply ?? null));
  } finally {
    if (step.as !== "lost") followed(step.call);
  }
}

/** Checks that the last request took the route of the call. */
function followed(name) {
  const [method, route] = calls[name].route.split(" ");
  const path = `${MAJOR === 1 ? "//" : "/"}api/v1${route}`.replace(/\{\w+\}/g, "[^/]+");
  const asked = requests.at(-1);
  if (!new RegExp(`^${method} ${path}(\\?.*)?$`).test(asked)) {
    throw new Wrong(`${method} ${path} expected, not ${asked}`);
  }
}

/** Makes a call that fails; returns the status and the code, or with a 422 the place of the fault. */
async function refused(step) {
  let reply;
  try {
    reply = await call(step);
  } catch (fault) {
    if (typeof fault.code !== "number") throw fault;
    return [fault.code, fault.code === 422 ? fault.body.detail[0].loc.join(".") : fault.body.code];
  }
  throw new Wrong(`an error expected, not ${JSON.stringify(reply)}`);
}

/** Makes a call that Relay does not have; the library must be able to read that. */
async function missing(step) {
  const told = await refused(step);
  const absent = [[404, "not_found"], [405, "method_not_allowed"]];
  check(absent.some((one) => isDeepStrictEqual(one, told)), true, `it is there or cannot be read: ${told}`);
}

/** Reads a list in pages to its end and back to its beginning. */
async function walk(step) {
  const page = (iterator) => call(step, { limit: step.walk, ...(iterator ? { iterator } : {}) });
  const there = [await page()];
  while (!there.at(-1).done) there.push(await page(there.at(-1).iterator));
  const back = [there.at(-1)];
  while (back.at(-1).prevIterator) {
    const before = await page(back.at(-1).prevIterator);
    if (!before.data.length) break;
    back.push(before);
  }
  const lists = (pages) => pages.map((one) => one.data).filter((data) => data.length);
  check(lists(back), lists(there).reverse(), "the way back");
  const rows = lists(there).flat();
  check(rows.length, step.finds, "rows");
  check(new Set(rows.map((row) => JSON.stringify(row))).size, rows.length, "different rows");
  made.add(step.call);
}

/** Makes a call that succeeds. */
async function answered(step) {
  const reply = await call(step);
  for (const [path, wanted] of Object.entries(fit(step.reply ?? {}))) check(dig(reply, path), wanted, path);
  for (const [name, path] of Object.entries(step.save ?? {})) variables[name] = dig(reply, path);
  made.add(step.call);
}

/** Takes a delivery; the library's own verifier accepts it, and nothing like it. */
function received(step) {
  const delivery = deliveries.get(step.received)?.shift();
  if (!delivery) throw new Wrong("no delivery came");
  const { headers, body } = delivery;
  const webhook = new Webhook(fit(step.secret));
  const verified = webhook.verify(body, headers);
  check(verified, MAJOR === 1 ? JSON.parse(body) : undefined, "what verify returns");
  for (const [verifier, text] of [[webhook, `${body} `], [new Webhook(`whsec_${"A".repeat(32)}`), body]]) {
    try {
      verifier.verify(text, headers);
    } catch (fault) {
      if (fault instanceof WebhookVerificationError) continue;
      throw fault;
    }
    throw new Error("it verified what is not signed like that");
  }
}

async function play(step) {
  if (step.received) return received(step);
  if (calls[step.call].missing) {
    made.add(step.call);
    return missing(step);
  }
  if (step.error) return check(await refused(step), step.error, "the error");
  return step.walk ? walk(step) : answered(step);
}

/** Plays a step; one that may take its time is played until it passes. */
async function patiently(step) {
  const deadline = Date.now() + (step.repeat || step.received ? PATIENCE : 0);
  for (;;) {
    try {
      return await play(step);
    } catch (fault) {
      if (!(fault instanceof Wrong) || Date.now() >= deadline) throw fault;
    }
    await sleep(LOOK_AGAIN);
  }
}

async function main() {
  await new Promise((listening) => receiver.listen(0, "127.0.0.1", listening));
  variables.receiver = `http://127.0.0.1:${receiver.address().port}`;
  variables.now = new Date().toISOString();
  variables.hour_ago = new Date(Date.now() - 3_600_000).toISOString();
  const steps = suite.steps.filter((step) => !step.call || step.call in calls);
  for (const [number, step] of steps.entries()) {
    try {
      await patiently(step);
    } catch (fault) {
      console.log(`${JSON.stringify(step)}\n  ${fault}\n${number} calls, 1 failed`);
      return 1;
    }
  }
  const uncalled = Object.keys(calls).filter((name) => !made.has(name));
  if (uncalled.length) {
    console.log(`never called: ${uncalled.join(", ")}\n${steps.length} calls, ${uncalled.length} failed`);
    return 1;
  }
  console.log(`${steps.length} calls, 0 failed`);
  return 0;
}

process.exit(await main());
