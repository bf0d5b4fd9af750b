// Requests to the server that this page came from. Errors carry what the server said.

const KEY = "lmort-token";

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
};

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const authorization = () => (token.get() ? { Authorization: `Bearer ${token.get()}` } : {});

export function withQuery(path, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value != null && value !== "");
  return kept.length ? `${path}?${new URLSearchParams(kept)}` : path;
}

export async function send(path, { method, body, query, signal } = {}) {
  const headers = authorization();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(withQuery(path, query), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Start it with “lmort-mem serve”, then try again.");
  }
  if (!response.ok) throw await failure(response.status, await response.text());
  return response;
}

export function failure(status, text) {
  let said = `The server answered with status ${status}.`;
  try {
    said = JSON.parse(text).error.message;
  } catch {
    // not ours: a proxy's page, say
  }
  return new ApiError(status, said);
}

export const api = async (path, options) => (await send(path, options)).json();
