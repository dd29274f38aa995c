// Who is looking: the token of the link, what it lets do, and the calls that are made with it.

const KEY = "relay-portal-token";
const IMPLIED = {
  ManageEndpoint: ["ManageEndpointSecret", "ViewEndpointSecret"],
  ManageEndpointSecret: ["ViewEndpointSecret"],
};

let token = null;
let claims = {};

/** What the API has refused, as people read it. */
export class Refused extends Error {
  constructor(status, lines) {
    super(lines.join("\n"));
    this.status = status;
  }
}

/** Takes the token of the link, or that of before; false if there is none that can be read. */
export function begin() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem(KEY, key);
    // Neither the history nor whoever looks at the address bar gets to see it.
    history.replaceState(null, "", location.pathname + location.search);
  }
  token = sessionStorage.getItem(KEY);
  try {
    claims = read(token);
    return claims.sub.startsWith("app_");
  } catch {
    return false;
  }
}

/** Forgets the token, and has Relay end it. */
export async function end() {
  try {
    await call("POST", "auth/logout");
  } finally {
    forget();
  }
}

export function forget() {
  sessionStorage.removeItem(KEY);
  token = null;
}

/** Whether the token has a capability. The page hides what it has not; Relay refuses it anyway. */
export function can(capability) {
  const held = claims.relay?.capabilities;
  if (!held) return true;
  return held.some((one) => one === capability || (IMPLIED[one] ?? []).includes(capability));
}

/** A call of the API; what it answers, or null. */
export async function call(method, path, body) {
  const headers = { authorization: `Bearer ${token}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const options = { method, headers, body: body && JSON.stringify(body), cache: "no-store" };
  let response;
  try {
    response = await fetch(`api/v1/${path}`, options);
  } catch {
    throw new Refused(0, ["There is no connection. Try again."]);
  }
  const text = await response.text();
  const answer = text ? parsed(text) : null;
  if (!response.ok) throw new Refused(response.status, said(response.status, answer));
  return answer;
}

/** A call below the application of the token. */
export function ask(method, path, body) {
  const app = `app/${encodeURIComponent(claims.sub)}`;
  return call(method, path ? `${app}/${path}` : app, body);
}

/** All items of a list that is short. */
export async function all(path, get = call) {
  const items = [];
  let next = "";
  for (let page = 0; page < 20; page += 1) {
    const list = await get("GET", `${path}?limit=250${next}`);
    items.push(...list.data);
    if (list.done || !list.iterator) break;
    next = `&iterator=${encodeURIComponent(list.iterator)}`;
  }
  return items;
}

function read(text) {
  const part = text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function said(status, answer) {
  if (Array.isArray(answer?.detail)) {
    return answer.detail.map(({ loc, msg }) => {
      const place = loc.slice(1).filter((name) => name && name !== "__all__").join(" ");
      return place ? `${place}: ${msg}` : msg;
    });
  }
  return [answer?.detail ?? `The server answered ${status}.`];
}
