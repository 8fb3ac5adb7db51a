/** Speaks to the service: sends requests, and turns everything that may go wrong into a `ServiceProblem`. */

import { keep, kept } from "./storage.js";

const KEY = "fourtower-key";

/** Something that went wrong, as the page shows it. */
export class ServiceProblem extends Error {
  constructor(code, message, { status = 0, retryAfter = null, requestId = "" } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }
}

/** The key that was entered for this tab, or null. */
export function currentKey() {
  return kept("session", KEY);
}

/** Remember a key until the tab is closed. */
export function keepKey(key) {
  keep("session", KEY, key);
}

/** Forget the key, so that another one is asked for. */
export function forgetKey() {
  keep("session", KEY, null);
}

let askForKey = null;

/** Say who asks for a key when the service wants one: a function from a message to a promise. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/**
 * Call the service. `body` is JSON; with `files` a form with `request` and pictures is sent.
 * A request without a good key waits until one was entered.
 */
export async function call(path, { body = null, files = [], field = "image", signal = null, method = null } = {}) {
  for (;;) {
    const tried = currentKey();
    const response = await send(path, { body, files, field, signal, method });
    if (response.ok) return await decoded(response);
    const problem = await problemOf(response);
    if (problem.status !== 401 || !askForKey) throw problem;
    if (currentKey() === tried) await askForKey(tried ? problem.message : "");
  }
}

/** A picture's bytes, for pages that need a key to see them. */
export async function picture(path, signal) {
  const response = await send(path, { signal });
  if (!response.ok) throw await problemOf(response);
  return await response.blob();
}

async function send(path, { body = null, files = [], field = "image", signal = null, method = null }) {
  const headers = { Accept: "application/json" };
  const key = currentKey();
  if (key) headers.Authorization = `Bearer ${key}`;
  let content = null;
  if (files.length) {
    content = new FormData();
    if (body) content.append("request", JSON.stringify(body));
    for (const [place, file] of files.entries()) content.append(field, file, `photo-${place}.jpg`);
  } else if (body) {
    headers["Content-Type"] = "application/json";
    content = JSON.stringify(body);
  }
  try {
    return await fetch(path, { method: method ?? (content ? "POST" : "GET"), headers, body: content, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceProblem("unreachable", "The search service can’t be reached.");
  }
}

async function decoded(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceProblem("unreachable", "The answer was cut off on its way.");
  }
}

async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  const after = Number(response.headers.get("Retry-After"));
  return new ServiceProblem(said.code ?? `http_${response.status}`, said.message ?? "The service gave no reason.", {
    status: response.status,
    retryAfter: Number.isFinite(after) && after > 0 ? after : null,
    requestId: said.request_id ?? response.headers.get("X-Request-Id") ?? "",
  });
}
